#pragma once

#include <algorithm>
#include <vector>

#include "cuttle/adapt/learner.hpp"

namespace cuttle {

/// What each inner step looks at: as many samples as asked for, without replacement until all have
/// had their turn (the batches of the paper's program), or all of them. A function of the task's
/// key.
class MiniBatches {
 public:
  MiniBatches(const Batch& all, std::int64_t size, const RandomKey& key)
      : all_(all), size_(size), random_(key.with(Draw::kInnerBatches)) {}

  Batch next() {
    if (size_ == 0 || size_ >= all_.size) return all_;
    std::vector<std::int64_t> chosen;
    while (static_cast<std::int64_t>(chosen.size()) < size_) {
      if (left_.empty()) {
        left_ = random_.sample(all_.size, all_.size);
        std::reverse(left_.begin(), left_.end());
      }
      chosen.push_back(left_.back());
      left_.pop_back();
    }
    Batch batch = select_rows(all_, chosen);
    batch.even = all_.even;  // an even task's classes count alike over its round, not in each batch
    return batch;
  }

 private:
  const Batch& all_;
  std::int64_t size_;
  Random random_;
  std::vector<std::int64_t> left_;  ///< of this round, the next one last
};

}  // namespace cuttle
