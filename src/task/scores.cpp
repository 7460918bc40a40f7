#include "task/scores.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace cuttle {
namespace {

/// Places [from, from + values.size()) of one score, and what stands there in any order.
struct Group {
  std::size_t from = 0;
  std::vector<double> values;
};
/// By falling score; `value` of each.
template <class Item, class Value>
std::vector<Group> groups_of(std::vector<Item> list, const Value& value) {
  std::sort(list.begin(), list.end(),
            [](const Item& a, const Item& b) { return a.score > b.score; });
  std::vector<Group> groups;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (i == 0 || list[i].score != list[i - 1].score) groups.push_back({i, {}});
    groups.back().values.push_back(value(list[i]));
  }
  return groups;
}

/// How many of one score are relevant, and how many are not.
struct Tied {
  double relevant = 0, other = 0;
};
/// By falling score.
std::vector<Tied> ties_of(std::vector<Scored> items) {
  std::vector<Tied> ties;
  for (const Group& group :
       groups_of(std::move(items), [](const Scored& item) { return item.relevant ? 1.0 : 0.0; })) {
    const double relevant = std::accumulate(group.values.begin(), group.values.end(), 0.0);
    ties.push_back({relevant, static_cast<double>(group.values.size()) - relevant});
  }
  return ties;
}

double sum_of(const Group& group) {
  // In one order, whatever that of equals was.
  auto values = group.values;
  std::sort(values.begin(), values.end());
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

/// How many of a group's places are among the first `cut`.
std::size_t within(const Group& group, std::size_t cut) {
  return cut <= group.from ? 0 : std::min(cut - group.from, group.values.size());
}

double gain_of(const std::vector<Ranked>& list, std::size_t cut) {
  double sum = 0;
  for (const Group& group :
       groups_of(list, [](const Ranked& item) { return std::exp2(item.relevance) - 1; })) {
    double discounts = 0;
    for (std::size_t i = 0; i < within(group, cut); ++i)
      discounts += 1 / std::log2(static_cast<double>(group.from + i + 2));
    sum += discounts * sum_of(group) / static_cast<double>(group.values.size());
  }
  return sum;
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

std::optional<double> discounted_gain(std::vector<Ranked> list, std::size_t cut) {
  auto best = list;
  for (Ranked& item : best) item.score = item.relevance;
  const double most = gain_of(best, cut);
  if (most <= 0) return std::nullopt;
  return gain_of(list, cut) / most;
}

std::optional<double> recall(std::vector<Ranked> list, std::size_t cut, double relevant) {
  double found = 0, all = 0;
  for (const Group& group :
       groups_of(std::move(list), [&](const Ranked& item) { return item.relevance >= relevant; })) {
    const double sum = sum_of(group);
    all += sum;
    found +=
        sum * static_cast<double>(within(group, cut)) / static_cast<double>(group.values.size());
  }
  if (all == 0) return std::nullopt;
  return found / all;
}

std::optional<double> reciprocal_rank(std::vector<Ranked> list, double relevant) {
  for (const Group& group :
       groups_of(std::move(list), [&](const Ranked& item) { return item.relevance >= relevant; })) {
    double others = static_cast<double>(group.values.size()) - sum_of(group), mean = 0, left = 1;
    if (sum_of(group) == 0) continue;
    // `left`: the chance that none has come in the group's places so far.
    for (std::size_t i = 0; left > 0; ++i) {
      const double places = static_cast<double>(group.values.size() - i);
      mean += left * (1 - others / places) / static_cast<double>(group.from + i + 1);
      left *= others / places;
      --others;
    }
    return mean;
  }
  return std::nullopt;
}

}  // namespace cuttle
