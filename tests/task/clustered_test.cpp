// Tasks of clusters: of each sense alone, made-up classes that lie apart are found again without
// their labels.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/task/task.hpp"
#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;

class ClusterTest : public testing::Test {
 protected:
  explicit ClusterTest(std::vector<std::string> senses) {
    SyntheticOptions made;
    made.modalities = std::move(senses);
    made.noise = 0.1;
    made.image_side = 16;
    DataOptions options;
    options.shards = write_synthetic_shards(folder.path(), made);
    data = Dataset::open(options);
    model = std::make_unique<Model>(ModelOptions{}, data->modalities(), 3, 1, ModelRegistry{});
    episode.way = 3;
    episode.shot = 2;
    episode.query = 3;
  }
  std::unique_ptr<const TaskSource> source(std::map<std::string, std::string> values,
                                           bool evaluation = false) {
    section = Section("clustered", std::move(values));
    return builtin_sources()
        .at("clustered")
        .make({section, episode, evaluation ? Split::kValidation : Split::kTrain, data.get(),
               *model, nullptr, 0.0, evaluation});
  }
  static RandomKey key_of(std::uint32_t slot) { return {4, Stream::kTrain, 2, slot}; }

  /// Which samples a batch holds, by the values of its first sense.
  std::vector<std::int64_t> samples_in(const Batch& batch) const {
    std::vector<std::int64_t> every(data->samples().size()), found;
    std::iota(every.begin(), every.end(), 0);
    for (std::int64_t i = 0; i < batch.size; ++i)
      for (const std::int64_t sample : every) {
        const Batch one = model->prepare(read_batch(*data, {sample}), 1);
        const auto &mine = batch.modalities[0].values[i], &theirs = one.modalities[0].values[0];
        const auto like = torch::zeros_like(mine);
        auto padded = like.clone();
        if (theirs.numel() > mine.numel()) continue;
        if (mine.dim() == theirs.dim() && mine.sizes() == theirs.sizes())
          padded = theirs;
        else
          padded.narrow(-1, 0, theirs.size(-1)).copy_(theirs);
        if (torch::equal(padded, mine)) {
          found.push_back(sample);
          break;
        }
      }
    return found;
  }

  TempFolder folder;
  std::unique_ptr<const Dataset> data;
  std::unique_ptr<Model> model;
  EpisodeOptions episode;
  Section section;
};

class Clusters : public ClusterTest, public testing::WithParamInterface<const char*> {
 protected:
  Clusters() : ClusterTest({GetParam()}) {}
};

TEST_P(Clusters, AreTheClassesWhereTheseLieApart) {
  const auto tasks = source({{"clusters", "10"}, {"partitions", "3"}});
  std::int64_t same = 0, all = 0;
  for (std::uint32_t slot = 0; slot < 10; ++slot) {
    const Task task = tasks->make(key_of(slot));
    EXPECT_EQ(task.support.size, 6);
    EXPECT_EQ(task.query.size, 9);
    auto samples = samples_in(task.support);
    const auto asked = samples_in(task.query);
    samples.insert(samples.end(), asked.begin(), asked.end());
    ASSERT_EQ(samples.size(), 15u);
    std::map<std::int64_t, std::map<std::int32_t, std::int64_t>> classes;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto& info = data->samples()[static_cast<std::size_t>(samples[i])];
      EXPECT_EQ(info.split, Split::kTrain);
      const auto label = i < 6 ? task.support.labels[static_cast<std::int64_t>(i)]
                               : task.query.labels[static_cast<std::int64_t>(i) - 6];
      ++classes[label.item<std::int64_t>()][info.class_id];
    }
    for (const auto& [label, of] : classes) {
      std::int64_t most = 0;
      for (const auto& [name, count] : of) most = std::max(most, count);
      same += most;
    }
    all += 15;
  }
  EXPECT_GT(static_cast<double>(same) / static_cast<double>(all), 0.7);  // by chance about 0.4
}

TEST_P(Clusters, AreTheSameEveryTime) {
  const auto once = source({{"clusters", "8"}}), again = source({{"clusters", "8"}});
  bool differ = false;
  for (std::uint32_t slot = 0; slot < 4; ++slot) {
    const Task a = once->make(key_of(slot)), b = again->make(key_of(slot));
    EXPECT_TRUE(torch::equal(a.support.modalities[0].values, b.support.modalities[0].values));
    EXPECT_TRUE(torch::equal(a.support.labels, b.support.labels));
    differ |= samples_in(a.support) != samples_in(once->make(key_of(slot + 1)).support);
  }
  EXPECT_TRUE(differ);
}

INSTANTIATE_TEST_SUITE_P(Senses, Clusters,
                         testing::Values("image", "text", "audio", "series", "vector"),
                         [](const auto& sense) { return std::string(sense.param); });

class ClustersOfAll : public ClusterTest {
 protected:
  ClustersOfAll() : ClusterTest({"vector", "image"}) {}
};

/// More clusters than classes: partitions with weights of their own divide the classes otherwise.
TEST_F(ClustersOfAll, PartitionsDiffer) {
  episode.shot = episode.query = 1;
  const auto one = source({{"clusters", "20"}, {"partitions", "1"}});
  const auto five = source({{"clusters", "20"}, {"partitions", "5"}});
  std::int64_t differ = 0;
  for (std::uint32_t slot = 0; slot < 20; ++slot)
    differ +=
        samples_in(one->make(key_of(slot)).support) != samples_in(five->make(key_of(slot)).support);
  EXPECT_GT(differ, 10);  // four in five are of another partition
}

TEST_F(ClustersOfAll, NoSampleIsTwiceInATask) {
  const auto tasks = source({{"clusters", "10"}});
  for (std::uint32_t slot = 0; slot < 10; ++slot) {
    const Task task = tasks->make(key_of(slot));
    std::set<std::int64_t> samples;
    for (const Batch* batch : {&task.support, &task.query})
      for (const std::int64_t sample : samples_in(*batch)) samples.insert(sample);
    EXPECT_EQ(samples.size(), 15u);
  }
}

TEST_F(ClustersOfAll, EvaluationIsOnEpisodesOfClasses) {
  const auto tasks = source({{"clusters", "8"}}, true);
  const Task task = tasks->make(key_of(3));
  EXPECT_EQ(task.classes.size(), 3u);
  const auto samples = samples_in(task.support);
  for (std::size_t i = 0; i < samples.size(); ++i)
    EXPECT_EQ(data->samples()[static_cast<std::size_t>(samples[i])].class_id,
              task.classes[static_cast<std::size_t>(
                  task.support.labels[static_cast<std::int64_t>(i)].item<std::int64_t>())]);
}

TEST_F(ClustersOfAll, ImpossibleOnesAreRefused) {
  const auto refusal = [&](std::map<std::string, std::string> values) {
    try {
      source(std::move(values));
    } catch (const UserError& problem) {
      return std::string(problem.what());
    }
    return std::string();
  };
  EXPECT_THAT(refusal({{"clusters", "1000"}}), HasSubstr("split train has 96 samples; use fewer"));
  EXPECT_THAT(refusal({{"clusters", "90"}}),
              HasSubstr("no partition of split train into 90 has 3"));
  episode.target = "value";
  episode.of_values = true;
  episode.way = 1;
  EXPECT_NE(refusal({}), "");
}

}  // namespace
}  // namespace cuttle
