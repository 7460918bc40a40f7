#include "train/recorder.hpp"

#include <filesystem>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"

namespace cuttle {

Recorder::Recorder(const RunConfig& config, bool writes, std::string folder, bool resume,
                   const Console& console)
    : writes_(writes),
      folder_(std::move(folder)),
      keep_(static_cast<int>(config.train.keep_checkpoints)) {
  if (!writes_) return;
  make_folders(folder_);
  CUTTLE_VALIDATE(resume || !std::filesystem::exists(folder_ + "/metrics.jsonl"),
                  "{} holds a run already (a new one would overwrite it); add --resume to go on "
                  "with it, or give "
                  "another --run-dir",
                  folder_);
  lock_ = std::make_unique<RunLock>(folder_);
  constexpr double kPlainLineEvery_s = 10.0;
  if (console.out)
    progress_ = std::make_unique<Progress>(*console.out, console.terminal, config.train.steps,
                                           kPlainLineEvery_s);
}

Recorder::~Recorder() = default;

void Recorder::begin(const RunConfig& config, std::int64_t step) {
  if (!writes_) return;
  write_file_atomically(folder_ + "/config.yaml", dump_config(config));
  metrics_ = std::make_unique<MetricsFile>(folder_);
  metrics_->truncate_after(step);
}

void Recorder::step(const StepReport& report) {
  if (!writes_) return;
  metrics_->append(report);
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

void Recorder::checkpoint(const CheckpointContent& content, std::optional<std::int64_t> best) {
  if (!writes_) return;
  lock_->require_held();
  metrics_->sync();
  save_checkpoint(folder_, content, keep_, best);
}

}  // namespace cuttle
