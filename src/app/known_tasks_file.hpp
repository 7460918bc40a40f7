#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/loaded_run.hpp"
#include "cuttle/train/known_tasks.hpp"

namespace cuttle {

/// The known tasks of a run, as they lie in its folder (cuttle map).
struct KnownTasksFile {
  KnownTasks tasks;
  std::vector<std::vector<std::string>> classes;  ///< of each training task; empty: it has none
  std::int64_t step = 0;                          ///< of the checkpoint whose parameters saw them
  std::string parameters_sha256;                  ///< these
  std::int64_t way = 0, shot = 0;                 ///< the largest; of values: way 0
};

/// Where those of the run lie that a checkpoint folder is of, whether there are some or not.
std::string known_tasks_path(const std::string& checkpoint);
void write_known_tasks(const std::string& path, const KnownTasksFile& known);
/// UserError if the file is damaged.
KnownTasksFile read_known_tasks(const std::string& path);

/// For people and programs: how many there are, by what, and how far held-out tasks are from them.
nlohmann::ordered_json describe_known(const KnownTasksFile& known);

/// Where a support set lies among the known tasks of the run, in words for JSON; null if there are
/// none, or, with a warning, if they are of other parameters. Logs it, and warns where it is
/// farther from all of them than nearly all held-out tasks, or where these are of other sizes.
nlohmann::ordered_json place_among_known(const LoadedRun& run, const Batch& support,
                                         std::int64_t shot);

}  // namespace cuttle
