#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/loaded_run.hpp"
#include "cuttle/comm/communicator.hpp"
#include "cuttle/train/evaluator.hpp"

namespace cuttle {

/// An encoder that may be brought for a sense.
struct Candidate {
  std::string said;                ///< what it is called
  const LoadedRun* run = nullptr;  ///< whose encoder it is; null: nobody trained it here
  std::string config = {};         ///< what people write to have it, where that is more
};

/// Encoders by sense: one sense's, or those of several.
using BySense = std::map<std::string, Candidate>;

/// `usual`, asked about these senses with these encoders by the nearest class mean: cosines of
/// features less their mean over training tasks (over the support set, where there are no training
/// classes), averaged over senses. With nothing learned; of a run the encoder alone.
RunConfig floor_config(const RunConfig& usual, const BySense& senses, bool centre_of_training,
                       const Extensions& extensions);

/// What that scores on the episodes of `split`. Fills the feature bank. Collective; UserError on
/// all ranks where an encoder does not fit the data, or its features are no numbers.
EvaluationReport floor_of(Communicator& comm, const RunConfig& config, const BySense& senses,
                          Split split, const Extensions& extensions);

}  // namespace cuttle
