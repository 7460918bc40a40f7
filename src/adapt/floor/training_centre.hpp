#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "cuttle/model/context.hpp"
#include "cuttle/model/fusion.hpp"
#include "cuttle/model/parameter_list.hpp"

namespace cuttle {

/// The mean of a model's features over training: a running average of what tasks show, by part,
/// over the share of it that they have filled.
class TrainingCentre {
 public:
  /// Adds the averages to what training keeps, for parts of these widths.
  TrainingCentre(ParameterLayout& layout, const std::vector<std::int64_t>& widths);
  void observe(const Embedding& embedding, Statistics& seen) const;
  /// [width], in float64 on the CPU.
  torch::Tensor of_part(const Tensors& parameters, std::size_t part) const;

 private:
  std::vector<std::int64_t> means_, filled_;  ///< places, by part
};

}  // namespace cuttle
