#include "cuttle/config/run_config.hpp"

#include <algorithm>

#include "config/config_problems.hpp"
#include "config/config_reader.hpp"
#include "config/config_schema.hpp"
#include "config/cross_check.hpp"
#include "cuttle/core/files.hpp"

namespace cuttle {

namespace {

/// Steps and minutes both say how long: an override of one takes the file's other away.
void settle_length(const ConfigReader& reader, TrainOptions& train) {
  const auto overridden = [&](const char* key) {
    const auto given = reader.given().find(key);
    return given != reader.given().end() && given->second.place.source > 0;
  };
  const bool steps = overridden("train.steps"), minutes = overridden("train.minutes");
  if (minutes && !steps && train.minutes > 0) train.steps = TrainOptions().steps;
  if (steps && !minutes) train.minutes = 0;
}

/// What the target says of episodes; nothing where it is unknown, which is told elsewhere.
void settle_target(const Catalog& catalog, EpisodeOptions& episode) {
  const auto& targets = catalog.at("target");
  const auto row = targets.find(episode.target.type);
  episode.of_values = row != targets.end() && row->second.of_values;
}

RunConfig parse(const std::string& yaml, const std::string& origin,
                const std::vector<std::string>& overrides, const Catalog& catalog, bool saved) {
  RunConfig config;
  ConfigSchema schema(config, catalog);
  ConfigProblems problems(origin);
  ConfigReader reader(schema, problems, saved);
  reader.take_file_text(yaml);
  int n = 0;
  for (const std::string& assignment : overrides) reader.take_override(assignment, ++n);
  reader.read();
  settle_length(reader, config.train);
  settle_target(catalog, config.episode);
  if (reader.readable()) cross_check(config, catalog, reader, problems);
  problems.throw_if_any();
  return config;
}

}  // namespace

RunConfig parse_config(const std::string& yaml, const std::string& origin,
                       const std::vector<std::string>& overrides, const Catalog& catalog) {
  return parse(yaml, origin, overrides, catalog, /*saved=*/false);
}

RunConfig parse_saved(const std::string& yaml, const std::string& origin,
                      const std::vector<std::string>& overrides, const Catalog& catalog) {
  return parse(yaml, origin, overrides, catalog, /*saved=*/true);
}

RunConfig load_config(const std::string& path, const std::vector<std::string>& overrides,
                      const Catalog& catalog) {
  return parse_config(read_file(path, kLargestConfig), path, overrides, catalog);
}

RunConfig load_saved(const std::string& path, const std::vector<std::string>& overrides,
                     const Catalog& catalog) {
  return parse_saved(read_file(path, kLargestConfig), path, overrides, catalog);
}

bool starts_from_another(const RunConfig& config) {
  const auto& encoders = config.model.encoders;
  return !config.train.init_from.empty() ||
         std::any_of(encoders.begin(), encoders.end(),
                     [](const auto& entry) { return !entry.second.frozen_from.empty(); });
}

}  // namespace cuttle
