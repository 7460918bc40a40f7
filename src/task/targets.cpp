#include <fmt/format.h>

#include "cuttle/core/error.hpp"
#include "cuttle/data/dataset.hpp"
#include "cuttle/task/task.hpp"
#include "cuttle/task/task_kind.hpp"

namespace cuttle {

std::vector<std::string> names_of_targets(const TaskInputs& inputs) {
  std::vector<std::string> names = inputs.target_names;
  if (static_cast<std::int64_t>(names.size()) == inputs.target_width) return names;
  names.clear();
  for (std::int64_t i = 1; i <= inputs.target_width; ++i)
    names.push_back(fmt::format("value_{}", i));
  return names;
}

void check_targets(const TaskKind& kind, const Dataset& data, const std::string& place) {
  if (!kind.values() || kind.targets_are().empty()) return;
  if (data.target_width() == 0) return;
  const auto names = data.target_names();
  for (std::size_t i = 0; i < data.samples().size(); ++i) {
    const auto targets = data.target(static_cast<std::int64_t>(i));
    for (std::size_t t = 0; t < targets.size(); ++t)
      CUTTLE_VALIDATE(kind.is_target(targets[t]),
                      "{}: '{}' of sample '{}' is {}, and this episode.target takes {} (its loss "
                      "would mean nothing); make the shards with such targets, or choose another "
                      "episode.target",
                      place, names[t], data.sample_name(static_cast<std::int64_t>(i)), targets[t],
                      kind.targets_are());
  }
}

}  // namespace cuttle
