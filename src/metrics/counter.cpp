#include "cuttle/metrics/counter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "metrics/progress.hpp"

namespace cuttle {

Counter::Counter(const Console& console, std::int64_t total, std::string what)
    : console_(console), total_(total), what_(std::move(what)) {}

Counter::~Counter() {
  if (open_) *console_.out << kClearLine << std::flush;
}

void Counter::update(std::int64_t done) {
  const double now = clock_.seconds();
  if (console_.out == nullptr || !console_.terminal || now - shown_s_ < kRefresh_s) return;
  shown_s_ = now;
  open_ = true;
  *console_.out << kClearLine << describe_count(done, total_, what_, now) << std::flush;
}

std::function<void(std::int64_t)> Counter::share_of(int ranks) {
  return [this, ranks](std::int64_t done) { update(std::min(total_, done * ranks)); };
}

std::string describe_count(std::int64_t done, std::int64_t total, const std::string& what,
                           double seconds) {
  const double rate = static_cast<double>(done) / seconds;
  return fmt::format("{} of {} {} ({:.0f} %), {:.{}f} a second, {} left", done, total, what,
                     100.0 * static_cast<double>(done) / static_cast<double>(total), rate,
                     rate < 10 ? 1 : 0,
                     describe_duration(static_cast<double>(total - done) / rate));
}

}  // namespace cuttle
