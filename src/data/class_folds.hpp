#pragma once

#include <memory>

#include "cuttle/data/dataset.hpp"

namespace cuttle {

/// The data set as DataOptions::fold has it: training and validation classes are dealt into folds
/// anew, those of one validate, the others train, and means and deviations are theirs; test classes
/// stay. Classes that share a group stay together where no group of the shards lies in two splits,
/// and so do those that share the beginning of their names, up to the first "/" before which no two
/// splits share a name. UserError where `fold` is none, or there are more folds than classes.
std::unique_ptr<Dataset> in_fold(std::unique_ptr<Dataset> data, const DataOptions& options);

}  // namespace cuttle
