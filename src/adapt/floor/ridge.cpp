#include <torch/types.h>

#include "adapt/floor/head.hpp"

namespace cuttle {
namespace {

/// Ridge regression of one-hot labels: minimise sum_n c_n |W^T x_n - y_n|^2 + penalty |W|^2, c_n
/// what a sample counts; with D the roots of c, A = D (D G D + penalty I)^-1 D Y.
class Ridge final : public LinearHead {
 public:
  using LinearHead::LinearHead;

 private:
  torch::Tensor solve(const PartOfSupport& known, const torch::Tensor& gram) const override {
    const auto root = known.weights.sqrt().unsqueeze(1);
    const auto both = root * gram * root.t() + penalty() * torch::eye(gram.size(0), gram.options());
    return root * torch::cholesky_solve(root * known.one_hot(), torch::linalg_cholesky(both));
  }
};

}  // namespace

std::unique_ptr<const FloorHead> make_ridge(double penalty) {
  return std::make_unique<Ridge>(penalty);
}

}  // namespace cuttle
