#include "adapt/linear_systems.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>

namespace cuttle {

torch::Tensor as_one_vector(const Tensors& parts) {
  Tensors flat;
  for (const auto& part : parts) flat.push_back(part.flatten());
  return torch::cat(flat);
}

Tensors parts_of(const torch::Tensor& vector, const Tensors& like) {
  Tensors parts;
  std::int64_t place = 0;
  for (const auto& part : like) {
    parts.push_back(vector.narrow(0, place, part.numel()).view(part.sizes()));
    place += part.numel();
  }
  return parts;
}

namespace {

/// Where the way from x along `direction` leaves the sphere of this squared radius, in which x is.
torch::Tensor at_sphere(const torch::Tensor& x, const torch::Tensor& direction, double square) {
  const double a = direction.dot(direction).item<double>(), b = x.dot(direction).item<double>(),
               c = std::min(0.0, x.dot(x).item<double>() - square);
  return x + (std::sqrt(b * b - a * c) - b) / a * direction;
}

}  // namespace

torch::Tensor by_conjugate_gradient(const LinearMap& a, const torch::Tensor& b,
                                    std::int64_t steps) {
  constexpr double kExact = 1e-28;  // of squared residuals
  auto x = torch::zeros_like(b), residual = b, direction = b;
  const double whole = b.dot(b).item<double>();
  double left = whole;
  std::int64_t k = 0;
  for (; k < steps && left > kExact * whole; ++k) {
    const auto image = a(direction);
    const double curvature = direction.dot(image).item<double>();
    if (curvature <= 0) return at_sphere(x, direction, whole);
    const double rate = left / curvature;
    const auto longer = x + rate * direction;
    if (longer.dot(longer).item<double>() > whole) return at_sphere(x, direction, whole);
    x = longer;
    residual = residual - rate * image;
    const double next = residual.dot(residual).item<double>();
    direction = residual + (next / left) * direction;
    left = next;
  }
  return k == 0 ? b : x;
}

torch::Tensor by_neumann_series(const LinearMap& a, const torch::Tensor& b, std::int64_t steps,
                                double scale) {
  auto x = steps == 0 ? b : b / scale;
  for (std::int64_t k = 0; k < steps; ++k) x = x + (b - a(x)) / scale;
  return x;
}

}  // namespace cuttle
