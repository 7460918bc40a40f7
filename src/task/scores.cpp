#include "task/scores.hpp"

#include <algorithm>

namespace cuttle {
namespace {

/// How many of one score are relevant, and how many are not.
struct Tied {
  double relevant = 0, other = 0;
};

/// By falling score.
std::vector<Tied> ties_of(std::vector<Scored> items) {
  std::sort(items.begin(), items.end(),
            [](const Scored& a, const Scored& b) { return a.score > b.score; });
  std::vector<Tied> ties;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i == 0 || items[i].score != items[i - 1].score) ties.emplace_back();
    ++(items[i].relevant ? ties.back().relevant : ties.back().other);
  }
  return ties;
}

}  // namespace

std::optional<double> average_precision(std::vector<Scored> items) {
  double found = 0, seen = 0, sum = 0;
  for (const Tied& tied : ties_of(std::move(items))) {
    found += tied.relevant;
    seen += tied.relevant + tied.other;
    sum += tied.relevant * found / seen;
  }
  if (found == 0) return std::nullopt;
  return sum / found;
}

std::optional<double> area_under_curve(std::vector<Scored> items) {
  double above = 0, others = 0, pairs = 0;  // relevant and other ones so far
  for (const Tied& tied : ties_of(std::move(items))) {
    pairs += tied.other * (above + tied.relevant / 2);
    above += tied.relevant;
    others += tied.other;
  }
  if (above == 0 || others == 0) return std::nullopt;
  return pairs / (above * others);
}

}  // namespace cuttle
