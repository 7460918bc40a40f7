#include <torch/types.h>

#include "adapt/floor/head.hpp"
#include "adapt/learners/svm.hpp"

namespace cuttle {
namespace {

/// The support vector machine of Crammer and Singer (2001) for all classes at once, in its dual
/// (SvmDual), C = 1 / penalty: minimise 1/2 |W|^2 + sum_n c_n C xi_n. A little is added to the
/// kernel's diagonal, which alike samples would leave without an inverse.
class LinearSvm final : public LinearHead {
 public:
  using LinearHead::LinearHead;

 private:
  torch::Tensor solve(const PartOfSupport& known, const torch::Tensor& gram) const override {
    constexpr double kLittle = 1e-3;  // of a sample's mean squared length, which is 1
    const auto kernel = gram + kLittle * torch::eye(gram.size(0), gram.options());
    const auto caps = known.one_hot().t() * known.weights / penalty();
    auto optimum =
        SvmDual(numbers(kernel), numbers(caps), static_cast<std::size_t>(gram.size(0))).optimum();
    return torch::from_blob(optimum.data(), caps.sizes(), torch::kFloat64).t().clone();
  }
  static SvmDual::Numbers numbers(const torch::Tensor& tensor) {
    const auto flat = tensor.contiguous();
    const double* first = flat.const_data_ptr<double>();
    return {first, first + flat.numel()};
  }
};

}  // namespace

std::unique_ptr<const FloorHead> make_linear_svm(double penalty) {
  return std::make_unique<LinearSvm>(penalty);
}

}  // namespace cuttle
