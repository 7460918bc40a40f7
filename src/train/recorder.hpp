#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cuttle/checkpoint/checkpoint.hpp"
#include "cuttle/checkpoint/run_lock.hpp"
#include "cuttle/comm/communicator.hpp"
#include "cuttle/config/run_config.hpp"
#include "cuttle/metrics/sink.hpp"
#include "cuttle/step/step_report.hpp"
#include "cuttle/train/trainer.hpp"
#include "train/heartbeat.hpp"
#include "train/step_budget.hpp"

namespace cuttle {

/// The writing side of a run folder: lock, sinks, checkpoints. Rank 0 writes; on other ranks every
/// call does nothing, so that the loop needs no rank.
class Recorder {
 public:
  /// Makes and locks the folder (rank 0), and writes nothing else: the run may still be refused.
  /// UserError if it holds a run that is not to be resumed, or the sinks do not go together.
  /// `extensions` must outlive it.
  Recorder(const RunConfig& config, const Extensions& extensions, bool writes,
           const RunFolder& folder, const Console& console);
  ~Recorder();

  /// The run goes on from `step`: its config is written, sinks forget later steps. Before all
  /// below.
  void begin(const RunConfig& config, std::int64_t step, int ranks);
  /// How the run came by its steps, once, where they were measured.
  void budget(const StepBudget& budget);
  void step(const StepReport& report);
  void validation(std::int64_t step, const std::vector<NamedValue>& values);
  /// `ranks`: what each did in the `steps` steps since the last one.
  void checkpoint(const CheckpointContent& content, std::optional<std::int64_t> best,
                  std::int64_t steps, const std::vector<RankTime>& ranks);
  /// For the heartbeat (train/heartbeat.hpp).
  void say(std::string_view state, std::string_view message = {});

 private:
  const Extensions& extensions_;
  bool writes_;
  std::string folder_;
  Console console_;
  int keep_;
  std::unique_ptr<RunLock> lock_;
  std::vector<std::unique_ptr<Sink>> sinks_;
  std::unique_ptr<Heartbeat> heartbeat_;
};

}  // namespace cuttle
