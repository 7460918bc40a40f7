#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cuttle/model/parameter_list.hpp"

// What learners own beside the model, under names "learner.NAME", and what is made of it.
namespace cuttle {

/// The place of a new number, which weight decay spares.
std::int64_t own_number(ParameterLayout& layout, const std::string& name, double start);
/// The place of a new array.
std::int64_t own_array(ParameterLayout& layout, const std::string& name,
                       std::vector<std::int64_t> shape, Init init = Init::kFanIn);

/// What is at a place; undefined where it is negative, for parameters that some settings have not.
inline torch::Tensor parameter_at(const Tensors& parameters, std::int64_t place) {
  return place < 0 ? torch::Tensor() : parameters[static_cast<std::size_t>(place)];
}

/// NAME.weight of this shape, and NAME.bias, zeros, for its first dimension.
struct OwnLayer {
  OwnLayer(ParameterLayout& layout, const std::string& name, std::vector<std::int64_t> shape,
           Init init = Init::kFanIn);
  const torch::Tensor& w(const Tensors& p) const { return p[static_cast<std::size_t>(weight)]; }
  const torch::Tensor& b(const Tensors& p) const { return p[static_cast<std::size_t>(bias)]; }
  /// x W^T + b.
  torch::Tensor operator()(const Tensors& p, const torch::Tensor& x) const {
    return torch::linear(x, w(p), b(p));
  }

  std::int64_t weight, bias;
};

/// Output and cell of an LSTM without peepholes, of its gates [n, 4 units] (in, forget, new, out)
/// before their nonlinearities, and of the cell before. `along`: the dimension of the units.
std::pair<torch::Tensor, torch::Tensor> lstm_step(const torch::Tensor& gates,
                                                  const torch::Tensor& cell,
                                                  std::int64_t along = 1);

}  // namespace cuttle
