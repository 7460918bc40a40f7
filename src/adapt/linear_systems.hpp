#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>

#include "cuttle/model/parameter_list.hpp"

// Systems of equations in the space of parameters, known by their products alone.
namespace cuttle {

torch::Tensor as_one_vector(const Tensors& parts);
/// The inverse; `like`: parts of the same shapes.
Tensors parts_of(const torch::Tensor& vector, const Tensors& like);

using LinearMap = std::function<torch::Tensor(const torch::Tensor&)>;

/// x of A x = b, from x = 0, for A of eigenvalues from 1 on, so that x is no longer than b. Where a
/// step would make it longer, or the quadratic turns out to have no minimum, A is none of these: it
/// ends on the way there, at the length of b (Steihaug 1983, "The conjugate gradient method and
/// trust regions in large scale optimization"). Without a step, as where b is not finite, x is b.
torch::Tensor by_conjugate_gradient(const LinearMap& a, const torch::Tensor& b, std::int64_t steps);

/// The same by sum_j (I - A / scale)^j b / scale, cut after `steps` powers.
torch::Tensor by_neumann_series(const LinearMap& a, const torch::Tensor& b, std::int64_t steps,
                                double scale);

}  // namespace cuttle
