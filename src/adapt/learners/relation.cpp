#include <torch/types.h>

#include <string>
#include <utility>
#include <vector>

#include "adapt/layers.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"
#include "cuttle/model/linear_stack.hpp"

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
  RelationModule(ParameterLayout& layout, const std::string& part, std::int64_t width,
                 std::int64_t hidden)
      : width_(width),
        first_(layout, part + ".0", {hidden, 2 * width}),
        second_(layout, part + ".1", {hidden, hidden}),
        third_(layout, part + ".2", {1, hidden}),
        on_pairs_{{second_.weight, second_.bias, hidden, hidden, true},
                  {third_.weight, third_.bias, hidden, 1, false}} {}

  /// [n, way]: logits of the relation scores of queries [n, width] and classes [way, width].
  torch::Tensor of(const Tensors& p, const torch::Tensor& classes,
                   const torch::Tensor& queries) const {
    // The first layer of each class and of each query, not of each pair.
    const auto& first = first_.w(p);
    const auto seen = torch::linear(classes, first.narrow(1, 0, width_), first_.b(p));
    const auto asked = torch::linear(queries, first.narrow(1, width_, width_));
    const auto pairs = torch::relu(seen.unsqueeze(0) + asked.unsqueeze(1));
    return linear_stack(on_pairs_, p, pairs).squeeze(2);
  }

 private:
  std::int64_t width_;
  OwnLayer first_, second_, third_;
  std::vector<LinearLayer> on_pairs_;
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
class RelationNet final : public SupportLearner {
 public:
  using Options = RelationOptions;
  RelationNet(const LearnerRequest& request, const Options& options)
      : SupportLearner(request), squared_error_(options.loss == "squared_error") {
    const auto widths = model_->fusion().part_widths();
    for (std::size_t i = 0; i < widths.size(); ++i)
      modules_.emplace_back(request.layout, "part" + std::to_string(i), widths[i], options.hidden);
  }

 private:
  Outcome outcome(const Support& support, const Task& task, const Embedding& query) const override {
    const auto outputs = answer(support, study(support), query);
    if (!squared_error_) return {outputs};
    const auto members = members_of(task.query, outputs.options()).t();
    return {outputs, (outputs.sigmoid() - members).square().mean()};
  }
  Tensors study(const Support& support) const override {
    const auto& known = support.embedding;
    return prototypes_of(known, members_of(support.batch, known.mask.options()));
  }
  torch::Tensor answer(const Support& support, const Tensors& classes,
                       const Embedding& query) const override {
    std::vector<PartLogits> parts;
    for (std::size_t i = 0; i < query.parts.size(); ++i)
      parts.push_back({modules_[i].of(support.parameters, classes[2 * i], query.parts[i]),
                       known_of(query, i, classes[2 * i + 1])});
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
