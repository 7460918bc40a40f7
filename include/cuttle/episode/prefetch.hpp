#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "cuttle/episode/episode.hpp"

namespace cuttle {

/// Plans and reads episodes ahead on one background thread (the access sequence is known from the
/// seed), at most `depth` micro-batches ahead; depth 0 reads in next(). Results do not depend on
/// depth. `data` and `planner` must outlive it; next() and seconds_waited() belong to one thread.
class EpisodePrefetcher {
 public:
  /// The keys of the micro-batch with running number i = 0, 1, 2, ... of this rank; an empty list
  /// ends the sequence.
  using Sequence = std::function<std::vector<RandomKey>(std::int64_t i)>;

  /// UserError when depth is negative. With depth > 0 `sequence` is called on the background
  /// thread.
  EpisodePrefetcher(const Dataset& data, const EpisodePlanner& planner, Sequence sequence,
                    int depth);
  ~EpisodePrefetcher();  ///< stops and joins the thread; pending reads are dropped

  /// The next micro-batch in order; rethrows here what planning or reading it threw, after all
  /// micro-batches before it. Empty after the end.
  std::vector<Episode> next();
  double seconds_waited() const;  ///< total time next() had to wait for data

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cuttle
