#include <torch/types.h>

#include <string>
#include <utility>

#include "adapt/embed.hpp"
#include "adapt/fast_weights.hpp"
#include "adapt/rows.hpp"
#include "cuttle/adapt/autograd.hpp"

namespace cuttle {
namespace {

struct RelationOptions {
  std::string loss = "cross_entropy";
  std::int64_t hidden = 256;
  void keys(Keys& keys) {
    keys.add("loss", loss, one_of({"cross_entropy", "squared_error"}),
             "cross_entropy: among an episode's classes; squared_error: the relation scores', to 1 "
             "for a query's class and 0 for others (the paper's)");
    keys.add("hidden", hidden, between(1, 4096),
             "units of the relation module's two hidden layers");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.classes = true;
    return demands;
  }
};

/// g: a perceptron on the concatenation [class, query] of one part of the embedding.
class RelationModule {
 public:
  RelationModule(const LearnerRequest& request, const std::string& part, std::int64_t width,
                 std::int64_t hidden)
      : width_(width) {
    std::int64_t in = 2 * width, layer = 0;
    for (const std::int64_t out : {hidden, hidden, std::int64_t{1}}) {
      const std::string name = "learner." + part + "." + std::to_string(layer++);
      weight_.push_back(
          request.layout.add({name + ".weight", {out, in}, Init::kFanIn, ParameterRole::kLearner}));
      bias_.push_back(
          request.layout.add({name + ".bias", {out}, Init::kZeros, ParameterRole::kLearner}));
      in = out;
    }
  }

  /// [n, way]: logits of the relation scores of queries [n, width] and classes [way, width].
  torch::Tensor of(const Tensors& p, const torch::Tensor& classes,
                   const torch::Tensor& queries) const {
    const auto at = [&](std::int64_t i) { return p[static_cast<std::size_t>(i)]; };
    // The first layer of each class and of each query, not of each pair.
    const auto first = at(weight_[0]);
    const auto seen = torch::linear(classes, first.narrow(1, 0, width_), at(bias_[0]));
    const auto asked = torch::linear(queries, first.narrow(1, width_, width_));
    const auto pairs = torch::relu(seen.unsqueeze(0) + asked.unsqueeze(1));
    const auto hidden = torch::relu(torch::linear(pairs, at(weight_[1]), at(bias_[1])));
    return torch::linear(hidden, at(weight_[2]), at(bias_[2])).squeeze(2);
  }

 private:
  std::int64_t width_;
  std::vector<std::int64_t> weight_, bias_;
};

/// Relation Networks (Sung, Yang, Zhang, Xiang, Torr, Hospedales 2018): how a query relates to a
/// class is learned, not given by a distance (equation 1),
///   r = sigmoid(z),  z = g([mean of f(x_i) over the class, f(x)]),
/// and trained by the squared error to 1 for the query's class and 0 for others (equation 2), or by
/// cross-entropy, from which few tasks teach more. The mean stands for the paper's sum, which is
/// the same up to a factor that g learns as long as shots stay, and keeps its size where they do
/// not. The paper's g is convolutional, on feature maps of class and query in their places; this
/// one takes what encoders of any sense give, vectors without places, and so cannot compare place
/// by place. Outputs are z: that one of the classes is the query's and no other has the chance r /
/// (1 - r) = e^z in proportion, which is softmax's. Each part of the embedding has a module of its
/// own.
class RelationNet final : public Learner {
 public:
  using Options = RelationOptions;
  RelationNet(const LearnerRequest& request, const Options& options)
      : Learner(request), squared_error_(options.loss == "squared_error") {
    const auto widths = model_->fusion().part_widths();
    for (std::size_t i = 0; i < widths.size(); ++i)
      modules_.emplace_back(request, "part" + std::to_string(i), widths[i], options.hidden);
  }

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    const auto leaves = as_leaves(parameters.tensors());
    Statistics seen;
    Context context;
    context.key = task.key;
    context.record = &seen;
    const auto both = embed_both(*model_, leaves, task.support, task.query, context);
    const auto like = both.support.mask.options();
    const auto classes = prototypes_of(both.support, members_of(task.support, like));
    const auto outputs = outputs_of(leaves, classes, both.query);
    torch::Tensor own;
    if (squared_error_)
      own = (outputs.sigmoid() - members_of(task.query, like).t()).square().mean();
    const Judged judged = judge(leaves, outputs, task.query, both.pass, both.seen, context, own);
    return result_of(gradient_of(judged.loss, leaves, false), judged, seen);
  }
  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey&) const override {
    return std::make_unique<Classes>(*this, parameters.tensors(), support);
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t way) const override {
    return std::make_unique<Classes>(*this, parameters_in(*model_, state),
                                     support_in(*model_, state, way));
  }

 private:
  class Classes final : public KnownSupport {
   public:
    Classes(const RelationNet& net, Tensors parameters, Batch support)
        : KnownSupport(net.model_, std::move(parameters), std::move(support)), net_(net) {}

   private:
    Tensors study(const Embedding& known) const override {
      return prototypes_of(known, members_of(support(), known.mask.options()));
    }
    torch::Tensor compare(const Embedding&, const Tensors& lesson,
                          const Embedding& query) const override {
      return net_.outputs_of(parameters(), lesson, query);
    }

    const RelationNet& net_;
  };

  /// `classes` as prototypes_of gives them.
  torch::Tensor outputs_of(const Tensors& p, const Tensors& classes, const Embedding& query) const {
    std::vector<PartLogits> parts;
    for (std::size_t i = 0; i < query.parts.size(); ++i)
      parts.push_back(
          {modules_[i].of(p, classes[2 * i], query.parts[i]),
           query.mask.narrow(1, static_cast<std::int64_t>(i), 1) * classes[2 * i + 1].gt(0).t()});
    return logits_of(model_->fusion(), parts, query.weights);
  }

  bool squared_error_;
  std::vector<RelationModule> modules_;  ///< by part
};

}  // namespace

LearnerType row_of_relation() {
  return learner_type<RelationNet>("a learned comparison of each query with each class",
                                   "Sung et al. 2018");
}

}  // namespace cuttle
