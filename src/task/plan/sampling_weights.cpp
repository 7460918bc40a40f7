#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "cuttle/core/csv.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/hash.hpp"
#include "cuttle/core/nearest_name.hpp"
#include "cuttle/task/episode.hpp"

namespace cuttle {
namespace {

constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 30;

std::string bytes_of(const std::string& path) {
  return read_file(expand_variables(path), kLargestFile);
}

std::size_t column_of(const std::vector<std::string>& columns, const std::string& name) {
  const auto found = std::find(columns.begin(), columns.end(), name);
  CUTTLE_VALIDATE(found != columns.end(),
                  "it has no column '{}', its first line has: {} (it must name the columns class "
                  "and weight); write them as cuttle map --toward does",
                  name, fmt::join(columns, ", "));
  return static_cast<std::size_t>(found - columns.begin());
}

double weight_from(const std::string& text, const std::string& name) {
  double weight = 0;
  const auto begin = text.find_first_not_of(' '), end = text.find_last_not_of(' ');
  bool read = begin != text.npos;
  if (read) {
    const auto* last = text.data() + end + 1;
    const auto [stopped, error] = std::from_chars(text.data() + begin, last, weight);
    read = error == std::errc() && stopped == last;
  }
  CUTTLE_VALIDATE(read && std::isfinite(weight) && weight >= 0,
                  "the weight of class '{}' is '{}' (a class is drawn in proportion to it); give a "
                  "number, 0 (never) or more",
                  name, text);
  return weight;
}

SamplingWeights weights_in(const std::vector<std::vector<std::string>>& lines) {
  CUTTLE_VALIDATE(lines.size() > 1,
                  "it has no weights (no class could be drawn); give a line for each training "
                  "class, below the line class,weight");
  const auto& columns = lines[0];
  const auto name = column_of(columns, "class"), weight = column_of(columns, "weight");
  SamplingWeights weights;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto& line = lines[i];
    CUTTLE_VALIDATE(line.size() == columns.size(),
                    "the line of '{}' has {} fields, and the first line has {} (which is the "
                    "weight is not clear); put names with commas in quotes",
                    line[0], line.size(), columns.size());
    CUTTLE_VALIDATE(weights.emplace(line[name], weight_from(line[weight], line[name])).second,
                    "class '{}' has two weights (which one counts is not clear); leave one out",
                    line[name]);
  }
  return weights;
}

}  // namespace

SamplingWeights read_sampling_weights(const std::string& path) {
  const std::string bytes = bytes_of(path);
  try {
    return weights_in(csv_lines(bytes));
  } catch (const UserError& problem) {
    throw UserError(path + ": " + problem.what());
  }
}

std::string sampling_weights_sha256(const std::string& path) {
  return sha256(bytes_of(path));
}

std::vector<double> weights_of_classes(const SamplingWeights& weights, const Dataset& data,
                                       Split split) {
  std::vector<std::string> names, without;
  std::vector<double> found;
  auto others = weights;
  for (const std::int32_t id : data.classes_of(split)) {
    names.push_back(data.class_names()[static_cast<std::size_t>(id)]);
    const auto place = others.find(names.back());
    if (place == others.end()) {
      without.push_back(names.back());
      continue;
    }
    found.push_back(place->second);
    others.erase(place);
  }
  CUTTLE_VALIDATE(others.empty(),
                  "sampling_weights: '{0}' is no class of split {1} (its weight would change "
                  "nothing); did you mean '{2}'?",
                  others.begin()->first, to_string(split),
                  nearest_name(others.begin()->first, names));
  CUTTLE_VALIDATE(without.empty(),
                  "sampling_weights: {} of {} classes of split {} have no weight, such as '{}' "
                  "(how likely they are is not said); give each one, 0 for never",
                  without.size(), names.size(), to_string(split), without[0]);
  CUTTLE_VALIDATE(std::any_of(found.begin(), found.end(), [](double w) { return w > 0; }),
                  "sampling_weights: all are 0 (no class could be drawn); give some more");
  return found;
}

}  // namespace cuttle
