#include <filesystem>
#include <iostream>

#include "app/commands.hpp"
#include "app/suggest/suggestion.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/train/run_data.hpp"

namespace cuttle {
namespace {

/// A folder stands for its shards.
std::vector<std::string> patterns_of(const std::vector<std::string>& given) {
  std::vector<std::string> patterns;
  for (std::string path : given) {
    const std::string there = expand_variables(path);
    if (std::filesystem::is_directory(there)) {
      while (path.size() > 1 && path.back() == '/') path.pop_back();
      path += "/*.h5";
    }
    patterns.push_back(path);
  }
  return patterns;
}

std::uint64_t bytes_of(const std::vector<std::string>& patterns) {
  std::uint64_t bytes = 0;
  for (const auto& pattern : patterns)
    for (const auto& path : expand_paths(pattern)) bytes += std::filesystem::file_size(path);
  return bytes;
}

/// Puts together what a run of it would begin with.
void try_out(const std::string& text, const Extensions& extensions) {
  const RunConfig config =
      parse_config(text, "the suggestion", {"data.in_memory=false"}, catalog_of(extensions));
  const auto data = RunData::open(config, extensions);
  const Assembly parts = assemble(config, data->inputs(), extensions);
  const auto plan = [&](Split split, const EpisodeOptions& episode) {
    return data->source(parts, {split, episode, 0.0, split != Split::kTrain}, nullptr)->left_out();
  };
  if (const auto left_out = plan(Split::kTrain, config.episode); !left_out.empty())
    log_warning("{}", left_out);
  if (config.train.validate_every > 0) plan(Split::kValidation, evaluation_episodes(config));
}

}  // namespace

ExitCode suggest_command(const SuggestArguments& arguments, const Extensions& extensions) {
  DataOptions options;
  options.shards = patterns_of(arguments.shards);
  const auto data = Dataset::open(options);
  const std::string text = suggest_config(options.shards, bytes_of(options.shards), *data);
  try_out(text, extensions);
  std::cout << text;
  return ExitCode::kDone;
}

}  // namespace cuttle
