#include "cuttle/episode/schedule.hpp"

#include <algorithm>

#include "cuttle/core/error.hpp"

namespace cuttle {

std::vector<MicroBatch> micro_batches_of(std::int64_t total, std::int64_t micro_batch, int rank,
                                         int size) {
  CUTTLE_EXPECT(total >= 0 && micro_batch >= 1 && rank >= 0 && rank < size);
  const std::int64_t all = total / micro_batch + (total % micro_batch != 0);
  // The first `longer` ranks have one more than the others.
  const std::int64_t share = all / size, longer = all % size;
  const std::int64_t first = rank * share + std::min<std::int64_t>(rank, longer);
  const std::int64_t end = first + share + (rank < longer);
  std::vector<MicroBatch> mine;
  for (std::int64_t i = first; i < end; ++i) {
    const std::int64_t slot = i * micro_batch;
    mine.push_back({slot, std::min(micro_batch, total - slot)});
  }
  return mine;
}

}  // namespace cuttle
