#pragma once

#include <vector>

#include "cuttle/data/dataset.hpp"

namespace cuttle {

/// The modalities of a data set, with mean and deviation over those of `samples` whose split is
/// train, as data_tools/FORMAT.md has them, where the shards declare some. `samples`: the data
/// set's, perhaps with other splits. Reads these samples.
std::vector<ModalitySpec> with_training_moments(const Dataset& data,
                                                const std::vector<SampleInfo>& samples);

}  // namespace cuttle
