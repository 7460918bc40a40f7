#include "app/suggest/targets.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "app/suggest/page.hpp"

namespace cuttle {
namespace {

constexpr std::size_t kMostLevels = 11;  // 0 to 10, or half stars up to 5 with none
constexpr double kRounding = 1e-3;

/// The numbers among all targets, ascending; none where there are more than kMostLevels.
std::optional<std::vector<double>> few_numbers(const Dataset& data) {
  std::set<double> found;
  for (std::size_t i = 0; i < data.samples().size(); ++i)
    for (const float target : data.target(static_cast<std::int64_t>(i))) {
      found.insert(target);
      if (found.size() > kMostLevels) return std::nullopt;
    }
  return std::vector<double>(found.begin(), found.end());
}

/// The step of the scale that all of them stand on; none where steps are not alike, but for
/// numbers of the scale that nobody gave.
std::optional<double> spacing_of(const std::vector<double>& numbers) {
  double least = numbers.back() - numbers.front();
  for (std::size_t i = 1; i < numbers.size(); ++i)
    least = std::min(least, numbers[i] - numbers[i - 1]);
  const auto off = [&](double number) {
    const double steps = (number - numbers.front()) / least;
    return std::abs(steps - std::round(steps)) > kRounding;
  };
  const double levels = (numbers.back() - numbers.front()) / least + 1;
  if (least < 0.01 || levels > static_cast<double>(kMostLevels) + kRounding ||
      std::any_of(numbers.begin(), numbers.end(), off))
    return std::nullopt;
  return least;
}

}  // namespace

TargetChoice choose_target(const Dataset& data) {
  const std::string task = "; a class is one function, patient or machine";
  const auto numbers = few_numbers(data);
  if (numbers && *numbers == std::vector<double>{0, 1})
    return {"labels", "all targets are 0 or 1" + task, {}};
  const auto spacing = numbers && numbers->size() > 2 ? spacing_of(*numbers) : std::nullopt;
  if (!spacing)
    return {"value",
            "the samples have target values" + task,
            {{"units: training",
              "their mean and deviation in the training classes; answers are in their own"}}};
  const double lowest = numbers->front();
  const auto levels = std::llround((numbers->back() - lowest) / *spacing) + 1;
  TargetChoice choice{
      "ordinal",
      fmt::format("all targets stand on a scale of {} levels (value, if they are counts){}", levels,
                  task),
      {{fmt::format("levels: {}", levels), ""}},
      /*estimates=*/false};
  if (lowest != 1) choice.keys.emplace_back(fmt::format("lowest: {}", lowest), "");
  if (std::abs(*spacing - 1) > kRounding)
    choice.keys.emplace_back(fmt::format("spacing: {}", std::round(*spacing * 100) / 100), "");
  return choice;
}

}  // namespace cuttle
