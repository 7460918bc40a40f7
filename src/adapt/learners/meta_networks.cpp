#include <torch/types.h>

#include <cmath>
#include <optional>
#include <utility>

#include "adapt/layers.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"
#include "adapt/updates/as_input.hpp"
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
      return out(p, torch::relu(in(p, preprocess(gradient.flatten())))).view(gradient.sizes());
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
    const torch::AutoGradMode graph(true);
    const std::int64_t n = x.size(0);
    const auto each = [&](const torch::Tensor& w) {
      return w.detach().expand({n, w.size(0), w.size(1)});
    };
    Tensors frozen;
    for (const auto& value : p) frozen.push_back(value.detach());
    const auto leaves = as_leaves(
        {fast_->represent.w(p), each(hidden_.w(p)), each(output_.w(p).narrow(0, 0, support.way))});
    const auto shift = output_.b(frozen).narrow(0, 0, support.way);
    const auto r = torch::relu(torch::linear(x, leaves[0], fast_->represent.b(frozen)));
    const auto of_r = torch::linear(r, output_.w(frozen).narrow(0, 0, support.way), shift);
    const auto h = torch::relu(leaves[1].matmul(x.unsqueeze(2)).squeeze(2) + hidden_.b(frozen));
    const auto of_h = leaves[2].matmul(h.unsqueeze(2)).squeeze(2) + shift;
    const auto loss =
        kind_->support_loss(of_r, support) + static_cast<double>(n) * kind_->loss(of_h, support);
    return gradient_of(loss, leaves, false);
  }
  torch::Tensor represent(const Tensors& p, const torch::Tensor& x,
                          const torch::Tensor& fast) const {
    return torch::relu(fast_->represent(p, x) + x.matmul(fast.t()));
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
      return torch::einsum("ns,soi,ni->no", {share, fast, rows});
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
