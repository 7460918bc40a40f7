#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuttle/step/step_report.hpp"
#include "metrics/append_file.hpp"

namespace cuttle {

/// Scalars as TensorBoard reads them: a folder has an event file for each time that its run was
/// started. Every failure is an Error naming the file.
class EventFile {
 public:
  /// Forgets what came after `step` in the folder's earlier files, and what is torn there; begins
  /// a file that readers take after those. The folder is made if missing.
  EventFile(const std::string& folder, std::int64_t step);

  /// By their tags ("train/loss").
  void append(std::int64_t step, const std::vector<NamedValue>& scalars);
  void sync() { file_.sync(); }  ///< fsync

 private:
  AppendFile file_;
};

}  // namespace cuttle
