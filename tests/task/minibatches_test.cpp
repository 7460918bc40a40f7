// Minibatches of labelled samples of all classes.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "cuttle/task/task.hpp"
#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

RandomKey minibatch_key(std::uint32_t slot) {
  return {4, Stream::kTesting, 0, slot};
}

/// Shards of vectors, each of which is one sample's alone.
class Minibatches : public testing::Test {
 protected:
  Minibatches() {
    SyntheticOptions made;
    made.modalities = {"vector"};
    DataOptions options;
    options.shards = write_synthetic_shards(folder.path(), made);
    data = Dataset::open(options);
    model = std::make_unique<Model>(ModelOptions{}, data->modalities(), 3, 1, ModelRegistry{});
    episode.way = 3;
    episode.query = 2;
  }
  std::unique_ptr<const TaskSource> source(const std::string& type, Split split,
                                           const std::string& batch = "20") {
    section = Section(type, {{"batch", batch}});
    return builtin_sources().at(type).make(
        {section, episode, split, data.get(), *model, nullptr, 0.0, split != Split::kTrain});
  }
  /// The samples of the data set that a batch holds, found by their values.
  std::vector<std::int64_t> samples_in(const Batch& batch) const {
    std::vector<std::int64_t> every(data->samples().size()), found;
    std::iota(every.begin(), every.end(), 0);
    const auto all = model->prepare(read_batch(*data, every), 3).modalities[0].values;
    for (std::int64_t i = 0; i < batch.size; ++i) {
      const auto same = all.eq(batch.modalities[0].values[i]).all(1).nonzero();
      EXPECT_EQ(same.numel(), 1);
      found.push_back(same[0][0].item<std::int64_t>());
    }
    return found;
  }

  TempFolder folder;
  std::unique_ptr<Dataset> data;
  std::unique_ptr<Model> model;
  EpisodeOptions episode;
  Section section;
};

TEST_F(Minibatches, LabelsArePlacesAmongTheTrainingClasses) {
  const auto made = source("minibatches", Split::kTrain);
  const auto& classes = data->classes_of(Split::kTrain);
  std::set<std::int64_t> seen, labels;
  for (std::uint32_t slot = 0; slot < 60; ++slot) {
    const Task task = made->make(minibatch_key(slot));
    EXPECT_EQ(task.query.size, 20);
    EXPECT_EQ(task.support.size, 0);
    EXPECT_EQ(task.query.way, static_cast<std::int64_t>(classes.size()));
    EXPECT_EQ(task.classes, classes);
    const auto samples = samples_in(task.query);
    EXPECT_EQ(std::set<std::int64_t>(samples.begin(), samples.end()).size(), 20u);
    for (std::int64_t i = 0; i < 20; ++i) {
      const auto label = task.query.labels[i].item<std::int64_t>();
      const auto own = data->samples_of(classes.at(static_cast<std::size_t>(label)));
      EXPECT_NE(std::find(own.begin(), own.end(), samples[static_cast<std::size_t>(i)]), own.end());
      labels.insert(label);
    }
    seen.insert(samples.begin(), samples.end());
  }
  // All of the 8 training classes' 12 samples each come, and nothing else.
  EXPECT_EQ(labels.size(), 8u);
  EXPECT_EQ(seen.size(), 96u);
}

/// The data set, of whose first class only two samples are left.
class WithARareClass final : public DatasetView {
 public:
  using DatasetView::DatasetView;
  Span<const std::int64_t> samples_of(std::int32_t class_id) const override {
    const auto all = data_->samples_of(class_id);
    return class_id == data_->classes_of(Split::kTrain).front() ? Span(all.data(), 2) : all;
  }
};

TEST_F(Minibatches, BalancedOnesBeginWithEachClassAlike) {
  data = std::make_unique<WithARareClass>(std::move(data));
  constexpr int kTasks = 1500;
  for (const bool balanced : {false, true}) {
    const Section keys("minibatches", {{"batch", "20"}, {"balanced", balanced ? "true" : "false"}});
    const auto made =
        builtin_sources()
            .at("minibatches")
            .make({keys, episode, Split::kTrain, data.get(), *model, nullptr, 0.0, false});
    int rare = 0;
    for (std::uint32_t slot = 0; slot < kTasks; ++slot) {
      const Task task = made->make(minibatch_key(slot));
      rare += task.query.labels[0].item<std::int64_t>() == 0;
      if (slot > 20) continue;
      const auto samples = samples_in(task.query);
      EXPECT_EQ(std::set<std::int64_t>(samples.begin(), samples.end()).size(), 20u);
    }
    const double expected = balanced ? 1.0 / 8 : 2.0 / 86;  // of 8 classes, of 86 samples
    EXPECT_NEAR(static_cast<double>(rare) / kTasks, expected, 0.03) << balanced;
  }
}

TEST_F(Minibatches, SizeAndKeyAreTheTasks) {
  const auto made = source("minibatches", Split::kTrain);
  const EpisodeSize size = made->size(minibatch_key(1));
  EXPECT_EQ(size.support, 0);
  EXPECT_EQ(size.query, 20);
  const auto values = [&](std::uint32_t slot) {
    return made->make(minibatch_key(slot)).query.modalities[0].values;
  };
  EXPECT_TRUE(torch::equal(values(1), values(1)));
  EXPECT_FALSE(torch::equal(values(1), values(2)));
  // More than there are: all of them.
  EXPECT_EQ(source("minibatches", Split::kTrain, "1000")->make(minibatch_key(1)).query.size, 96);
}

TEST_F(Minibatches, EvaluationIsByEpisodes) {
  for (const Split split : {Split::kValidation, Split::kTest}) {
    const auto made = source("minibatches", split), episodes = source("episodes", split);
    const Task ours = made->make(minibatch_key(1)), theirs = episodes->make(minibatch_key(1));
    EXPECT_EQ(ours.support.size, 3);
    EXPECT_EQ(ours.query.size, 6);
    EXPECT_EQ(ours.classes, theirs.classes);
    EXPECT_TRUE(
        torch::equal(ours.support.modalities[0].values, theirs.support.modalities[0].values));
    EXPECT_TRUE(torch::equal(ours.query.modalities[0].values, theirs.query.modalities[0].values));
    EXPECT_TRUE(torch::equal(ours.query.labels, theirs.query.labels));
  }
}

}  // namespace
}  // namespace cuttle
