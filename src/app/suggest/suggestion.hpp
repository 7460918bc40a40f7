#pragma once

#include <string>
#include <vector>

#include "cuttle/data/dataset.hpp"

namespace cuttle {

/// A config for training on these shards, complete, with a reason behind every choice. `shards`: as
/// data.shards will name them; `bytes`: of the files. UserError, with the reason, where nothing can
/// be trained on them.
std::string suggest_config(const std::vector<std::string>& shards, std::uint64_t bytes,
                           const Dataset& data);

}  // namespace cuttle
