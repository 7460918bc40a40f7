#include <torch/types.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "adapt/layers.hpp"
#include "adapt/learners/attention_rows.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"

namespace cuttle {
namespace {

struct MatchingOptions {
  std::string distance = "cosine";
  double scale = 0.0;
  bool full_context = false;
  std::int64_t processing_steps = 3;
  void keys(Keys& keys) {
    keys.add("distance", distance, one_of({"cosine", "squared"}),
             "what attention goes by: the paper's cosine, or the squared Euclidean distance");
    keys.add("scale", scale, at_least(0),
             "attention is the softmax of this times the similarity; 0: 10 for the cosine (the "
             "paper has 1), 0.1 for the distance");
    keys.add("full_context", full_context, anything(),
             "a sample's embedding goes by the whole support set (two LSTMs more)");
    keys.add("processing_steps", processing_steps, between(1, 100),
             "full_context: how often a query's LSTM looks at the support set");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.one_each = true;
    return demands;
  }
};

/// An LSTM; what it is told of its past may be wider than its state.
struct MatchingCell : CellPlaces {
  MatchingCell(ParameterLayout& layout, const std::string& name, std::int64_t width,
               std::int64_t width_of_past)
      : CellPlaces{own_array(layout, name + ".weight_ih", {4 * width, width}),
                   own_array(layout, name + ".weight_hh", {4 * width, width_of_past}),
                   own_array(layout, name + ".bias", {4 * width}, Init::kZeros)} {}

  /// What inputs [n, width] say to the gates: all steps at once.
  torch::Tensor inputs(const Tensors& p, const torch::Tensor& x) const {
    return torch::linear(x, parameter_at(p, in), parameter_at(p, bias));
  }
  /// Output and cell after a step.
  std::pair<torch::Tensor, torch::Tensor> step(const Tensors& p, const torch::Tensor& input,
                                               const torch::Tensor& told,
                                               const torch::Tensor& cell) const {
    return lstm_step(input + torch::linear(told, parameter_at(p, past)), cell);
  }
};

/// Full context embeddings (appendix A of the paper) of one part of the embedding.
class FullContext {
 public:
  FullContext(ParameterLayout& layout, const std::string& part, std::int64_t width,
              std::int64_t steps)
      : forward_(layout, part + ".forward", width, width),
        backward_(layout, part + ".backward", width, width),
        attending_(layout, part + ".attending", width, 2 * width),
        steps_(steps) {}
  ContextPlaces places() const { return {forward_, backward_, attending_, steps_}; }

  /// g(x_i, S) = h_i (forwards) + h_i (backwards) + g'(x_i), over the support as a sequence.
  torch::Tensor of_support(const Tensors& p, const torch::Tensor& x) const {
    return x + along(p, forward_, x) + along(p, backward_, x.flip(0)).flip(0);
  }
  /// f(x, S): K steps of an LSTM that reads f'(x) each time, beside what it attended to (equations
  /// 3 to 6), from zeros:
  ///   h_k = LSTM(f'(x), [h_{k-1}, r_{k-1}], c_{k-1}) + f'(x),  r_k = softmax(h_k . g_i) g_i.
  torch::Tensor of_query(const Tensors& p, const torch::Tensor& x, const torch::Tensor& g) const {
    const auto input = attending_.inputs(p, x);
    auto h = torch::zeros_like(x), cell = h;
    for (std::int64_t k = 0; k < steps_; ++k) {
      const auto read = torch::softmax(h.matmul(g.t()), 1).matmul(g);
      const auto [output, next] = attending_.step(p, input, torch::cat({h, read}, 1), cell);
      h = output + x;
      cell = next;
    }
    return h;
  }

 private:
  static torch::Tensor along(const Tensors& p, const MatchingCell& lstm, const torch::Tensor& x) {
    const auto inputs = lstm.inputs(p, x);
    auto h = torch::zeros_like(x.narrow(0, 0, 1)), cell = h;
    Tensors outputs;
    for (std::int64_t i = 0; i < x.size(0); ++i) {
      std::tie(h, cell) = lstm.step(p, inputs.narrow(0, i, 1), h, cell);
      outputs.push_back(h);
    }
    return torch::cat(outputs);
  }

