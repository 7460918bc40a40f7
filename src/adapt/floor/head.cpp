#include "adapt/floor/head.hpp"

#include <torch/types.h>

#include <cmath>
#include <functional>
#include <map>

namespace cuttle {

torch::Tensor PartOfSupport::one_hot() const {
  return torch::one_hot(labels, way).to(torch::kFloat64);
}

torch::Tensor PartOfSupport::means() const {
  const auto members = one_hot().t();
  return members.matmul(x) / members.sum(1, true);
}

torch::Tensor PartOfSupport::middle() const {
  return weights.matmul(x) / weights.sum();
}

double PartOfSupport::length() const {
  const auto square = (weights * x.square().sum(1)).sum() / weights.sum();
  const double length = std::sqrt(square.item<double>());
  return length > 0 ? length : 1.0;
}

Tensors LinearHead::study(const PartOfSupport& known) const {
  const auto middle = known.middle();
  PartOfSupport unit = known;
  unit.x = known.x - middle;
  const double length = unit.length();
  unit.x = unit.x / length;
  const auto at = solve(unit, unit.x.matmul(unit.x.t()));
  return {middle, unit.x.t().matmul(at) / length};
}

torch::Tensor LinearHead::scores(const Tensors& lesson, const torch::Tensor& x) const {
  return (x - lesson[0]).matmul(lesson[1]);
}

void FloorOptions::keys(Keys& keys) {
  keys.add("head", head,
           one_of({"mean", "cosine", "mahalanobis", "ridge", "logistic", "svm", "cache"}),
           "nearest class mean: mean by distance, cosine, mahalanobis by distance in units of the "
           "spread inside classes; linear: ridge, logistic, svm; cache: by all samples "
           "(Tip-Adapter)");
  keys.add("penalty", penalty, above(0),
           "ridge, logistic, svm: of squared weights, beside the sum of losses (1/C); features are "
           "in units of the support's mean length");
  keys.add("shrinkage", shrinkage, above_to(0, 1),
           "mahalanobis: share of the covariance that is the same in all directions");
  keys.add("beta", beta, above(0), "cache: how fast a sample's say falls with its distance");
}

std::unique_ptr<const FloorHead> make_floor_head(const FloorOptions& options) {
  const std::map<std::string, std::function<std::unique_ptr<const FloorHead>()>> heads{
      {"mean", [] { return make_nearest_mean(false); }},
      {"cosine", [] { return make_nearest_mean(true); }},
      {"mahalanobis", [&] { return make_mahalanobis(options.shrinkage); }},
      {"ridge", [&] { return make_ridge(options.penalty); }},
      {"logistic", [&] { return make_logistic(options.penalty); }},
      {"svm", [&] { return make_linear_svm(options.penalty); }},
      {"cache", [&] { return make_cache(options.beta); }}};
  return heads.at(options.head)();
}

}  // namespace cuttle
