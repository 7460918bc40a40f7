#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "app/predictions.hpp"
#include "cuttle/task/task_kind.hpp"

namespace cuttle {
namespace {

constexpr const char* kNone = "(none of them)";

/// The 95 % interval of a share (Wilson 1927), which stays inside [0, 1].
std::pair<double, double> interval_of(std::int64_t right, std::int64_t all) {
  constexpr double kErrors = 1.96;
  const double n = static_cast<double>(all), p = static_cast<double>(right) / n;
  const double shrink = 1 + kErrors * kErrors / n;
  const double middle = (p + kErrors * kErrors / (2 * n)) / shrink;
  const double half =
      kErrors / shrink * std::sqrt(p * (1 - p) / n + kErrors * kErrors / (4 * n * n));
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

std::vector<std::string> with_none(std::vector<std::string> classes) {
  classes.push_back(kNone);
  return classes;
}

}  // namespace

LabelledAnswers::LabelledAnswers(std::vector<std::string> classes, bool confusion)
    : classes_(with_none(std::move(classes))), counts_(static_cast<std::int64_t>(classes_.size())) {
  if (confusion) confusion_.emplace(counts_.classes());
}

void LabelledAnswers::add(const Answer& answer, const std::string& label) {
  const std::int64_t none = counts_.classes() - 1;
  const auto found = std::find(classes_.begin(), classes_.end() - 1, label);
  const std::int64_t truth = found - classes_.begin();
  const bool silent = answer.outputs.empty() || answer.rejected;
  const auto best = std::max_element(answer.outputs.begin(), answer.outputs.end());
  const std::int64_t answered = silent ? none : best - answer.outputs.begin();
  counts_.add(truth, answered);
  if (confusion_) confusion_->add(truth, answered);
  if (truth == none) {
    ++foreign_;
    foreign_silent_ += silent;
    ++foreign_names_[label];
  } else {
    ++known_;
    right_ += truth == answered;
    silent_ += silent;
  }
}

std::string LabelledAnswers::summary() const {
  std::vector<std::string> parts;
  if (known_ > 0) {
    const auto [from, to] = interval_of(right_, known_);
    parts.push_back(fmt::format(
        "accuracy {:.1f} % (95 % interval {:.1f} to {:.1f}): {} of {} labelled samples are right",
        100.0 * static_cast<double>(right_) / static_cast<double>(known_), 100 * from, 100 * to,
        right_, known_));
    if (silent_ > 0) parts.push_back(fmt::format("{} of them got no class", silent_));
    const auto scores = counts_.class_scores();
    std::size_t worst = scores.size();
    for (std::size_t c = 0; c + 1 < scores.size(); ++c)
      if (scores[c].truths > 0 &&
          (worst == scores.size() || scores[c].recall < scores[worst].recall))
        worst = c;
    if (scores[worst].recall < 1)
      parts.push_back(fmt::format("worst class '{}' with {:.1f} %", classes_[worst],
                                  100 * scores[worst].recall));
  }
  if (foreign_ > 0) {
    std::vector<std::string> names;
    for (const auto& [name, count] : foreign_names_)
      if (names.size() < 3) names.push_back("'" + name + "'");
    parts.push_back(
        fmt::format("{} samples are of classes that the model does not know ({}{}), {} "
                    "of them got no class",
                    foreign_, fmt::join(names, ", "),
                    foreign_names_.size() > names.size() ? ", ..." : "", foreign_silent_));
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string LabelledAnswers::to_csv() const {
  return confusion_.value().to_csv(classes_);
}

void ErrorOfValues::add(const Answer& answer, Span<const float> targets, bool deviations) {
  if (answer.outputs.empty()) return;
  ++samples;
  for (std::size_t i = 0; i < answer.outputs.size(); ++i) {
    const double off = static_cast<double>(answer.outputs[i]) - static_cast<double>(targets[i]);
    ++values;
    squared += off * off;
    absolute += std::abs(off);
    if (answer.beside.size() == 2) {
      ++bounded;
      covered += answer.beside[0][i] <= targets[i] && targets[i] <= answer.beside[1][i];
    }
    if (!deviations) continue;
    const auto deviation = static_cast<double>(answer.beside[0][i]);
    ++judged;
    covered += std::abs(off) <= kNineInTen * deviation;
    log_likelihood -=
        off * off / (2 * deviation * deviation) + std::log(deviation) + std::log(2 * M_PI) / 2;
  }
}

void FoundLabels::add(const Answer& answer, Span<const float> targets) {
  if (answer.outputs.empty()) return;
  ++samples;
  right.resize(targets.size());
  either.resize(targets.size());
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const bool told = answer.outputs[i] > kLabelFrom, there = targets[i] > 0.5f;
    right[i] += told && there;
    either[i] += told + there;
  }
}

std::string FoundLabels::summary() const {
  std::int64_t all_right = 0, all_either = 0, labels = 0;
  double sum = 0;
  for (std::size_t i = 0; i < right.size(); ++i) {
    all_right += right[i];
    all_either += either[i];
    if (either[i] == 0) continue;
    ++labels;
    sum += 2 * static_cast<double>(right[i]) / static_cast<double>(either[i]);
  }
  if (labels == 0) return fmt::format("no label is in any of {} samples, or told", samples);
  return fmt::format(
      "F1 {:.1f} % (micro), {:.1f} % (macro, of {} labels that are there or told), "
      "of {} samples with targets",
      200.0 * static_cast<double>(all_right) / static_cast<double>(all_either),
      100 * sum / static_cast<double>(labels), labels, samples);
}

void FoundLevels::add(const Answer& answer, Span<const float> targets) {
  if (answer.outputs.empty()) return;
  ++samples;
  sums.resize(targets.size());
  for (std::size_t i = 0; i < targets.size(); ++i) {
    constexpr double kRounding = 1e-3;  // of levels such as 0.1
    const auto told = static_cast<double>(answer.outputs[i]),
               truth = static_cast<double>(targets[i]), off = told - truth;
    right += std::abs(off) < kRounding;
    Sums& sum = sums[i];
    sum.told += told;
    sum.truth += truth;
    sum.squares += told * told + truth * truth;
    sum.off += off * off;
    sum.absolute += std::abs(off);
  }
}

std::string FoundLevels::summary() const {
  const auto n = static_cast<double>(samples), all = n * static_cast<double>(sums.size());
  double off = 0, chance = 0, absolute = 0;
  for (const Sums& sum : sums) {
    off += sum.off;
    chance += sum.squares - 2 * sum.told * sum.truth / n;
    absolute += sum.absolute;
  }
  return fmt::format(
      "{}{:.1f} % are the very level, mean absolute error {:.4g}, of {} samples with targets",
      chance > 0 ? fmt::format("quadratic kappa {:.3f}, ", 1 - off / chance) : "",
      100.0 * static_cast<double>(right) / all, absolute / all, samples);
}

std::string ErrorOfValues::summary() const {
  const auto n = static_cast<double>(values);
  auto text =
      fmt::format("mean squared error {:.4g}, mean absolute {:.4g}, of {} samples with targets",
                  squared / n, absolute / n, samples);
  if (judged > 0)
    text += fmt::format("; log-likelihood {:.4g}, {:.1f} % in their 90 % intervals",
                        log_likelihood / static_cast<double>(judged),
                        100.0 * static_cast<double>(covered) / static_cast<double>(judged));
  if (bounded > 0)
    text += fmt::format("; {:.1f} % between their bounds",
                        100.0 * static_cast<double>(covered) / static_cast<double>(bounded));
  return text;
}

}  // namespace cuttle
