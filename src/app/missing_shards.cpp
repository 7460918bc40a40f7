#include "app/missing_shards.hpp"

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"

namespace cuttle {

std::vector<std::string> missing_shards(const RunConfig& kept) {
  std::vector<std::string> found;
  const auto look_for = [&](const std::string& key, const std::vector<std::string>& patterns) {
    for (const auto& pattern : patterns) try {
        if (expand_paths(pattern).empty())
          found.push_back(fmt::format(
              "no file matches '{}' from this folder; go to the folder that the run was started "
              "from, or override {}",
              pattern, key));
      } catch (const UserError& problem) {
        found.push_back(fmt::format("{}: {}", key, problem.what()));
      }
  };
  const auto look_for_all = [&](const std::string& section, const auto& options) {
    look_for(section + ".shards", options.shards);
    look_for(section + ".validation_shards", options.validation_shards);
    look_for(section + ".test_shards", options.test_shards);
  };
  look_for_all("data", kept.data);
  for (const auto& [name, source] : kept.sources)
    if (source.weight > 0) look_for_all("sources." + name, source);
  return found;
}

}  // namespace cuttle
