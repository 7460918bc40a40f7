#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cuttle/model/parameter_list.hpp"

// Where blocks have their parameters.
namespace cuttle {

inline const torch::Tensor& at(const Tensors& tensors, std::int64_t i) {
  return tensors[static_cast<std::size_t>(i)];
}

/// Places of a weight of this shape and of a bias for each of its first dimension.
struct Affine {
  std::int64_t weight, bias;
  Affine(ParameterLayout& layout, const std::string& weight_name, const std::string& bias_name,
         const std::vector<std::int64_t>& shape, Init init = Init::kFanIn,
         ParameterRole role = ParameterRole::kBody)
      : weight(layout.add({weight_name, shape, init, role})),
        bias(layout.add({bias_name, {shape[0]}, Init::kZeros, role})) {}
  Affine(ParameterLayout& layout, const std::string& name, const std::vector<std::int64_t>& shape,
         Init init = Init::kFanIn, ParameterRole role = ParameterRole::kBody)
      : Affine(layout, name + ".weight", name + ".bias", shape, init, role) {}
};

/// Rows of a table [tokens, W] by int64 tokens [m, T] -> [m, T, W]. By index_select rather than
/// embedding: its gradient is a plain index_add, differentiable any number of times.
inline torch::Tensor look_up(const torch::Tensor& table, const torch::Tensor& tokens) {
  return table.index_select(0, tokens.reshape({-1}))
      .view({tokens.size(0), tokens.size(1), table.size(1)});
}

}  // namespace cuttle