  MatchingCell forward_, backward_, attending_;
  std::int64_t steps_;
};

/// Matching Networks (Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra 2016): the answer is the
/// support's, by attention (equation 1):
///   P(y | x) = sum_i a(x, x_i) y_i,  a = softmax_i of the similarity of f(x) and g(x_i).
/// Of classes it gives the sum's logarithm, of values the sum. Where classes have unequal shots,
/// a_i counts as the kind of target says. Each part of the embedding has an attention of its own,
/// over the samples that have it. With `full_context` f and g look at the whole support set: g by
/// an LSTM over it in both directions, in an order that the task's key alone chooses (in use it
/// stands in what adaptation saves), f by an LSTM of each query by itself.
class Matching final : public SupportLearner {
 public:
  using Options = MatchingOptions;
  Matching(const LearnerRequest& request, const Options& options)
      : SupportLearner(request),
        cosine_(options.distance == "cosine"),
        scale_(options.scale > 0 ? options.scale
               : cosine_         ? 10.0
                                 : 0.1) {
    const auto widths = model_->fusion().part_widths();
    for (std::size_t i = 0; options.full_context && i < widths.size(); ++i)
      context_.emplace_back(request.layout, "part" + std::to_string(i), widths[i],
                            options.processing_steps);
  }

 private:
  std::optional<TaskOutcome> outcome_on_rows(const Task& task) const override {
    if (task.support.size == 0 || (kind_->classes() && !every_class_is_in(task.support)))
      return std::nullopt;
    AttentionTask attention{cosine_, scale_, {}, {}};
    if (context_.empty()) {
      attention.order.resize(room(task.support.size));
      std::iota(attention.order.begin(), attention.order.end(), 0);
    } else {
      attention.order = order_of(task.support.size, task.key);
      attention.context = context_[0].places();
    }
    return TaskOutcome(attention);
  }
  /// One that has no sample is neither near nor far, which rows do not know.
  static bool every_class_is_in(const Batch& support) {
    if (!support.labels.defined() || !support.labels.is_cpu()) return false;
    const auto labels = support.labels.contiguous();
    std::vector<bool> seen(room(support.way));
    for (std::int64_t i = 0; i < support.size; ++i)
      seen[room(labels.data_ptr<std::int64_t>()[i])] = true;
    return std::find(seen.begin(), seen.end(), false) == seen.end();
  }
  /// As the LSTM will read it.
  Batch in_order(const Batch& support, const RandomKey& key) const override {
    return context_.empty() ? support : shuffled(support, key);
  }
  /// Which samples have the part.
  static torch::Tensor rows_with(const Embedding& samples, std::size_t part) {
    return samples.mask.select(1, static_cast<std::int64_t>(part)).nonzero().squeeze(1);
  }
  /// g of the samples that have it, part after part.
  Tensors study(const Support& support) const override {
    const Embedding& known = support.embedding;
    Tensors g;
    for (std::size_t i = 0; i < known.parts.size(); ++i) {
      const auto x = known.parts[i].index_select(0, rows_with(known, i));
      g.push_back(
          context_.empty() || x.size(0) == 0 ? x : context_[i].of_support(support.parameters, x));
    }
    return g;
  }
  /// [n, way] of query f and support g.
  torch::Tensor similarity(const torch::Tensor& f, const torch::Tensor& g) const {
    return cosine_ ? unit_rows(f).matmul(unit_rows(g).t()) : minus_squared_distances(f, g);
  }
  torch::Tensor answer(const Support& support, const Tensors& lesson,
                       const Embedding& query) const override {
    constexpr double kNever = -1e30;  // a logarithm that has a gradient
    const std::int64_t way = support.batch.way;
    const auto like = query.mask.options();
    const auto answers = answers_of(support.batch, way, like);
    const auto counts = log_counts(support.batch, like);
    std::vector<PartLogits> parts;
    for (std::size_t i = 0; i < query.parts.size(); ++i) {
      const auto& g = lesson[i];
      const auto rows = rows_with(support.embedding, i);
      const auto has = query.mask.narrow(1, static_cast<std::int64_t>(i), 1);
      if (rows.size(0) == 0) {
        parts.push_back({torch::zeros({has.size(0), way}, like), 0 * has});
        continue;
      }
      const auto f = context_.empty() ? query.parts[i]
                                      : context_[i].of_query(support.parameters, query.parts[i], g);
      const auto attention =
          torch::log_softmax(scale_ * similarity(f, g) + counts.index_select(0, rows), 1);
      const auto of = answers.index_select(0, rows);
      if (!kind_->classes()) {
        parts.push_back({attention.exp().matmul(of), has});
        continue;
      }
      const auto others = of.eq(0).unsqueeze(0);  // [1, samples, way]
      const auto share = attention.unsqueeze(2).masked_fill(others, kNever);
      parts.push_back({torch::logsumexp(share, 1), has * of.sum(0, true).gt(0)});
    }
    if (kind_->classes()) return logits_of(model_->fusion(), parts, query.weights);
    return kind_->outputs_of_mean(model_->fusion().combine(parts, query.weights).logits);
  }

  bool cosine_;
  double scale_;
  std::vector<FullContext> context_;  ///< by part; empty: `full_context` is off
};

}  // namespace

LearnerType row_of_matching() {
  return learner_type<Matching>("attention over the support set gives its answers",
                                "Vinyals et al. 2016");
}

}  // namespace cuttle
