#pragma once

#include <utility>

#include "cuttle/model/block.hpp"

namespace cuttle {

/// Batch norm by the statistics of the batch at hand, in training and in use (no running averages:
/// the result depends on parameters and batch alone). per-step: scale and shift of their own for
/// every inner step (MAML++, Antoniou et al. 2019). Composite operations where a mask is given, so
/// that padding counts nowhere.
class Norm {
 public:
  Norm(ParameterLayout& layout, const std::string& name, std::int64_t channels,
       const NormOptions& options);
  /// values [m, C, ...]; mask [m, T] for [m, C, T] or undefined.
  torch::Tensor forward(const Tensors& parameters, const torch::Tensor& values,
                        const torch::Tensor& mask, const Context& context) const;
  /// False for kind none.
  bool active() const { return active_; }
  /// Scale and shift [C] at this inner step.
  std::pair<torch::Tensor, torch::Tensor> affine(const Tensors& parameters,
                                                 const Context& context) const;

 private:
  bool active_ = true;
  bool per_step_ = false;
  std::int64_t steps_ = 0;
  std::int64_t weight_ = -1, bias_ = -1;
};

}  // namespace cuttle
