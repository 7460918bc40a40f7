#include "app/intervals.hpp"

#include <fmt/format.h>

namespace cuttle {

nlohmann::ordered_json to_json(const Interval& interval) {
  return {{"mean", interval.mean}, {"ci95", interval.half_width}};
}

std::string percent(const Interval& interval, bool sign) {
  const auto mean = fmt::format(fmt::runtime(sign ? "{:+7.2f}" : "{:7.2f}"), 100 * interval.mean);
  const auto margin = margin_of(interval);
  return mean + (margin ? fmt::format(" +- {:4.2f}", 100 * *margin) : std::string(8, ' '));
}

}  // namespace cuttle
