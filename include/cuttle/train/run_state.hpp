#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuttle/checkpoint/checkpoint.hpp"
#include "cuttle/step/train_state.hpp"

namespace cuttle {

/// In a folder that holds a run for each of several folds of the classes, fold-1 and so on: how
/// many there are, and what each came to.
inline constexpr const char* kFoldsFile = "/folds.json";

/// What a run remembers besides its parameters: progress of validation, and its history.
struct RunProgress {
  double best_score = 0.0;  ///< on the validation episodes: accuracy, or minus the error of values
  std::int64_t best_step = -1;
  std::int64_t validations_since_best = 0;
  bool stopped_early = false;    ///< patience ran out
  std::vector<int> world_sizes;  ///< one entry per start of the program
};

/// One entry of the layout a file entry, gaps left out. The inverse checks names, dtypes and
/// shapes: UserError naming the first parameter that differs ("a checkpoint of another model").
std::vector<NamedArray> parameter_arrays(const ParameterLayout& layout, const torch::Tensor& flat,
                                         const std::string& prefix = "");
torch::Tensor flat_from_arrays(const ParameterLayout& layout, const std::vector<NamedArray>& arrays,
                               const std::string& source, const std::string& prefix = "");
/// Whether an array of this shape can be the parameter's: the same, or more rows where the first
/// may serve (ParameterSpec::first_rows).
bool fits_parameter(const std::vector<std::int64_t>& shape, const ParameterSpec& spec);
/// Such an array to the place of parameter `i` in `flat`.
void copy_values(const NamedArray& array, const ParameterLayout& layout, std::int64_t i,
                 const torch::Tensor& flat);
/// Copies the arrays of all parameters whose name starts with `prefix` into `flat`; errors as
/// above.
void copy_parameters(const ParameterLayout& layout, const std::vector<NamedArray>& arrays,
                     const std::string& source, const std::string& prefix,
                     const torch::Tensor& flat);

/// TrainState and progress to the parts of a checkpoint and back. config_yaml and facts are the
/// caller's.
CheckpointContent to_checkpoint(const TrainState& state, const RunProgress& progress);
void from_checkpoint(const CheckpointContent& content, const std::string& source, TrainState& state,
                     RunProgress& progress);
/// The progress alone, for inspect and eval.
RunProgress progress_from_json(const std::string& state_json);

/// The checkpoint that a run folder or a checkpoint folder stands for: the best by validation if
/// there is one that verifies and `best` is asked for, else the newest that verifies. UserError
/// when there is none. Rank 0.
LatestCheckpoint find_checkpoint(const std::string& folder, bool best);

}  // namespace cuttle
