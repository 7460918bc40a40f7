#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "cuttle/step/step_report.hpp"

namespace cuttle {

inline constexpr double kRefresh_s = 0.1;              ///< between two states of a terminal's line
inline constexpr const char* kClearLine = "\r\x1b[K";  ///< to its first column, erase what follows

/// Shows how a run goes: on a terminal one line that refreshes itself, elsewhere plain lines now
/// and then. Rank 0 owns one, on its standard error; not thread-safe.
class Progress {
 public:
  /// `terminal`: the stream is one (isatty). `total`: outer steps of the run. `interval_s`: between
  /// plain lines.
  Progress(std::ostream& out, bool terminal, std::int64_t total, double interval_s);
  ~Progress();  ///< ends the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// After each step; `now_s` by a monotonic clock. Shows means of the first two values of the
  /// reports, as those of one step jump (all steps at first, then with weights that fall by e in
  /// kMeanOf steps), the speed since the last time something was shown, and the time left at the
  /// mean speed of this process.
  void update(const StepReport& report, double now_s);
  /// Takes the refreshing line away; before anything else writes to the stream.
  void clear();

 private:
  void take(const StepReport& report);
  std::string line(const StepReport& report, double now_s) const;

  std::ostream& out_;
  bool terminal_;
  std::int64_t total_;
  double interval_s_;
  std::int64_t first_step_ = -1;  // the first step that this process reported, and when
  double first_s_ = 0.0;
  double shown_s_ = 0.0;  // when something was last shown, and the tasks since
  std::int64_t tasks_since_ = 0;
  std::vector<NamedValue> means_;
  std::int64_t meant_ = 0;  // steps in them
  bool line_open_ = false;
};

/// "9 s", "3 min 05 s", "2 h 10 min", "3 d 4 h".
std::string describe_duration(double seconds);

}  // namespace cuttle
