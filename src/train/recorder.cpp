#include "train/recorder.hpp"

#include <filesystem>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"

namespace cuttle {

Recorder::Recorder(const RunConfig& config, const Catalog& catalog, bool writes,
                   const RunFolder& folder, const Console& console)
    : catalog_(catalog),
      writes_(writes),
      folder_(folder.path),
      keep_(static_cast<int>(config.train.keep_checkpoints)) {
  if (!writes_) return;
  make_folders(folder_);
  CUTTLE_VALIDATE(folder.resume || !std::filesystem::exists(folder_ + "/metrics.jsonl"),
                  "{} holds a run already (a new one would overwrite it); add --resume to go on "
                  "with it, or give "
                  "another --run-dir",
                  folder_);
  lock_ = std::make_unique<RunLock>(folder_, folder.take_over);
  constexpr double kPlainLineEvery_s = 10.0;
  if (console.out)
    progress_ = std::make_unique<Progress>(*console.out, console.terminal, config.train.steps,
                                           kPlainLineEvery_s);
}

Recorder::~Recorder() = default;

void Recorder::begin(const RunConfig& config, std::int64_t step, int ranks) {
  if (!writes_) return;
  remove_unfinished(folder_ + "/config.yaml");
  write_file_atomically(folder_ + "/config.yaml", dump_config(config, catalog_));
  metrics_ = std::make_unique<MetricsFile>(folder_);
  metrics_->truncate_after(step);
  heartbeat_ = std::make_unique<Heartbeat>(folder_, step, config.train.steps, ranks);
}

void Recorder::step(const StepReport& report) {
  if (!writes_) return;
  metrics_->append(report);
  heartbeat_->step(report.step);
  if (progress_) progress_->update(report, clock_.seconds());
  if (report.skipped > 0) {
    if (progress_) progress_->clear();
    log_warning("step {}: {} of its tasks were not finite: {}", report.step, report.skipped,
                report.skipped_note);
  }
}

void Recorder::validation(std::int64_t step, const std::vector<NamedValue>& values) {
  if (!writes_) return;
  metrics_->append("validation", step, values);
  if (progress_) progress_->clear();
}

void Recorder::checkpoint(const CheckpointContent& content, std::optional<std::int64_t> best,
                          std::int64_t steps, const std::vector<RankTime>& ranks) {
  if (!writes_) return;
  lock_->require_held();
  if (steps > 0) metrics_->append(content.step, steps, ranks);
  metrics_->sync();
  save_checkpoint(folder_, content, keep_, best);
  heartbeat_->say("running");
}

void Recorder::say(std::string_view state, std::string_view message) {
  if (heartbeat_) heartbeat_->say(state, message);
}

}  // namespace cuttle
