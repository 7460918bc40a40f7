#pragma once

#include <vector>

#include "cuttle/config/run_config.hpp"
#include "cuttle/train/assembly.hpp"

namespace cuttle {

/// Fits the steps of preprocessing that the config asks for on the training classes of these data
/// sets; those of `kept` that are the same steps of the same sense are taken as they are. Senses
/// without a list stay. UserError where a list names no sense in use, or cannot be fitted.
void fit_senses(const RunConfig& config, const Extensions& extensions,
                const std::vector<const Dataset*>& data, const std::vector<ModalitySpec>* kept,
                std::vector<ModalitySpec>& senses);

/// Mean and standard deviation of each target over the samples of these data sets' training
/// classes; a deviation of 0 is 1.
TargetUnits fit_units(const std::vector<const Dataset*>& data);

}  // namespace cuttle
