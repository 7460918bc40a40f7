// Sources that draw from shards in their own way, and mixtures: every task is looked up in the data
// set that it came from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/task/task.hpp"
#include "task/fake_dataset.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;

RandomKey draw_key(std::uint32_t slot) {
  return {4, Stream::kTesting, 0, slot};
}

EpisodeOptions episodes(std::int64_t way, std::int64_t shot, std::int64_t query,
                        const char* target = "class") {
  EpisodeOptions episode = episodes_of(way, shot, query);
  episode.target = target;
  episode.of_values = episode.target.type == "value";
  return episode;
}

/// A source on a fake data set, whose samples read as texts of their own number.
struct Drawn {
  Drawn(const std::string& type, const FakeDataset& data, EpisodeOptions asked,
        Split split = Split::kTrain, bool evaluation = false,
        std::map<std::string, std::string> values = {}, const AugmentOptions& augment = {})
      : section(type, std::move(values)), episode(std::move(asked)) {
    model = std::make_unique<Model>(ModelOptions{}, data.modalities(), 3, 1, ModelRegistry{});
    source = builtin_sources().at(type).make(
        {section, episode, split, &data, *model, nullptr, 0.0, evaluation, augment});
  }
  Section section;
  EpisodeOptions episode;
  std::unique_ptr<Model> model;
  std::unique_ptr<const TaskSource> source;
};

/// The numbers of a batch's samples, by their first sense.
std::vector<std::int64_t> samples_of(const Batch& batch) {
  std::vector<std::int64_t> samples;
  for (std::int64_t i = 0; i < batch.size; ++i) {
    const auto token = batch.modalities[0].values[i][0].item<std::int64_t>();
    samples.push_back(token);
  }
  return samples;
}

