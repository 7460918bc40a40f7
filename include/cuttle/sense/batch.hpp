#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/core/random.hpp"

namespace cuttle {

/// One modality of a batch, ready for its encoder: only the samples that have it.
struct ModalityInput {
  torch::Tensor values;  ///< m rows, as the encoder prepared them; undefined when m is 0
  torch::Tensor mask;    ///< [m, T] 1 where a time step is real, same dtype as float values;
                         ///< undefined: all real
  torch::Tensor rows;    ///< int64 [m], ascending: which samples of the batch the rows are
  bool encoded = false;  ///< values are features already: [m, encoder's width], no mask

  ModalityInput on(torch::Device device) const;
};

class Environment;

/// Units in which values are learned: (value - origin) / scale, target by target. Empty: their own.
struct TargetUnits {
  std::vector<double> origin, scale;

  bool empty() const { return scale.empty(); }
  /// Values [n, targets] in these units, and back; the same where there are none.
  torch::Tensor from_own(const torch::Tensor& values) const;
  torch::Tensor to_own(const torch::Tensor& values) const;
  /// Both as [1, targets], to calculate with in float32.
  torch::Tensor origins() const;
  torch::Tensor scales() const;
};

/// A set of samples as tensors. Nothing in it depends on other batches.
struct Batch {
  std::int64_t size = 0;                  ///< n samples
  std::vector<ModalityInput> modalities;  ///< in the model's order
  torch::Tensor labels;                   ///< int64 [n], 0..way-1; undefined: unlabelled
  torch::Tensor targets;                  ///< float [n, way]: values to predict; undefined: classes
  torch::Tensor kept;    ///< float [n, the embedding's width]: what its numbers are multiplied by
                         ///< (Model::dropout); undefined: 1
  std::int64_t way = 0;  ///< classes, or values of a target
  bool even = false;     ///< known to have as many samples of every class, or to
                         ///< be part of a set that has
  std::shared_ptr<const Environment> environment = nullptr;  ///< acted in, instead of samples;
                                                             ///< `size` is episodes then

  /// Floating-point parts in another precision (tests work in float64).
  Batch to(torch::Dtype dtype) const;
  /// On a device. To a GPU through pinned memory, without waiting: whoever reads it on another
  /// stream waits for this thread's.
  Batch on(torch::Device device) const;
};

/// The samples of `a`, then those of `b` (same model, same way). Shorter sequences are padded and
/// masked.
Batch concatenate(const Batch& a, const Batch& b);

/// The samples of these places, in this order.
Batch select_rows(const Batch& batch, const std::vector<std::int64_t>& rows);

/// Whether every one of `way` classes has as many of the labels, int64 [n] on the CPU.
bool is_even(const torch::Tensor& labels, std::int64_t way);

/// By sample, whether it has any of the modalities.
std::vector<bool> have_senses(const Batch& batch);

/// Hides all modalities whose flag is false.
Batch keep_modalities(const Batch& batch, const std::vector<bool>& keep);

/// Hides each present modality of each sample with probability `rate`, never the last one of a
/// sample; a pure function of the key.
Batch drop_modalities(const Batch& batch, double rate, const RandomKey& key);

}  // namespace cuttle
