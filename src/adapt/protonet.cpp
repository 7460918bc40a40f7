#include <torch/torch.h>

#include "adapt/inner_loop.hpp"
#include "adapt/learners.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// Some samples of an embedding.
Embedding rows_of(const Embedding& embedding, std::int64_t first, std::int64_t count) {
  Embedding rows;
  for (const auto& part : embedding.parts) rows.parts.push_back(part.narrow(0, first, count));
  rows.mask = embedding.mask.narrow(0, first, count);
  rows.weights = embedding.weights;
  return rows;
}

/// What one part says of each sample and class; `known` where both have the part, logits 0
/// elsewhere.
struct PartLogits {
  torch::Tensor logits, known;  ///< [n, way]
};

/// Negative squared distances to class means (Snell, Swersky, Zemel 2017). Written as
/// |q|^2 - 2 q.c + |c|^2, which is differentiable twice. `share` [way, samples]: how much of each
/// sample belongs to each class.
std::vector<PartLogits> compare_with_prototypes(const Embedding& samples,
                                                const torch::Tensor& share,
                                                const Embedding& query) {
  std::vector<PartLogits> parts;
  for (std::size_t p = 0; p < samples.parts.size(); ++p) {
    const auto part = static_cast<std::int64_t>(p);
    const auto members = share * samples.mask.select(1, part);
    const auto count = members.sum(1, true);
    const auto prototypes = members.matmul(samples.parts[p]) / count.masked_fill(count.eq(0), 1.0);
    const auto& q = query.parts[p];
    const auto distance = q.square().sum(1, true) - 2.0 * q.matmul(prototypes.t()) +
                          prototypes.square().sum(1).unsqueeze(0);
    const auto known = query.mask.narrow(1, part, 1) * count.gt(0).to(q.dtype()).t();
    parts.push_back({-known * distance, known});
  }
  return parts;
}

/// A class that shares nothing with a sample is neither near nor far: it gets the mean of that
/// sample's other logits.
torch::Tensor neutral_where_unknown(const torch::Tensor& logits, const torch::Tensor& known) {
  const auto others = known.gt(0).sum(1, true).clamp_min(1);
  return torch::where(known.gt(0), logits, logits.sum(1, true) / others);
}

/// The parts that a sample and a class share, averaged by weight.
torch::Tensor average(const std::vector<PartLogits>& parts, const torch::Tensor& weights) {
  torch::Tensor sum, total;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const auto weight = weights.narrow(0, static_cast<std::int64_t>(p), 1);
    sum = p == 0 ? weight * parts[p].logits : sum + weight * parts[p].logits;
    total = p == 0 ? weight * parts[p].known : total + weight * parts[p].known;
  }
  return neutral_where_unknown(sum / total.masked_fill(total.eq(0), 1.0), total);
}

struct TaskLogits {
  torch::Tensor logits;  ///< [n, way]
  std::vector<PartLogits> parts;
};

/// `refinements`: how often the query, weighted by what all parts together say of it, joins the
/// support in making the prototypes of every part (soft k-means of Ren et al. 2018): what one sense
/// recognises teaches the others.
TaskLogits logits_of(const Model& model, const Tensors& parameters, const Batch& support,
                     const Batch& query, std::int64_t refinements) {
  // One pass for both: they share batch statistics in training and in use.
  const auto all = model.embed(parameters, concatenate(support, query), {});
  const auto unknown = rows_of(all, support.size, query.size);
  const auto labels = torch::one_hot(support.labels, support.way).to(all.mask.dtype()).t();
  auto guess = torch::zeros({support.way, query.size}, labels.options());
  TaskLogits result;
  for (std::int64_t i = 0; i <= refinements; ++i) {
    result.parts = compare_with_prototypes(all, torch::cat({labels, guess}, 1), unknown);
    result.logits = average(result.parts, all.weights);
    guess = torch::softmax(result.logits, 1).t();
  }
  return result;
}

