#pragma once

#include <cstdint>
#include <vector>

namespace cuttle {

/// Slots that are scheduled, read and adapted together.
struct MicroBatch {
  std::int64_t first_slot = 0;
  std::int64_t count = 0;
};

/// The micro-batches of `rank`: slots 0..total-1 are cut into micro-batches of `micro_batch` (the
/// last may be shorter), dealt to ranks in contiguous, nearly equal runs. Uneven counts and idle
/// ranks are normal. A slot's micro-batch never depends on the world size.
std::vector<MicroBatch> micro_batches_of(std::int64_t total, std::int64_t micro_batch, int rank,
                                         int size);

/// The same for slots of unequal cost (all positive): micro-batches go, the dearest first, to the
/// rank that has least to do (longest processing time first: Graham 1969, within 4/3 of the best).
/// In order of slots; where all cost the same, as micro_batches_of deals them. Which ranks are idle
/// depends on the counts alone.
std::vector<MicroBatch> balanced_micro_batches(const std::vector<double>& costs,
                                               std::int64_t micro_batch, int rank, int size);

}  // namespace cuttle