std::string refusal(const std::function<void()>& work) {
  try {
    work();
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

/// Six classes of eight samples, two in each of four groups. Samples 0 and 1, which read alike, are
/// of another split.
FakeDataset patients() {
  FakeDataset data;
  data.add_class(Split::kTest, {9, 9});
  for (int i = 0; i < 6; ++i) data.add_class(Split::kTrain, {0, 0, 1, 1, 2, 2, 3, 3});
  data.add_class(Split::kTrain, {4, 4, 4, 4, 4});  // a group of one class
  return data;
}

TEST(Groups, AnEpisodeOfClassesIsOneGroups) {
  const FakeDataset data = patients();
  const Drawn drawn("groups", data, episodes(3, 1, 1));
  std::map<std::int32_t, int> groups;
  for (std::uint32_t slot = 0; slot < 400; ++slot) {
    const Task task = drawn.source->make(draw_key(slot));
    ASSERT_EQ(task.classes.size(), 3u);
    std::set<std::int64_t> seen;
    std::set<std::int32_t> group;
    for (const Batch* batch : {&task.support, &task.query}) {
      ASSERT_EQ(batch->size, 3);
      const auto samples = samples_of(*batch);
      for (std::size_t i = 0; i < 3; ++i) {
        const SampleInfo& info = data.samples()[static_cast<std::size_t>(samples[i])];
        const auto label = batch->labels[static_cast<std::int64_t>(i)].item<std::int64_t>();
        EXPECT_EQ(info.class_id, task.classes[static_cast<std::size_t>(label)]);
        group.insert(info.group_id);
        seen.insert(samples[i]);
      }
    }
    EXPECT_EQ(group.size(), 1u);
    EXPECT_EQ(seen.size(), 6u);  // support and query share nothing
    ++groups[*group.begin()];
  }
  ASSERT_EQ(groups.size(), 4u);  // group 4 has too few classes
  for (const auto& [id, count] : groups) EXPECT_NEAR(count, 100, 35) << id;
}

TEST(Groups, AnEpisodeOfValuesIsOneGroupsWhateverTheClass) {
  FakeDataset data = patients();
  data.add_targets(2);
  const Drawn drawn("groups", data, episodes(1, 5, 4, "value"));
  std::set<std::size_t> class_counts;
  for (std::uint32_t slot = 0; slot < 50; ++slot) {
    const Task task = drawn.source->make(draw_key(slot));
    std::set<std::int32_t> groups, classes;
    std::set<std::int64_t> seen;
    for (const Batch* batch : {&task.support, &task.query}) {
      const auto samples = samples_of(*batch);
      for (std::size_t i = 0; i < samples.size(); ++i) {
        const auto sample = static_cast<std::size_t>(samples[i]);
        groups.insert(data.samples()[sample].group_id);
        classes.insert(data.samples()[sample].class_id);
        seen.insert(samples[i]);
        const auto row = batch->targets[static_cast<std::int64_t>(i)];
        EXPECT_EQ(row[1].item<float>(), static_cast<float>(sample) + 0.125f);
      }
    }
    EXPECT_EQ(groups.size(), 1u);
    EXPECT_EQ(seen.size(), 9u);
    class_counts.insert(classes.size());
  }
  EXPECT_GT(*class_counts.rbegin(), 2u);
  EXPECT_EQ(drawn.source->size(draw_key(1)).support, 5);
  EXPECT_EQ(drawn.source->size(draw_key(1)).query, 4);
}

TEST(Groups, RefusesWhatNoGroupCanGive) {
  const FakeDataset data = patients();
  EXPECT_THAT(refusal([&] { Drawn("groups", data, episodes(3, 2, 1)); }),
              HasSubstr("split train has 5 groups, and none has 2 + 1 samples (shot + query) of 3 "
                        "classes (way); the "
                        "most that one has of a class is 5. Lower way, shot or query"));
  EXPECT_THAT(refusal([&] { Drawn("groups", data, episodes(1, 2, 1, "value")); }),
              HasSubstr("the shards hold no targets"));
  auto apart = episodes(3, 1, 1);
  apart.groups = "apart";
  EXPECT_THAT(refusal([&] { Drawn("groups", data, apart); }),
              HasSubstr("episode.groups: apart does not go with the source groups"));
}

TEST(Augmented, ASampleIsAClassAndItsVersionsAreTheQueries) {
  FakeDataset data(1);
  data.add_class(Split::kValidation, {0, 0});  // 0 and 1 read alike
  for (int i = 0; i < 5; ++i) data.add_class(Split::kTrain, {0, 0, 0, 0});
  data.add_class(Split::kTest, {0, 0});
  const Drawn drawn("augmented", data, episodes(3, 2, 4));
  std::set<std::int64_t> all;
  for (std::uint32_t slot = 0; slot < 60; ++slot) {
    const Task task = drawn.source->make(draw_key(slot));
    EXPECT_TRUE(task.classes.empty());
    ASSERT_EQ(task.support.size, 6);
    ASSERT_EQ(task.query.size, 12);
    EXPECT_EQ(task.query.way, 3);
    // One character each, which augmentation leaves: versions can be told by it.
    const auto support = samples_of(task.support), query = samples_of(task.query);
    for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(support[i], support[i / 2 * 2]);
    for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(query[i], support[i / 4 * 2]);
    const std::set<std::int64_t> classes(support.begin(), support.end());
    EXPECT_EQ(classes.size(), 3u);
    all.insert(classes.begin(), classes.end());
    EXPECT_TRUE(torch::equal(task.support.labels, torch::tensor({0, 0, 1, 1, 2, 2})));
  }
  EXPECT_EQ(all.size(), 20u);  // all of the split, none of the test classes'
  const Task a = drawn.source->make(draw_key(1)), b = drawn.source->make(draw_key(1));
  EXPECT_TRUE(torch::equal(a.query.modalities[0].values, b.query.modalities[0].values));
}

/// Support samples by label, and whether the source told their number before.
std::vector<std::int64_t> shots_in(const Drawn& drawn, std::uint32_t slot) {
  const Task task = drawn.source->make(draw_key(slot));
  std::vector<std::int64_t> shots(static_cast<std::size_t>(task.support.way), 0);
  for (std::int64_t i = 0; i < task.support.size; ++i)
    ++shots[static_cast<std::size_t>(task.support.labels[i].item<std::int64_t>())];
  const EpisodeSize size = drawn.source->size(draw_key(slot));
  EXPECT_EQ(size.support, task.support.size);
  EXPECT_EQ(size.shot, *std::max_element(shots.begin(), shots.end()));
  EXPECT_EQ(task.query.size, size.query);
  const bool even = std::all_of(shots.begin(), shots.end(), [&](auto n) { return n == shots[0]; });
  EXPECT_EQ(task.support.even, even);
  EXPECT_TRUE(task.query.even);
  return shots;
}

TEST(Drawn, ClassesOfUnevenEpisodesHaveTheirOwnShots) {
  FakeDataset data;
  data.add_classes(5, Split::kTrain, {0, 0, 0, 0, 1, 1, 1, 1});
  for (const char* type : {"episodes", "groups", "augmented"}) {
    auto asked = episodes(3, 3, 1);
    std::set<std::int64_t> seen;
    for (const bool uneven : {false, true}) {
      asked.shot_min = 1;
      asked.uneven = uneven;
      const Drawn drawn(type, data, asked);
      int different = 0;
      for (std::uint32_t slot = 0; slot < 60; ++slot) {
        const auto shots = shots_in(drawn, slot);
        seen.insert(shots.begin(), shots.end());
        different += std::set<std::int64_t>(shots.begin(), shots.end()).size() > 1;
      }
      if (uneven)
        EXPECT_GT(different, 40) << type;  // all alike: 3 in 3^3
      else
        EXPECT_EQ(different, 0) << type;
    }
    EXPECT_EQ(seen, (std::set<std::int64_t>{1, 2, 3})) << type;
  }
}

/// Tasks of odd slots lack the second sense.
class HidingDataset final : public FakeDataset {
 public:
  std::uint32_t hidden_in(Split split, const RandomKey& task) const override {
    return split == Split::kTrain && task.slot % 2 == 1 ? 2 : 0;
  }
};

TEST(Drawn, WhatATaskLacksNeitherOfItsSetsHas) {
  HidingDataset data;
  data.add_class(Split::kTest, {0, 0, 0, 0});
  for (int i = 0; i < 5; ++i)
    data.add_class(Split::kTrain, {0, 0, 0, 0, 0, 0, 0, 0}, {3, 3, 3, 3, 3, 3, 3, 2});
  for (const char* type : {"episodes", "groups", "augmented", "minibatches"}) {
    const Drawn drawn(type, data, episodes(3, 1, 2));
    for (const std::uint32_t slot : {0, 1, 2, 3}) {
      const Task task = drawn.source->make(draw_key(slot));
      for (const Batch* set : {&task.support, &task.query}) {
        const std::int64_t first = set->modalities[0].rows.numel(),
                           second = set->modalities[1].rows.numel();
        // Who has the second sense alone keeps it.
        EXPECT_EQ(second, slot % 2 == 1 ? set->size - first : set->size) << type;
        EXPECT_LE(first, set->size);
      }
      EXPECT_GT(task.query.modalities[0].rows.numel(), 0) << type;
    }
  }
}

TEST(Groups, ThoseThatGiveNoEpisodeAreNamed) {
  FakeDataset data = patients();
  EXPECT_EQ(Drawn("groups", data, episodes(3, 1, 1)).source->left_out(),
            "split train: 4 of 5 groups can be used; left out is 'group 4', without 1 + 1 samples "
            "(shot + query) of 3 classes (way)");
  data.add_targets(1);
  EXPECT_EQ(Drawn("groups", data, episodes(1, 3, 2, "value")).source->left_out(), "");
}

/// Characters of a batch's second sense, which has two a sample.
std::int64_t characters(const Batch& batch) {
  return batch.size == 0 ? 0 : batch.modalities[1].mask.sum().item<std::int64_t>();
}

TEST(Augmentation, ChangesTheSetsThatItIsAskedFor) {
  FakeDataset data;
  data.add_classes(5, Split::kTrain, {0, 0, 0, 0, 0, 0, 0, 0});
  const auto check = [&](const char* type, const char* tasks) {
    AugmentOptions augment;
    augment.tasks = tasks;
    augment.text.characters = 0.9;
    const Drawn plain(type, data, episodes(3, 2, 4));
    const Drawn drawn(type, data, episodes(3, 2, 4), Split::kTrain, false, {}, augment);
    const Task task = drawn.source->make(draw_key(1)), same = drawn.source->make(draw_key(1));
    const Task was = plain.source->make(draw_key(1));
    const bool support = augment.support() && task.support.size > 0;  // minibatches have none
    EXPECT_EQ(characters(task.support) < 2 * task.support.size, support) << type << tasks;
    EXPECT_EQ(characters(task.query) < 2 * task.query.size, augment.query()) << type << tasks;
    for (const auto set : {&Task::support, &Task::query}) {
      if ((was.*set).size == 0) continue;
      EXPECT_EQ(samples_of(task.*set), samples_of(was.*set));  // one character stays
      EXPECT_TRUE(torch::equal((task.*set).labels, (was.*set).labels));
      EXPECT_TRUE(torch::equal((task.*set).modalities[1].values, (same.*set).modalities[1].values));
    }
  };
  for (const char* type : {"episodes", "groups"})
    for (const char* tasks : {"none", "support", "query", "both"}) check(type, tasks);
  for (const char* tasks : {"none", "query", "both"}) check("minibatches", tasks);
  EXPECT_THAT(refusal([&] { check("minibatches", "support"); }),
              HasSubstr("augment.tasks: support has no effect with minibatches"));
}

TEST(Augmented, EvaluationGetsEpisodesOfClasses) {
  FakeDataset data(1);
  data.add_class(Split::kValidation, {0, 0});
  data.add_classes(4, Split::kTest, {0, 0, 0, 0});
  const Drawn drawn("augmented", data, episodes(3, 1, 2), Split::kTest, true);
  const Task task = drawn.source->make(draw_key(1));
  EXPECT_EQ(task.classes.size(), 3u);
  const auto samples = samples_of(task.query);
  EXPECT_EQ(std::set<std::int64_t>(samples.begin(), samples.end()).size(), 6u);
}

TEST(Augmented, RefusesValuesAndTooFewSamples) {
  FakeDataset data(1);
  data.add_class(Split::kTrain, {0, 0});
  EXPECT_THAT(refusal([&] { Drawn("augmented", data, episodes(3, 1, 1)); }),
              HasSubstr("split train has 2 samples, episodes need 3"));
  data.add_targets(1);
  EXPECT_THAT(refusal([&] { Drawn("augmented", data, episodes(1, 1, 1, "value")); }),
              HasSubstr("episode.target: value does not go with the source augmented"));
}

/// Tasks of one sense whose values say which source made them.
class Marked final : public TaskSource {
 public:
  explicit Marked(float mark) : mark_(mark) {}
  EpisodeSize size(const RandomKey&) const override {
    return {1, 1, static_cast<std::int64_t>(mark_), 1};
  }
  Task make(const RandomKey& key) const override {
    Batch batch;
    batch.size = 2;
    batch.modalities.push_back({torch::full({2, 3}, mark_), {}, torch::arange(2)});
    return {batch, batch, key, {5}};
  }

 private:
  float mark_;
};

std::unique_ptr<const TaskSource> mixture(const std::vector<double>& weights) {
  std::vector<MixturePart> parts;
  for (std::size_t i = 0; i < weights.size(); ++i)
    parts.push_back(
        {std::make_unique<const Marked>(static_cast<float>(i + 1)), weights[i], {2 - i}});
  return mix(std::move(parts), 3);
}

TEST(Mixture, DrawsByWeightAndPutsSensesInTheirPlaces) {
  const auto source = mixture({3, 0.5, 1.5});
  std::vector<int> counts(3);
  for (std::uint32_t slot = 0; slot < 2000; ++slot) {
    const Task task = source->make(draw_key(slot));
    std::size_t from = 3;
    for (std::size_t m = 0; m < 3; ++m) {
      const ModalityInput& input = task.query.modalities[m];
      if (!input.values.defined()) {
        EXPECT_EQ(input.rows.numel(), 0);
        continue;
      }
      EXPECT_EQ(from, 3u);
      from = 2 - m;
      EXPECT_EQ(input.values[0][0].item<float>(), static_cast<float>(from + 1));
      EXPECT_EQ(input.rows.numel(), 2);
    }
    ASSERT_LT(from, 3u);
    ++counts[from];
    EXPECT_TRUE(task.classes.empty());
    EXPECT_EQ(source->size(draw_key(slot)).support, static_cast<std::int64_t>(from) + 1);
  }
  EXPECT_NEAR(counts[0], 1200, 90);
  EXPECT_NEAR(counts[1], 200, 55);
  EXPECT_NEAR(counts[2], 600, 85);
}

TEST(Mixture, LeavesTheTasksAsTheirSourceMakesThem) {
  // The draw of the source takes nothing from the task's own streams.
  FakeDataset data(1);
  data.add_class(Split::kTest, {0});
  data.add_classes(6, Split::kTrain, {0, 0, 0, 0});
  const Drawn drawn("episodes", data, episodes(3, 1, 2));
  std::vector<MixturePart> parts;
  parts.push_back({builtin_sources()
                       .at("episodes")
                       .make({drawn.section, drawn.episode, Split::kTrain, &data, *drawn.model}),
                   1.0,
                   {1}});
  const auto source = mix(std::move(parts), 2);
  for (std::uint32_t slot = 0; slot < 10; ++slot) {
    const Task mixed = source->make(draw_key(slot)), alone = drawn.source->make(draw_key(slot));
    EXPECT_TRUE(torch::equal(mixed.query.modalities[1].values, alone.query.modalities[0].values));
    EXPECT_TRUE(torch::equal(mixed.query.labels, alone.query.labels));
  }
}

}  // namespace
}  // namespace cuttle
