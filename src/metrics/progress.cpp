#include "metrics/progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ostream>

namespace cuttle {
namespace {

constexpr std::int64_t kMeanOf = 50;  // steps

}  // namespace

Progress::Progress(std::ostream& out, bool terminal, std::int64_t total, double interval_s)
    : out_(out),
      terminal_(terminal),
      total_(total),
      interval_s_(terminal ? kRefresh_s : interval_s) {}

Progress::~Progress() {
  if (line_open_) out_ << "\n" << std::flush;
}

void Progress::update(const StepReport& report, double now_s) {
  tasks_since_ += report.tasks;
  take(report);
  const bool first = first_step_ < 0;
  if (!first && report.step < total_ && now_s - shown_s_ < interval_s_) return;
  if (first) {
    first_step_ = report.step;
    first_s_ = now_s;
  }
  out_ << (terminal_ ? kClearLine : "") << line(report, now_s) << (terminal_ ? "" : "\n")
       << std::flush;
  line_open_ = terminal_;
  shown_s_ = now_s;
  tasks_since_ = 0;
}

void Progress::clear() {
  if (line_open_) out_ << kClearLine << std::flush;
  line_open_ = false;
}

void Progress::take(const StepReport& report) {
  const std::size_t count = std::min<std::size_t>(report.values.size(), 2);
  if (count == 0) return;  // the step was not applied
  means_.resize(count);
  const double weight = 1.0 / static_cast<double>(std::min(++meant_, kMeanOf));
  for (std::size_t i = 0; i < count; ++i) {
    means_[i].name = report.values[i].name;
    means_[i].value += weight * (report.values[i].value - means_[i].value);
  }
}

std::string Progress::line(const StepReport& report, double now_s) const {
  std::string text =
      fmt::format("step {:>{}}/{}", report.step, fmt::formatted_size("{}", total_), total_);
  for (const auto& [name, mean] : means_)
    text += name == "accuracy" ? fmt::format("  query accuracy {:.2f} %", 100 * mean)
                               : fmt::format("  {} {:.4f}", name, mean);
  if (meant_ > 1) text += fmt::format(" (means of {} steps)", std::min(meant_, kMeanOf));
  if (!report.applied) text += "  (not applied)";
  if (report.step > first_step_ && now_s > first_s_) {
    const double per_step = (now_s - first_s_) / static_cast<double>(report.step - first_step_);
    text += fmt::format("  {:.1f} tasks/s  {} left",
                        static_cast<double>(tasks_since_) / (now_s - shown_s_),
                        describe_duration(per_step * static_cast<double>(total_ - report.step)));
  }
  return text;
}

std::string describe_duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(std::max(seconds, 0.0)));
  constexpr std::int64_t kMinute = 60, kHour = 3600, kDay = 86400;
  if (whole < kMinute) return fmt::format("{} s", whole);
  if (whole < kHour) return fmt::format("{} min {:02} s", whole / kMinute, whole % kMinute);
  if (whole < kDay) return fmt::format("{} h {:02} min", whole / kHour, whole % kHour / kMinute);
  return fmt::format("{} d {} h", whole / kDay, whole % kDay / kHour);
}

}  // namespace cuttle
