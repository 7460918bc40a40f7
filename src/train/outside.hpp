#pragma once

#include <torch/types.h>

#include <array>
#include <vector>

namespace cuttle {

/// Chance that one of `other` is larger than one of `known` (ascending); equal ones count half.
double chance_above(const std::vector<float>& known, const std::vector<float>& other);

/// One episode's part of an OutsideReport, in its order. `distances`, `right`: of the queries;
/// neither may be empty, nor `outside`.
std::array<float, 3> judge_outside(std::vector<float> distances, const torch::Tensor& right,
                                   const std::vector<float>& outside);

}  // namespace cuttle
