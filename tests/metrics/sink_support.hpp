#pragma once

#include <fstream>
#include <iterator>
#include <string>

#include "cuttle/metrics/sink.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {

inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void append_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::app) << text;
}

/// Of a run of 1000 steps. Sections as configs write them: Section("console", {{"every_s", "1"}}).
inline std::unique_ptr<Sink> make_sink(const Section& section, const std::string& run_folder,
                                       const Console& console = {}) {
  return builtin_sinks().at(section.type).make({section, run_folder, 1000, console});
}

inline StepReport report_of(std::int64_t step, double seconds = 1.0) {
  StepReport report;
  report.step = step;
  report.applied = true;
  report.tasks = 16;
  report.values = {{"loss", 1.0 / static_cast<double>(step)}, {"accuracy", 0.5}};
  report.gradient_norm = 0.1;
  report.outer_lr = 1e-3;
  report.time.total_s = seconds;
  report.time.adapt_s = seconds / 2;
  return report;
}

/// Steps `first` to `last`, validation after every second.
inline void run_steps(Sink& sink, std::int64_t first, std::int64_t last, double seconds = 1.0) {
  for (std::int64_t step = first; step <= last; ++step) {
    sink.step(report_of(step, seconds));
    if (step % 2 == 0)
      sink.record("validation", step, {{"accuracy", 0.25}, {"accuracy_half_width", 0.01}});
  }
}

}  // namespace cuttle