/// Mean over the parts of the loss that each would have alone, on the samples that it can tell.
torch::Tensor loss_of_parts(const std::vector<PartLogits>& parts, const torch::Tensor& labels) {
  auto loss = torch::zeros({}, parts[0].logits.options());
  for (const auto& part : parts) {
    const auto rows = part.known.gather(1, labels.unsqueeze(1)).squeeze(1).nonzero().squeeze(1);
    if (rows.numel() == 0) continue;
    const auto logits = neutral_where_unknown(part.logits, part.known);
    loss = loss + torch::nn::functional::cross_entropy(logits.index_select(0, rows),
                                                       labels.index_select(0, rows));
  }
  return loss / static_cast<double>(parts.size());
}

/// The support set itself: prototypes depend on the batch statistics of the samples they are
/// compared with.
class SupportSet final : public Adapted {
 public:
  SupportSet(std::shared_ptr<const Model> model, Tensors parameters, Batch support,
             std::int64_t refinements)
      : model_(std::move(model)),
        parameters_(std::move(parameters)),
        support_(std::move(support)),
        refinements_(refinements) {}

  torch::Tensor predict(const Batch& batch) const override {
    const torch::NoGradGuard no_grad;
    return logits_of(*model_, parameters_, support_, batch, refinements_).logits;
  }

  std::map<std::string, torch::Tensor> state() const override {
    std::map<std::string, torch::Tensor> state{
        {"parameters", model_->layout()->flatten(parameters_)},
        {"support.labels", support_.labels}};
    for (std::size_t m = 0; m < support_.modalities.size(); ++m) {
      const std::string name = "support." + model_->modalities()[m].name;
      const auto& input = support_.modalities[m];
      state[name + ".rows"] = input.rows;
      if (input.values.defined()) state[name + ".values"] = input.values;
      if (input.mask.defined()) state[name + ".mask"] = input.mask;
    }
    return state;
  }

  static std::unique_ptr<Adapted> restore(std::shared_ptr<const Model> model,
                                          const std::map<std::string, torch::Tensor>& state,
                                          std::int64_t way, std::int64_t refinements) {
    const auto entry = [&](const std::string& name) {
      const auto found = state.find(name);
      return found == state.end() ? torch::Tensor() : found->second;
    };
    auto parameters =
        model->layout()->views(state_entry(state, "parameters", model->layout()->flat_size()));
    Batch support;
    support.labels = entry("support.labels");
    CUTTLE_REQUIRE(support.labels.defined(), "the adapted model has no entry 'support.labels'");
    support.size = support.labels.numel();
    support.way = way;
    for (const auto& spec : model->modalities()) {
      const std::string name = "support." + spec.name;
      ModalityInput input{entry(name + ".values"), entry(name + ".mask"), entry(name + ".rows")};
      CUTTLE_REQUIRE(input.rows.defined(), "the adapted model has no entry '{}.rows'", name);
      support.modalities.push_back(std::move(input));
    }
    return std::make_unique<SupportSet>(std::move(model), std::move(parameters), std::move(support),
                                        refinements);
  }

 private:
  std::shared_ptr<const Model> model_;
  Tensors parameters_;
  Batch support_;
  std::int64_t refinements_;
};

class ProtoNet final : public Learner {
 public:
  using Learner::Learner;

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    const auto leaves = as_leaves(parameters.tensors());
    const auto [logits, parts] =
        logits_of(*model_, leaves, task.support, task.query, /*refinements=*/0);
    const auto loss = task_loss(logits, task.query);
    auto objective = loss;
    if (options_.part_loss > 0.0)
      objective = loss + options_.part_loss * loss_of_parts(parts, task.query.labels);
    TaskResult result;
    result.gradient = model_->layout()->flatten(gradient_of(objective, leaves, false));
    result.query_loss = loss.item<double>();
    result.query_accuracy = accuracy_of(logits, task.query);
    return result;
  }
  double cost(std::int64_t support, std::int64_t query) const override {
    return static_cast<double>(support + query);
  }
  std::unique_ptr<Adapted> adapt(const ParameterList& parameters,
                                 const Batch& support) const override {
    return std::make_unique<SupportSet>(model_, parameters.tensors(), support, options_.refine);
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t way) const override {
    return SupportSet::restore(model_, state, way, options_.refine);
  }
  std::int64_t eval_steps() const override { return 0; }
};

}  // namespace

std::unique_ptr<const Learner> make_protonet(std::shared_ptr<const Model> model,
                                             const AdaptOptions& options) {
  return std::make_unique<ProtoNet>(std::move(model), options);
}

}  // namespace cuttle
