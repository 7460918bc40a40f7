#include <torch/types.h>

#include <cmath>
#include <utility>

#include "adapt/descent.hpp"
#include "adapt/linear_systems.hpp"
#include "adapt/rows.hpp"
#include "adapt/updates/as_input.hpp"
#include "adapt/updates/coordinate_lstm.hpp"

namespace cuttle {
namespace {

struct LstmOptions : LoopOptions, FastOptions {
  std::int64_t hidden = 20;
  double inner_lr = 0.01;
  void keys(Keys& keys) {
    LoopOptions::keys(keys);
    keys.add("hidden", hidden, between(1, 1024), "units of the LSTM that reads gradients");
    keys.add("inner_lr", inner_lr, between(1e-6, 0.5), "where the learned rate starts");
    FastOptions::keys(keys);
  }
};

/// The learned update of Ravi and Larochelle 2017, "Optimization as a model for few-shot learning",
/// section 3.2, the same for every coordinate. An LSTM reads gradient and loss; its output h_t
/// gives
///   f_t = sigmoid(W_F [h_t, theta_{t-1}, f_{t-1}] + b_F),
///   i_t = sigmoid(W_I [h_t, theta_{t-1}, i_{t-1}] + b_I),
///   theta_t = f_t o theta_{t-1} - i_t o g_t.
/// State: h and c [hidden, n], f and i [n] over all n moving coordinates.
class LstmUpdate final : public InnerUpdate {
 public:
  LstmUpdate(const LearnerRequest& request, FastSet fast, const LstmOptions& options)
      : fast_(std::move(fast)), hidden_(options.hidden) {
    const std::int64_t h = hidden_;
    in_ = own(request, "lstm.weight_ih", {4 * h, 4}, Init::kFanIn);
    back_ = own(request, "lstm.weight_hh", {4 * h, h}, Init::kFanIn);
    bias_ = own(request, "lstm.bias", {4 * h}, Init::kZeros);
    forget_ = own(request, "forget.weight", {1, h + 2}, Init::kZeros);
    input_ = own(request, "input.weight", {1, h + 2}, Init::kZeros);
    // At first nothing is forgotten, and the rate is the given one: plain gradient descent.
    forget_bias_ = own(request, "forget.bias", {1}, Init::kConstant, 5.0);
    input_bias_ = own(request, "input.bias", {1}, Init::kConstant,
                      std::log(options.inner_lr / (1 - options.inner_lr)));
  }

  Tensors fresh(const Tensors& theta) const override {
    std::int64_t n = 0;
    for (const auto i : fast_) n += at(theta, i).numel();
    const auto options = theta[0].options().requires_grad(false);
    return {torch::zeros({hidden_, n}, options), torch::zeros({hidden_, n}, options),
            torch::zeros({n}, options), torch::zeros({n}, options)};
  }

  Moved step(const Point& point, const Tensors& state, std::int64_t) const override {
    Tensors values, slopes;
    for (const auto i : fast_) {
      values.push_back(at(point.theta, i));
      const auto& slope = at(point.gradient, i);
      slopes.push_back(slope.defined() ? slope : torch::zeros_like(values.back()));
    }
    const auto theta = as_one_vector(values), g = as_one_vector(slopes);
    // What it reads of the loss is the same for all coordinates.
    const auto& from_x = at(point.theta, in_);
    const auto loss = preprocess(point.loss.reshape({1})).squeeze(0);
    const auto bias = at(point.theta, bias_) + from_x.narrow(1, 2, 2).mv(loss);
    const auto [h, c] = coordinate_lstm(preprocess(g).t(), state[0], state[1],
                                        from_x.narrow(1, 0, 2), at(point.theta, back_), bias);
    const auto f = rate(point.theta, forget_, forget_bias_, h, theta, state[2]);
    const auto i = rate(point.theta, input_, input_bias_, h, theta, state[3]);
    const Tensors next = parts_of(f * theta - i * g, values);
    Moved moved{point.theta, {h, c, f, i}};
    for (std::size_t k = 0; k < fast_.size(); ++k)
      moved.theta[static_cast<std::size_t>(fast_[k])] = next[k];
    return moved;
  }
  bool learned() const override { return true; }

 private:
  static const torch::Tensor& at(const Tensors& tensors, std::int64_t i) {
    return tensors[static_cast<std::size_t>(i)];
  }
  static torch::Tensor rate(const Tensors& p, std::int64_t weight, std::int64_t bias,
                            const torch::Tensor& h, const torch::Tensor& theta,
                            const torch::Tensor& before) {
    const auto w = at(p, weight).squeeze(0);
    const auto units = h.size(0);
    return (w.narrow(0, 0, units).matmul(h) + w[units] * theta + w[units + 1] * before +
            at(p, bias))
        .sigmoid();
  }
  static std::int64_t own(const LearnerRequest& request, const char* name,
                          std::vector<std::int64_t> shape, Init init, double start = 0) {
    ParameterSpec spec{std::string("learner.") + name, std::move(shape), init,
                       ParameterRole::kLearner};
    spec.start = start;
    return request.layout.add(std::move(spec));
  }

  FastSet fast_;
  std::int64_t hidden_;
  std::int64_t in_, back_, bias_, forget_, input_, forget_bias_, input_bias_;
};

/// The LSTM meta-learner: initialisation and update rule are learned together. As in the paper,
/// gradients of the task's model are taken as given (no second derivatives).
class LstmLearner final : public DescentLearner {
 public:
  using Options = LstmOptions;
  LstmLearner(const LearnerRequest& request, const Options& options)
      : DescentLearner(request, options, descender(request, options)) {}

 private:
  static Descender descender(const LearnerRequest& request, const Options& options) {
    const FastSet fast = fast_set(request, options);
    return {std::make_unique<LstmUpdate>(request, fast, options), fast};
  }
};

}  // namespace

LearnerType row_of_lstm() {
  return learner_type<LstmLearner>("a learned optimizer with memory takes the inner steps",
                                   "Ravi and Larochelle 2017");
}

}  // namespace cuttle
