#pragma once

#include <cstdint>
#include <string>

namespace cuttle {

/// Fixed, seeded episode lists for validation and test. Zeros mean: as in training.
struct EvaluationOptions {
  std::int64_t episodes = 600;
  std::int64_t way = 0, shot = 0, query = 0;
  std::uint64_t seed = 0;  ///< of the lists; so that runs of several seeds are asked the same
};

struct TrainOptions {
  std::int64_t steps = 1000;  ///< outer steps
  double minutes =
      0;  ///< a budget that settles the steps when the run begins; 0: `steps` are given
  std::int64_t validate_every = 200;  ///< outer steps; 0: never
  std::int64_t validation_episodes = 200;
  std::int64_t patience =
      0;  ///< validations without improvement before stopping; 0: never stop early
  std::int64_t checkpoint_every =
      200;  ///< outer steps; a checkpoint is also written at the end and on request
  std::int64_t keep_checkpoints = 2;  ///< newest that stay; the best one always stays
  std::string
      init_from;  ///< run folder or checkpoint whose parameters start this run; empty: fresh
  std::string init_statistics =
      "own";  ///< own | source (init_from, frozen_from): what standardises
};

}  // namespace cuttle
