#include "config/config_problems.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

constexpr std::size_t kMostShown = 50;

}  // namespace

bool ConfigProblems::plenty() const {
  return found_.size() >= kMostShown;
}

void ConfigProblems::add(ConfigPlace place, const std::string& key, const std::string& text) {
  if (plenty()) {
    ++dropped_;
    return;
  }
  found_.push_back({place, key.empty() ? text : fmt::format("{}: {}", key, text)});
}

void ConfigProblems::throw_if_any() const {
  if (found_.empty()) return;
  std::vector<Problem> sorted = found_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Problem& a, const Problem& b) { return a.place < b.place; });
  std::string report;
  for (const Problem& problem : sorted) {
    if (!report.empty()) report += '\n';
    if (problem.place.source > 0) {
      report += fmt::format("command line: {}", problem.text);
    } else if (problem.place.line > 0) {
      report += fmt::format("{}:{}: {}", origin_, problem.place.line, problem.text);
    } else {
      report += fmt::format("{}: {}", origin_, problem.text);
    }
  }
  if (dropped_ > 0) report += fmt::format("\n... and {} more problems", dropped_);
  throw UserError(report);
}

}  // namespace cuttle
