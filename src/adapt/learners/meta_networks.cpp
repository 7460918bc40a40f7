#include <torch/types.h>

#include <cmath>
#include <optional>
#include <utility>

#include "adapt/layers.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"
#include "adapt/updates/coordinates.hpp"
#include "cuttle/adapt/autograd.hpp"

namespace cuttle {
namespace {

struct MetaNetworksOptions {
  std::int64_t width = 64, meta_width = 20;
  double sharpness = 10;
  bool fast_weights = true;
  void keys(Keys& keys) {
    keys.add("width", width, between(1, 4096), "units of the layers that have fast weights");
    keys.add("meta_width", meta_width, between(1, 1024),
             "units of the networks that make fast weights of gradients");
    keys.add("sharpness", sharpness, above(0),
             "where the learned factor of similarities starts, by which fast weights are recalled");
    keys.add("fast_weights", fast_weights, anything(),
             "what a support set changes; false: slow weights alone, which answer without it");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.one_each = true;
    demands.class_rows = true;
    return demands;
  }
};

/// Meta Networks (Munkhdalai and Yu 2017), on the model's embedding. A base learner and a
/// representation have slow weights W and Q, learned over tasks, and fast weights W* and Q*, made
/// for a task by networks m and d that read, coordinate by coordinate, gradients of the support's
/// losses (algorithm 1):
///   Q*   = d(gradient of the support's representation loss with respect to Q),
///   W*_i = m(gradient of sample i's task loss with respect to W), kept at r_i = u(Q, Q*, x_i),
///   W*   = sum_i a_i W*_i with a = softmax(beta cos(r_i, u(Q, Q*, x))) for a query x.
/// A layer has both ("layer augmentation", figure 2): relu(W x + W* x). The paper rectifies the two
/// apart, but fast weights start nearly alike, and a rectified W* x that is negative for every
/// sample would never learn. The representation loss is the task's, read off by the base learner's
/// slow output layer. d reads the mean of the gradients, which no order of the support changes (the
/// paper's alternative to an LSTM). As in the paper gradients are inputs: they are taken as given.
class MetaNetworks final : public SupportLearner {
 public:
  using Options = MetaNetworksOptions;
  MetaNetworks(const LearnerRequest& request, const Options& options)
      : SupportLearner(request),
        project_(request.layout, "project", {options.width, width_as_one(model_->fusion())}),
        hidden_(request.layout, "base.0", {options.width, options.width}),
        output_(request.layout, "base.1", {request.inputs.outputs, options.width}) {
    if (options.fast_weights) fast_.emplace(request.layout, options);
  }

 private:
  /// m or d: a perceptron that makes a fast weight of each coordinate of a gradient; at first none.
  struct Meta {
    Meta(ParameterLayout& layout, const std::string& name, std::int64_t width)
        : in(layout, name + ".0", {width, 2}), out(layout, name + ".1", {1, width}, Init::kZeros) {}
    torch::Tensor operator()(const Tensors& p, const torch::Tensor& gradient) const {
      return of_coordinates(gradient, in.w(p), in.b(p), out.w(p), out.b(p));
    }
    OwnLayer in, out;
  };
  /// What makes fast weights, and recalls them.
  struct Fast {
    Fast(ParameterLayout& layout, const Options& options)
        : represent(layout, "represent", {options.width, options.width}),
          of_represent(layout, "meta_represent", options.meta_width),
          of_base(layout, "meta_base", options.meta_width),
          sharpness(own_number(layout, "sharpness", std::log(options.sharpness))) {}
    OwnLayer represent;
    Meta of_represent, of_base;
    std::int64_t sharpness;
  };

  /// Of a support set: Q*, and by sample r, W* of the hidden layer and W* of the output, then how
  /// much each sample counts (log, [samples]).
  Tensors study(const Support& support) const override {
    if (!fast_) return {};
    const Tensors& p = support.parameters;
    const auto x = project_(p, as_one(support.embedding));
    const auto slopes = gradients(p, support.batch, x.detach());
    const auto of_q = fast_->of_represent(p, slopes[0]);
    return {of_q, represent(p, x, of_q), fast_->of_base(p, slopes[1]), fast_->of_base(p, slopes[2]),
            log_counts(support.batch, x.options())};
  }
  /// Of the representation loss with respect to Q; of each sample's task loss with respect to the
  /// weights of the base learner.
  Tensors gradients(const Tensors& p, const Batch& support, const torch::Tensor& x) const {
    const torch::NoGradGuard given;
    const auto w = output_.w(p).narrow(0, 0, support.way);
    const auto b = output_.b(p).narrow(0, 0, support.way);
    const auto r = torch::relu(fast_->represent(p, x)), h = torch::relu(hidden_(p, x));
    Tensors slopes;
    {
      const torch::AutoGradMode graph(true);
      const auto outputs = as_leaves({torch::linear(r, w, b), torch::linear(h, w, b)});
      slopes = gradient_of(kind_->support_loss(outputs[0], support) +
                               static_cast<double>(x.size(0)) * kind_->loss(outputs[1], support),
                           outputs, false);
    }
    const auto of_r = slopes[0].matmul(w) * r.gt(0), of_h = slopes[1].matmul(w) * h.gt(0);
    return {of_r.t().matmul(x), of_h.unsqueeze(2) * x.unsqueeze(1),
            slopes[1].unsqueeze(2) * h.unsqueeze(1)};
  }
  torch::Tensor represent(const Tensors& p, const torch::Tensor& x,
                          const torch::Tensor& fast) const {
    return torch::relu(torch::linear(x, fast_->represent.w(p) + fast, fast_->represent.b(p)));
  }
  torch::Tensor answer(const Support& support, const Tensors& lesson,
                       const Embedding& query) const override {
    const Tensors& p = support.parameters;
    const auto x = project_(p, as_one(query));
    if (!fast_) return output_(p, torch::relu(hidden_(p, x))).narrow(1, 0, support.batch.way);
    const auto alike = unit_rows(represent(p, x, lesson[0])).matmul(unit_rows(lesson[1]).t());
    const auto sharpness = parameter_at(p, fast_->sharpness).exp();
    const auto share = torch::softmax(sharpness * alike + lesson[4], 1);
    // What fast weights, mixed by `share`, make of each row of `rows`.
    const auto mixed = [&](const torch::Tensor& fast, const torch::Tensor& rows) {
      const auto each = torch::linear(rows, fast.flatten(0, 1));  // [n, samples * out]
      return (each.view({-1, fast.size(0), fast.size(1)}) * share.unsqueeze(2)).sum(1);
    };
    const auto h = torch::relu(hidden_(p, x) + mixed(lesson[2], x));
    return output_(p, h).narrow(1, 0, lesson[3].size(1)) + mixed(lesson[3], h);
  }
  OwnLayer project_, hidden_, output_;
  std::optional<Fast> fast_;
};

}  // namespace

LearnerType row_of_meta_networks() {
  return learner_type<MetaNetworks>("gradients of the support become fast weights in a memory",
                                    "Munkhdalai and Yu 2017");
}

}  // namespace cuttle
