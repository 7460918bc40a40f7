#include "app/evaluation_data.hpp"

#include "app/adapted_file.hpp"
#include "app/shard_paths.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"

namespace cuttle {
namespace {

/// Of whichever options name shards.
template <class Options>
void use(const std::vector<std::string>& shards, Options& options) {
  options.shards = with_shards_of_folders(shards);
  options.validation_shards.clear();
  options.test_shards.clear();
}

/// Samples of classes, where the run's tasks were of no data: a model of made-up tables or
/// functions is asked about real ones. What acts in environments has no use for samples.
void read_episodes(const Assembly& parts, const Extensions& extensions, Section& source) {
  if (!extensions.sources.at(source.type).inputs) return;
  if (!parts.kind->classes() && !parts.kind->values()) return;
  log_info("--shards: episodes of their classes, in place of {}, which the run was trained on",
           source.type);
  source = Section("episodes");
}

void check_words(const char* option, const std::vector<std::string>& shards) {
  for (const std::string& word : shards)
    CUTTLE_VALIDATE(word.find('=') == word.npos || !expand_paths(word).empty(),
                    "{0}: no shard matches '{1}' (every word after it is one); if it is a key, "
                    "put it before {0}",
                    option, word);
}

void use_shards(const std::vector<std::string>& shards, LoadedRun& run,
                const Extensions& extensions) {
  RunConfig& config = run.config;
  check_words("--shards", shards);
  if (config.sources.empty()) {
    read_episodes(run.parts, extensions, config.episode.source);
    return use(shards, config.data);
  }
  SourceOptions* only = nullptr;
  for (auto& [name, source] : config.sources) {
    if (source.weight == 0) continue;
    CUTTLE_VALIDATE(only == nullptr,
                    "--shards: the run draws from several sources (shards are those of one); give "
                    "all but one the weight 0 (sources.NAME.weight=0)");
    only = &source;
  }
  if (only == nullptr) return;
  read_episodes(run.parts, extensions, only->source);
  use(shards, *only);
}

/// `own`: the run's, perhaps the same. Within one data set a class has one split.
void warn_of_seen(const RunData& own, const RunData& data, Split split) {
  const Dataset *training = own.alone(Split::kTrain), *asked = data.alone(split);
  if (asked == nullptr)  // of several sources each looks at its own
    for (const auto& line : data.seen_classes()) log_warning("{}", line);
  if (training == nullptr || asked == nullptr || (training == asked && split != Split::kAll))
    return;
  if (const auto seen = seen_in_training(*training, *asked, split); !seen.empty())
    log_warning("{}", seen);
}

}  // namespace

std::unique_ptr<Dataset> open_outside(const LoadedRun& run, const std::vector<std::string>& shards,
                                      const Extensions& extensions) {
  if (shards.empty()) return nullptr;
  check_words("--outside", shards);
  return open_for(run.inputs.modalities, shards_only(with_shards_of_folders(shards)), extensions,
                  "--outside");
}

std::string say_episodes(std::int64_t count, Split split) {
  return split == Split::kAll ? fmt::format("{} episodes of all splits", count)
                              : fmt::format("{} {} episodes", count, to_string(split));
}

std::unique_ptr<RunData> evaluation_data(LoadedRun& run, const std::vector<std::string>& shards,
                                         Split split, const Extensions& extensions) {
  const RunConfig config = run.config;
  if (!shards.empty()) use_shards(shards, run, extensions);
  auto data = RunData::open(run.config, extensions, &run.inputs);
  if (shards.empty()) {
    warn_of_seen(*data, *data, split);
    return data;
  }
  try {
    warn_of_seen(*RunData::open(config, extensions, &run.inputs), *data, split);
  } catch (const UserError& absence) {
    log_info("whether the run was trained on classes of these names is not known ({})",
             absence.what());
  }
  return data;
}

}  // namespace cuttle
