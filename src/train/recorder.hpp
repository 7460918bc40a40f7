#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cuttle/checkpoint/checkpoint.hpp"
#include "cuttle/checkpoint/run_lock.hpp"
#include "cuttle/comm/communicator.hpp"
#include "cuttle/config/run_config.hpp"
#include "cuttle/core/timer.hpp"
#include "cuttle/metrics/metrics_file.hpp"
#include "cuttle/metrics/progress.hpp"
#include "cuttle/step/step_report.hpp"
#include "cuttle/train/trainer.hpp"
#include "train/heartbeat.hpp"

namespace cuttle {

/// The writing side of a run folder: lock, records, console, checkpoints. Rank 0 writes; on other
/// ranks every call does nothing, so that the loop needs no rank.
class Recorder {
 public:
  /// Makes and locks the folder (rank 0), and writes nothing else: the run may still be refused.
  /// UserError if it holds a run that is not to be resumed.
  /// `catalog` must outlive it.
  Recorder(const RunConfig& config, const Catalog& catalog, bool writes, const RunFolder& folder,
           const Console& console);
  ~Recorder();

  /// The run goes on from `step`: its config is written, records of later steps are forgotten.
  /// Before all below.
  void begin(const RunConfig& config, std::int64_t step, int ranks);
  void step(const StepReport& report);
  void validation(std::int64_t step, const std::vector<NamedValue>& values);
  /// `ranks`: what each did in the `steps` steps since the last one.
  void checkpoint(const CheckpointContent& content, std::optional<std::int64_t> best,
                  std::int64_t steps, const std::vector<RankTime>& ranks);
  /// For the heartbeat (train/heartbeat.hpp).
  void say(std::string_view state, std::string_view message = {});

 private:
  const Catalog& catalog_;
  bool writes_;
  std::string folder_;
  int keep_;
  Timer clock_;
  std::unique_ptr<RunLock> lock_;
  std::unique_ptr<MetricsFile> metrics_;
  std::unique_ptr<Heartbeat> heartbeat_;
  std::unique_ptr<Progress> progress_;  ///< null: silent
};

}  // namespace cuttle
