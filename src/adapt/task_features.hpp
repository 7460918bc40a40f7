#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "adapt/embed.hpp"

namespace cuttle {

/// What classifiers that are made for a task see of its samples: embeddings as they are, or of
/// length 1 ("unit"), or less their mean in training before ("centred_unit": Wang, Chao,
/// Weinberger, van der Maaten 2019, SimpleShot's CL2N, with a running average as the mean).
class TaskFeatures {
 public:
  TaskFeatures(ParameterLayout& layout, const Fusion& fusion, const std::string& transform);

  /// All parts in one. What a sample lacks is neither near nor far from the mean.
  torch::Tensor of(const Tensors& parameters, const Embedding& embedding) const;
  /// The same part by part.
  Embedding parts_of(const Tensors& parameters, const Embedding& embedding) const;
  /// In training: the means over the samples that have a part.
  void observe(const Embedding& embedding, Statistics& seen) const;

 private:
  Embedding centred(const Tensors& parameters, Embedding embedding) const;

  bool unit_;
  std::vector<std::int64_t> means_;  ///< places of the parts' means; none: as they are
};

}  // namespace cuttle
