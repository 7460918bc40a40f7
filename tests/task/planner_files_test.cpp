// The episodes of shards as data_tools has them: its `floor` draws the same (episodes.py).
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cuttle/core/files.hpp"
#include "cuttle/data/dataset.hpp"
#include "cuttle/task/episode.hpp"

namespace cuttle {
namespace {

/// One protocol of drawn.txt.
struct Drawn {
  std::unique_ptr<Dataset> data;
  Split split = Split::kTest;
  std::uint64_t seed = 0;
  std::unique_ptr<EpisodePlanner> planner;

  /// Of a line "protocol SPLIT WAY SHOT QUERY GROUPS COMPLETE MODALITIES SEED".
  Drawn(const std::string& line, const std::string& folder) {
    std::istringstream words(line);
    std::string word, split_name, modality;
    DataOptions options;
    EpisodeOptions episode;
    words >> word >> split_name >> episode.way >> episode.shot >> episode.query >> episode.groups;
    words >> std::boolalpha >> episode.complete >> word >> seed;
    std::istringstream names(word);
    while (std::getline(names, modality, ',')) options.modalities.push_back(modality);
    options.shards = {folder + "*.h5"};
    split = split_from(split_name);
    data = Dataset::open(options);
    planner = std::make_unique<EpisodePlanner>(*data, split, episode);
  }

  /// Episode `number` of the split's list, as evaluation_key() names it.
  std::string episode(std::uint32_t number) const {
    const Stream stream = split == Split::kTrain        ? Stream::kTrain
                          : split == Split::kValidation ? Stream::kValidation
                                                        : Stream::kTest;
    const EpisodePlan plan = planner->plan({seed, stream, 0, number});
    std::vector<std::string> classes;
    for (std::size_t label = 0; label < plan.classes.size(); ++label)
      classes.push_back(names_of(plan.support, plan.support_labels, label) + " > " +
                        names_of(plan.query, plan.query_labels, label));
    return fmt::format("{}", fmt::join(classes, "  "));
  }

 private:
  std::string names_of(const std::vector<std::int64_t>& samples,
                       const std::vector<std::int64_t>& labels, std::size_t label) const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < samples.size(); ++i)
      if (labels[i] == static_cast<std::int64_t>(label))
        names.push_back(data->sample_name(samples[i]));
    return fmt::format("{}", fmt::join(names, " "));
  }
};

TEST(PlannerOfFiles, DrawsTheSamplesThatDataToolsDraws) {
  const std::string folder = std::string(CUTTLE_SOURCE_DIR) + "/tests/data_tools/episodes/";
  std::istringstream lines(read_file(folder + "drawn.txt", 1 << 20));
  std::unique_ptr<Drawn> drawn;
  std::uint32_t number = 0, episodes = 0, protocols = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("protocol ", 0) == 0) {
      drawn = std::make_unique<Drawn>(line, folder);
      number = 0;
      ++protocols;
      continue;
    }
    EXPECT_EQ(drawn->episode(number), line) << "episode " << number << " of " << protocols;
    ++number;
    ++episodes;
  }
  EXPECT_EQ(protocols, 7u);
  EXPECT_EQ(episodes, 84u);
}

}  // namespace
}  // namespace cuttle
