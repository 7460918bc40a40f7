#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace cuttle {

/// RUN/checkpoints.
std::string checkpoints_folder(const std::string& run_folder);
/// "step-00000123".
std::string step_folder_name(std::int64_t step);
/// Finished checkpoints by step, of none if the folder does not exist. One that was moved aside by
/// a writer which was killed before its replacement was in place counts.
std::map<std::int64_t, std::string> find_step_folders(const std::string& parent);

/// A new empty folder for a checkpoint being written; removed with all it holds unless published.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& parent);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  /// Renames it to its final name in the parent and fsyncs the parent. A folder of that name is
  /// moved aside first and removed after, so at every moment a finished one can be found.
  void publish(const std::string& name);

 private:
  std::string parent_;
  std::string path_;
};

/// Removes or puts back what killed writers left. The caller holds the run's lock, so nobody else
/// is writing.
void sweep_temporaries(const std::string& parent);

/// Removes a checkpoint so that a kill in between leaves no half of it under its name. Warns if it
/// cannot.
void remove_checkpoint(const std::string& parent, const std::string& folder);

}  // namespace cuttle
