#include "cuttle/task/schedule.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

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

std::vector<MicroBatch> balanced_micro_batches(const std::vector<double>& costs,
                                               std::int64_t micro_batch, int rank, int size) {
  const auto total = static_cast<std::int64_t>(costs.size());
  if (std::adjacent_find(costs.begin(), costs.end(), std::not_equal_to<>()) == costs.end())
    return micro_batches_of(total, micro_batch, rank, size);
  const auto all = micro_batches_of(total, micro_batch, 0, 1);
  std::vector<double> cost_of;
  for (const MicroBatch& micro : all) {
    const auto first = costs.begin() + micro.first_slot;
    cost_of.push_back(std::accumulate(first, first + micro.count, 0.0));
  }
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return cost_of[a] > cost_of[b]; });
  std::vector<double> load(static_cast<std::size_t>(size), 0.0);
  std::vector<std::size_t> mine;
  for (const std::size_t i : order) {
    const auto least = std::min_element(load.begin(), load.end());
    *least += cost_of[i];
    if (least - load.begin() == rank) mine.push_back(i);
  }
  std::sort(mine.begin(), mine.end());
  std::vector<MicroBatch> result;
  for (const std::size_t i : mine) result.push_back(all[i]);
  return result;
}

}  // namespace cuttle
