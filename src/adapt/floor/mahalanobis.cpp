#include <torch/types.h>

#include <cmath>

#include "adapt/embed.hpp"
#include "adapt/floor/head.hpp"

namespace cuttle {
namespace {

/// Linear discriminant analysis with classes alike in number: the nearest mean by Mahalanobis
/// distance, -1/2 (x - m_k)^T S^-1 (x - m_k), of the pooled covariance C inside classes,
///   S = (1 - s) C + s (tr C / width) I.
/// Never [width, width] numbers: with R the samples less their class means, times the root of what
/// they count, S = a I + Z^T Z, and by Woodbury's identity
///   x^T S^-1 x = (|x|^2 - |L^-1 Z x|^2) / a,  L L^T = a I + Z Z^T.
/// Where no class varies (one shot) S is I: the nearest mean.
class Mahalanobis final : public FloorHead {
 public:
  explicit Mahalanobis(double shrinkage) : shrinkage_(shrinkage) {}
  Tensors study(const PartOfSupport& known) const override {
    const auto means = known.means();
    const auto share = (known.weights / known.weights.sum()).sqrt().unsqueeze(1);
    const auto rest = share * (known.x - means.index_select(0, known.labels));
    const auto a = shrinkage_ * rest.square().sum() / static_cast<double>(rest.size(1));
    if (a.item<double>() <= 0) return {means, torch::zeros_like(rest), torch::ones_like(a)};
    const auto z = std::sqrt(1 - shrinkage_) * rest;
    const auto both = z.matmul(z.t()) + a * torch::eye(z.size(0), z.options());
    const auto root = torch::linalg_cholesky(both);
    return {means, torch::linalg_solve_triangular(root, z, /*upper=*/false), a};
  }
  torch::Tensor scores(const Tensors& lesson, const torch::Tensor& x) const override {
    const auto &means = lesson[0], &z = lesson[1], &a = lesson[2];
    const auto less = minus_squared_distances(x.matmul(z.t()), means.matmul(z.t()));
    return 0.5 * (minus_squared_distances(x, means) - less) / a;
  }

 private:
  double shrinkage_;
};

}  // namespace

std::unique_ptr<const FloorHead> make_mahalanobis(double shrinkage) {
  return std::make_unique<Mahalanobis>(shrinkage);
}

}  // namespace cuttle
