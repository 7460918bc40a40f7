#include <torch/types.h>

#include <cmath>

#include "adapt/floor/head.hpp"

namespace cuttle {
namespace {

/// tr(A^T G B), the inner product of X^T A and X^T B; `g_b` is G B.
double product(const torch::Tensor& a, const torch::Tensor& g_b) {
  return (a * g_b).sum().item<double>();
}

/// Multinomial logistic regression: minimise sum_n c_n CE(W^T x_n, y_n) + penalty / 2 |W|^2, which
/// has one optimum. By Newton's method with conjugate gradients, over A with W = X^T A, where the
/// gradient is c (P - Y) + penalty A and the Hessian takes B to c (P GB - P sum_k(P GB)) + penalty
/// B; both are symmetric in the inner product of W, so each iteration is one product with the Gram
/// matrix G, whatever the width.
class Logistic final : public LinearHead {
 public:
  using LinearHead::LinearHead;

 private:
  torch::Tensor solve(const PartOfSupport& known, const torch::Tensor& gram) const override {
    constexpr int kSteps = 100;
    constexpr double kLast = 1e-12;  // of the loss: what the last step is to gain, which squares it
    auto at = torch::zeros({gram.size(0), known.way}, gram.options()), scores = at;  // A, G A
    for (int step = 0; step < kSteps; ++step) {
      const auto p = torch::softmax(scores, 1);
      const auto slope = known.weights.unsqueeze(1) * (p - known.one_hot()) + penalty() * at;
      const auto direction = newton(known, gram, p, slope), g_direction = gram.matmul(direction);
      const double before = value(known, at, scores), gain = -product(slope, g_direction) / 2;
      double length = 1;
      const auto loss = [&] {
        return value(known, at + length * direction, scores + length * g_direction);
      };
      const bool last = gain <= kLast * before;
      while (!last && length > kLast && loss() >= before) length /= 2;
      at = at + length * direction;
      scores = scores + length * g_direction;
      if (last) break;
    }
    return at;
  }

  double value(const PartOfSupport& known, const torch::Tensor& at,
               const torch::Tensor& scores) const {
    const auto losses =
        torch::logsumexp(scores, 1) - scores.gather(1, known.labels.unsqueeze(1)).squeeze(1);
    return (known.weights * losses).sum().item<double>() + penalty() / 2 * product(at, scores);
  }

  torch::Tensor newton(const PartOfSupport& known, const torch::Tensor& gram,
                       const torch::Tensor& p, const torch::Tensor& slope) const {
    constexpr double kShare = 1e-8;
    auto step = torch::zeros_like(slope), rest = -slope;
    auto g_rest = gram.matmul(rest), direction = rest, g_direction = g_rest;
    double size = product(rest, g_rest);
    const double enough = kShare * kShare * size;
    for (std::int64_t i = 0; size > enough && i < slope.numel(); ++i) {
      const auto moved = p * g_direction;
      const auto curved =
          known.weights.unsqueeze(1) * (moved - p * moved.sum(1, true)) + penalty() * direction;
      const double length = size / product(curved, g_direction), before = size;
      step = step + length * direction;
      rest = rest - length * curved;
      g_rest = gram.matmul(rest);
      size = product(rest, g_rest);
      direction = rest + size / before * direction;
      g_direction = g_rest + size / before * g_direction;
    }
    return step;
  }
};

}  // namespace

std::unique_ptr<const FloorHead> make_logistic(double penalty) {
  return std::make_unique<Logistic>(penalty);
}

}  // namespace cuttle
