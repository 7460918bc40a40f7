#include "shard_set.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/core/nearest_name.hpp"

namespace cuttle {
namespace {

std::vector<std::string> find_shards(const std::vector<std::string>& patterns) {
  CUTTLE_VALIDATE(!patterns.empty(),
                  "data.shards is empty (there is nothing to learn from); name shard files or "
                  "patterns such as DIR/*.h5");
  std::set<std::string> paths;  // sorted, and each once even where patterns overlap
  std::vector<std::string> in_vain;
  for (const std::string& pattern : patterns) {
    const std::vector<std::string> found = expand_paths(pattern);
    if (found.empty()) in_vain.push_back(pattern);
    paths.insert(found.begin(), found.end());
  }
  CUTTLE_VALIDATE(
      in_vain.empty(),
      "no shard matches '{}' (looked for from the folder {}); check the path, work where "
      "the config's paths begin, or make the data first (README, \"Data\")",
      fmt::join(in_vain, "', '"), std::filesystem::current_path().string());
  return {paths.begin(), paths.end()};
}

void check_same_modalities(const ShardIndex& shard, const ShardIndex& first) {
  const std::vector<ModalitySpec>&mine = shard.header.modalities, &theirs = first.header.modalities;
  CUTTLE_VALIDATE(names_of(mine) == names_of(theirs),
                  "the shard '{}' has the modalities {}, but '{}' has {} (one data set has the "
                  "same in all shards); name the shards of one data set only",
                  shard.path, fmt::join(names_of(mine), ", "), first.path,
                  fmt::join(names_of(theirs), ", "));
  for (std::size_t m = 0; m < mine.size(); ++m) {
    CUTTLE_VALIDATE(mine[m] == theirs[m],
                    "modality '{}' of the shard '{}' differs from that of '{}' in kind, shape, "
                    "sample rate, mean or standard deviation; name the shards of one data set only",
                    mine[m].name, shard.path, first.path);
    CUTTLE_VALIDATE(
        mine[m].columns == theirs[m].columns && mine[m].categories == theirs[m].categories,
        "modality '{}' of the shard '{}' was made of other columns than that of '{}', "
        "or in another order, or numbers their categories otherwise (the same number would mean "
        "something else in each); make "
        "both from one table, or pack the later --like the earlier",
        mine[m].name, shard.path, first.path);
  }
}

std::string targets_of(const ShardIndex& shard) {
  const std::vector<std::string>& names = shard.header.targets;
  return names.empty() ? "no targets" : fmt::format("the targets {}", fmt::join(names, ", "));
}

void check_same_targets(const ShardIndex& shard, const ShardIndex& first) {
  CUTTLE_VALIDATE(shard.header.targets == first.header.targets,
                  "the shard '{}' has {}, but '{}' has {} (one data set has the same in all "
                  "shards); name the shards of one data set only",
                  shard.path, targets_of(shard), first.path, targets_of(first));
}

/// Reads all before it complains, so that all that are damaged are known at once.
std::vector<ShardIndex> read_indices(const std::vector<std::string>& paths) {
  constexpr std::size_t kTold = 5;
  std::vector<ShardIndex> shards;
  std::vector<std::string> problems;
  for (const std::string& path : paths) try {
      ShardIndex shard = read_shard_index(path);
      if (!shards.empty()) {
        check_same_modalities(shard, shards.front());
        check_same_targets(shard, shards.front());
      }
      shards.push_back(std::move(shard));
    } catch (const UserError& problem) {
      problems.push_back(problem.what());
    }
  if (problems.size() > kTold) {
    problems[kTold] = fmt::format("and {} shards more", problems.size() - kTold);
    problems.resize(kTold + 1);
  }
  CUTTLE_VALIDATE(problems.empty(), "{}", fmt::join(problems, "\n"));
  return shards;
}

// A copy would count its samples twice, and could put one sample into support and query.
void check_no_copies(const std::vector<ShardIndex>& shards) {
  std::map<std::string, std::string> seen;
  for (const ShardIndex& shard : shards) {
    const auto [entry, added] = seen.emplace(shard.index_sha256, shard.path);
    CUTTLE_VALIDATE(
        added,
        "the shards '{}' and '{}' are the same (their samples would count twice); name one of them",
        entry->second, shard.path);
  }
}

void warn_of_missing(const std::vector<ShardIndex>& shards) {
  std::map<std::string, std::pair<std::int64_t, std::int64_t>>
      sets;  // name: shards here, shards made
  for (const ShardIndex& shard : shards) {
    auto& [here, made] = sets[shard.header.dataset];
    ++here;
    made = std::max(made, shard.header.shards);
  }
  for (const auto& [name, counts] : sets) {
    if (counts.first < counts.second) {
      log_warning("data set '{}' was made of {} shards, data.shards names {} of them", name,
                  counts.second, counts.first);
    }
  }
}

void select_modalities(const std::vector<std::string>& wanted, ShardSet& set) {
  const std::vector<ModalitySpec>& all = set.shards.front().header.modalities;
  const std::vector<std::string> names = names_of(all);
  std::set<std::string> seen;
  for (const std::string& name : wanted.empty() ? names : wanted) {
    const auto found = std::find(names.begin(), names.end(), name);
    CUTTLE_VALIDATE(
        found != names.end(),
        "the shards have no modality '{}' (data.modalities), they have {}; did you mean '{}'?",
        name, fmt::join(names, ", "), nearest_name(name, names));
    CUTTLE_VALIDATE(seen.insert(name).second, "data.modalities names '{}' twice; name it once",
                    name);
    set.columns.push_back(static_cast<std::size_t>(found - names.begin()));
    set.modalities.push_back(all[set.columns.back()]);
  }
}

}  // namespace

ShardSet open_shards(const DataOptions& options) {
  ShardSet set;
  set.shards = read_indices(find_shards(options.shards));
  std::int64_t samples = 0;
  for (const ShardIndex& shard : set.shards) samples += shard.samples();
  CUTTLE_VALIDATE(
      samples > 0,
      "the shards hold no samples (first: '{}'); make them again from a folder with data",
      set.shards.front().path);
  check_no_copies(set.shards);
  warn_of_missing(set.shards);
  select_modalities(options.modalities, set);
  return set;
}

}  // namespace cuttle
