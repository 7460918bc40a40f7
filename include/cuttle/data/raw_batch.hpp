#pragma once

#include <cstdint>
#include <vector>

#include "cuttle/data/dataset.hpp"

namespace cuttle {

/// One modality of a set of samples, raw, one after the other.
struct RawModality {
  std::vector<std::uint8_t> bytes;
  std::vector<std::int64_t>
      offsets;  ///< n + 1 byte offsets; equal neighbours where the sample lacks the modality
  std::vector<std::uint8_t> present;  ///< n flags
  bool changed = false;               ///< augmented: no longer what the data set has
  /// n numbers of what is there, augmented for good; 0: as in the data set; empty: all 0.
  std::vector<std::int64_t> copies = {};
};

/// A set of samples with targets; modalities as in Dataset::modalities().
struct RawBatch {
  std::int64_t size = 0;
  std::vector<RawModality> modalities;
  std::vector<std::int64_t> labels;   ///< n labels in 0..way-1; empty: unlabelled
  std::vector<float> targets;         ///< n rows of target values; empty: classes are learned
  std::vector<std::int64_t> samples;  ///< n indices in the data set; empty: not from one
};

/// Reads the given samples in order. Errors as Dataset::read.
RawBatch read_batch(const Dataset& data, const std::vector<std::int64_t>& samples);
/// The same of samples of one split, without what they lack in this task (Dataset::hidden_in).
RawBatch read_batch(const Dataset& data, const std::vector<std::int64_t>& samples,
                    const RandomKey& task);
}  // namespace cuttle
