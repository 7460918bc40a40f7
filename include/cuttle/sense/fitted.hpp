#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cuttle/config/type.hpp"
#include "cuttle/data/dataset.hpp"

namespace cuttle {

// Preprocessing with a state: every step is fitted on what the steps before it make of the samples
// of the training classes, once in a run, and is applied to each sample alone from then on.

/// Samples of one sense: texts, or rows of numbers, one after the other (NaN: a hole). A recording
/// has one column, of -32768 to 32767.
struct FittedSamples {
  std::int64_t columns = 0;
  std::vector<double> values;
  std::vector<std::int64_t> lengths = {};  ///< rows of each sample, in order
  std::vector<std::string> texts = {};
  std::vector<std::string> names = {};  ///< of the columns, for messages; none: by number
  /// Rows of all samples.
  std::int64_t rows() const { return static_cast<std::int64_t>(values.size()) / columns; }
};
using FittedNumbers = std::map<std::string, std::vector<double>>;

/// A row of the registry.
struct FittedType : TypeInfo {
  std::vector<ModalityKind> kinds;  ///< of sense that it can be for
  /// Leaves in the step what it keeps of samples of training classes, of which there is one at
  /// least and none has an infinite value. UserError where they cannot give it.
  std::function<void(const Section&, const ModalitySpec&, const FittedSamples&, FittedStep&)> fit;
  /// Changes a sample, which keeps a row or a letter at least; its columns may change, for all
  /// samples alike. UserError where the step is a damaged file's.
  std::function<void(const FittedStep&, FittedSamples&)> apply;
  bool looks = true;         ///< whether fit() looks at samples
  bool fills_holes = false;  ///< no row has any behind it
  std::optional<ModalityKind> makes =
      {};  ///< a sense of another kind: texts become rows of `values`
};
std::map<std::string, FittedType> builtin_fitted();

/// A step of vectors and series that changes every row by itself; `apply` may change its size, for
/// all rows alike.
FittedType by_row(TypeInfo info,
                  std::function<FittedNumbers(const Section&, const FittedSamples&)> fit,
                  std::function<void(const FittedNumbers&, std::vector<double>&)> apply);

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

/// in_senses(), with the steps of `modalities` done to every sample that is read.
std::unique_ptr<Dataset> in_fitted_senses(std::unique_ptr<Dataset> data,
                                          std::vector<ModalitySpec> modalities,
                                          const std::map<std::string, FittedType>& types);

}  // namespace cuttle
