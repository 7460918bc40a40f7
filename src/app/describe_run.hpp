#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cuttle/train/assembly.hpp"

namespace cuttle {

/// What a run folder tells of its run: state, progress, history, slowest rank, what it would need
/// to go on. UserError if it holds neither a checkpoint that can be used nor a sign of life.
nlohmann::ordered_json describe_run(const std::string& folder, const Extensions& extensions);

/// What the bits of a run depend on beside config and data: in its last checkpoint and in this
/// process, and whether a resume here keeps them.
nlohmann::ordered_json describe_determinism(const std::string& folder,
                                            const Extensions& extensions);

}  // namespace cuttle
