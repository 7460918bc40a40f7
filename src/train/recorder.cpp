#include "train/recorder.hpp"

#include <filesystem>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"

namespace cuttle {

Recorder::Recorder(const RunConfig& config, const Extensions& extensions, bool writes,
                   const RunFolder& folder, const Console& console)
    : extensions_(extensions),
      writes_(writes),
      folder_(folder.path),
      console_(console),
      keep_(static_cast<int>(config.train.keep_checkpoints)) {
  if (!writes_) return;
  make_folders(folder_);
  // Without a record there is nothing to lose: a start that failed may be tried again.
  const std::filesystem::path records = folder_ + "/" + kRecordsFile;
  const bool begun = std::filesystem::exists(records) && std::filesystem::file_size(records) > 0;
  CUTTLE_VALIDATE(folder.resume || !begun,
                  "{} holds a run already (a new one would overwrite it); add --resume to go on "
                  "with it, or give "
                  "another --run-dir",
                  folder_);
  lock_ = std::make_unique<RunLock>(folder_, folder.take_over);
}

Recorder::~Recorder() = default;

void Recorder::begin(const RunConfig& config, std::int64_t step, int ranks) {
  if (!writes_) return;
  remove_unfinished(folder_ + "/config.yaml");
  write_file_atomically(folder_ + "/config.yaml", dump_config(config, catalog_of(extensions_)));
  sinks_ = make_sinks(config.sinks, extensions_.sinks, folder_, config.train.steps, console_);
  for (auto& sink : sinks_) sink->begin(step);
  heartbeat_ = std::make_unique<Heartbeat>(folder_, step, config.train.steps, ranks);
}

void Recorder::budget(const StepBudget& budget) {
  if (!writes_) return;
  for (auto& sink : sinks_) sink->budget(budget.steps, budget.step_s, budget.minutes);
}

void Recorder::step(const StepReport& report) {
  if (!writes_) return;
  for (auto& sink : sinks_) sink->step(report);
  heartbeat_->step(report.step);
  if (report.skipped > 0)
    log_warning("step {}: {} of its tasks were not finite: {}", report.step, report.skipped,
                report.skipped_note);
}

void Recorder::validation(std::int64_t step, const std::vector<NamedValue>& values) {
  if (!writes_) return;
  for (auto& sink : sinks_) sink->record("validation", step, values);
}

void Recorder::checkpoint(const CheckpointContent& content, std::optional<std::int64_t> best,
                          std::int64_t steps, const std::vector<RankTime>& ranks) {
  if (!writes_) return;
  lock_->require_held();
  for (auto& sink : sinks_) {
    if (steps > 0) sink->ranks(content.step, steps, ranks);
    sink->sync();
  }
  save_checkpoint(folder_, content, keep_, best);
  heartbeat_->say("running");
}

void Recorder::say(std::string_view state, std::string_view message) {
  if (heartbeat_) heartbeat_->say(state, message);
}

}  // namespace cuttle
