#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/config/type.hpp"
#include "cuttle/data/dataset.hpp"

namespace cuttle {

// Preprocessing with a state: every step is fitted on what the steps before it make of the samples
// of the training classes, once in a run, and is applied to each row alone from then on.

/// Rows of numbers, one after the other; NaN: a hole.
struct FittedRows {
  std::int64_t columns = 0;
  std::vector<double> values;
  std::int64_t size() const { return static_cast<std::int64_t>(values.size()) / columns; }
};
using FittedNumbers = std::map<std::string, std::vector<double>>;

/// A row of the registry.
struct FittedType : TypeInfo {
  /// What it keeps of the rows of training classes, of which there is one at least and none has an
  /// infinite value. UserError where they cannot give it.
  std::function<FittedNumbers(const Section&, const FittedRows&)> fit;
  /// Changes a row; its size may change, for all rows alike.
  std::function<void(const FittedNumbers&, std::vector<double>&)> apply;
};
std::map<std::string, FittedType> builtin_fitted();

/// A list of steps as a config has it, each "TYPE KEY=VALUE ..". `key`: of the list. UserError
/// where a type, a key or a value is unknown.
std::vector<Section> fitted_sections(const std::string& key, const std::vector<std::string>& words,
                                     const std::map<std::string, FittedType>& types);

/// The sense after these steps, which are fitted on its samples of the training classes of all of
/// `data` (those that have the sense). UserError naming `key` where that cannot be.
ModalitySpec fit_sense(const std::string& key, const ModalitySpec& spec,
                       const std::vector<std::string>& words,
                       const std::vector<const Dataset*>& data,
                       const std::map<std::string, FittedType>& types);

/// in_senses(), with the steps of `modalities` done to every row that is read.
std::unique_ptr<Dataset> in_fitted_senses(std::unique_ptr<Dataset> data,
                                          std::vector<ModalitySpec> modalities,
                                          const std::map<std::string, FittedType>& types);

}  // namespace cuttle
