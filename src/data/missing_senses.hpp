#pragma once

#include <memory>

#include "cuttle/data/dataset.hpp"

namespace cuttle {

/// The data set as if samples lacked the senses that DataOptions::missing says. UserError where
/// that names none of its senses, or shares that are none.
std::unique_ptr<Dataset> without_missing(std::unique_ptr<Dataset> data, const DataOptions& options);

}  // namespace cuttle
