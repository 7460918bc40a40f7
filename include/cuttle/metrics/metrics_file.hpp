#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cuttle/step/step_report.hpp"

namespace cuttle {

/// A file of JSON lines to which whole lines are appended, each by one write.
class JsonLines {
 public:
  /// Opens PATH for appending, made if missing. Throws Error naming it.
  explicit JsonLines(std::string path);
  ~JsonLines();
  JsonLines(const JsonLines&) = delete;
  JsonLines& operator=(const JsonLines&) = delete;

  /// `line` without its newline. Throws Error naming the file if it cannot be written whole.
  void append(const std::string& line);
  /// Cuts the file before the first line whose "step" is above `step`, or before a torn last line,
  /// whichever comes first. Throws UserError naming the line if another one cannot be read.
  void truncate_after(std::int64_t step);
  void sync();  ///< fsync

 private:
  std::string path_;
  int file_;
};

/// What a rank did since the last such record.
struct RankTime {
  std::string host;
  double busy_s = 0.0;  ///< reading and adapting: what other ranks may have to wait for
};

/// The records of a run: RUN/metrics.jsonl, whose bytes do not depend on the world size or on
/// resumes, and RUN/timing.jsonl and RUN/ranks.jsonl, whose do. Values that are not finite are
/// written as null. Rank 0 makes one per run.
class MetricsFile {
 public:
  explicit MetricsFile(const std::string& run_folder);

  /// One record of kind "train" in metrics.jsonl and one in timing.jsonl.
  void append(const StepReport& report);
  /// One record of another kind ("validation", "test") after `step`; names beside kind and step.
  void append(std::string_view kind, std::int64_t step, const std::vector<NamedValue>& values);
  /// One record in ranks.jsonl: every rank's host and time over the `steps` steps up to `step`, the
  /// slowest rank, and how long that took against the mean of all.
  void append(std::int64_t step, std::int64_t steps, const std::vector<RankTime>& ranks);
  /// On resume from the checkpoint of `step`, before anything is appended: forgets what came after.
  void truncate_after(std::int64_t step);
  /// Before each checkpoint, so that no record that it counts on is lost with the machine.
  void sync();

 private:
  JsonLines metrics_;
  JsonLines timing_;
  JsonLines ranks_;
};

}  // namespace cuttle
