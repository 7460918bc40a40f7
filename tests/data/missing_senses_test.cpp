// Senses that a data set shall seem to lack.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/data/raw_batch.hpp"
#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;

constexpr std::uint32_t kImage = 1, kText = 2, kVector = 4;

class Missing : public testing::Test {
 protected:
  static const TempFolder& folder() {
    static const TempFolder folder;
    static const bool made = [] {
      SyntheticOptions options;
      options.modalities = {"image", "text", "vector"};
      options.samples_per_class = 60;
      write_synthetic_shards(folder.path(), options);
      return true;
    }();
    EXPECT_TRUE(made);
    return folder;
  }
  static std::unique_ptr<Dataset> open(std::vector<std::string> missing,
                                       const std::string& by = "sample",
                                       std::vector<std::string> splits = {"all"},
                                       std::uint64_t seed = 0,
                                       std::vector<std::string> modalities = {}) {
    DataOptions options;
    options.shards = {folder() / "*.h5"};
    options.missing = std::move(missing);
    options.missing_by = by;
    options.missing_splits = std::move(splits);
    options.missing_seed = seed;
    options.modalities = std::move(modalities);
    return Dataset::open(options);
  }
  static std::map<std::uint32_t, double> shares(const Dataset& data, Split split = Split::kAll) {
    std::map<std::uint32_t, double> found;
    double all = 0;
    for (const SampleInfo& info : data.samples()) {
      if (split != Split::kAll && info.split != split) continue;
      ++found[info.present];
      ++all;
    }
    for (auto& entry : found) entry.second /= all;
    return found;
  }
};

TEST_F(Missing, AreSharesOfSamplesAndNeverTwoOfOne) {
  const auto data = open({"text=0.4", "image=0.2"});
  const auto found = shares(*data);
  EXPECT_EQ(found.size(), 3u);
  EXPECT_NEAR(found.at(kImage | kVector), 0.4, 0.04);  // of 1,200: a deviation is 0.014
  EXPECT_NEAR(found.at(kText | kVector), 0.2, 0.04);
  EXPECT_NEAR(found.at(kImage | kText | kVector), 0.4, 0.04);
  EXPECT_EQ(shares(*open({"text=1"})), (std::map<std::uint32_t, double>{{kImage | kVector, 1.0}}));
  // What is hidden is not read; the rest is as ever.
  const RawBatch batch = read_batch(*open({"text=1"}), {0, 1, 2}),
                 whole = read_batch(*open({}), {0, 1, 2});
  EXPECT_EQ(batch.modalities[1].present, (std::vector<std::uint8_t>{0, 0, 0}));
  EXPECT_TRUE(batch.modalities[1].bytes.empty());
  EXPECT_EQ(batch.modalities[0].bytes, whole.modalities[0].bytes);
  EXPECT_TRUE(data->samples()[0].complete);  // as recorded
}

TEST_F(Missing, TheLastSenseStays) {
  const auto data = open({"text=1"}, "sample", {"all"}, 0, {"text"});
  EXPECT_EQ(shares(*data), (std::map<std::uint32_t, double>{{1, 1.0}}));
}

TEST_F(Missing, MayBeOfWholeClassesAndOfSplits) {
  const auto data = open({"vector=0.5"}, "class");
  std::map<std::int32_t, std::set<std::uint32_t>> by_class;
  for (const SampleInfo& info : data->samples()) by_class[info.class_id].insert(info.present);
  std::set<std::uint32_t> all;
  for (const auto& [id, found] : by_class) {
    EXPECT_EQ(found.size(), 1u) << id;
    all.insert(found.begin(), found.end());
  }
  EXPECT_EQ(all, (std::set<std::uint32_t>{kImage | kText, kImage | kText | kVector}));
  const auto test = open({"image=1"}, "sample", {"test", "validation"});
  EXPECT_EQ(shares(*test, Split::kTest).begin()->first, kText | kVector);
  EXPECT_EQ(shares(*test, Split::kValidation).begin()->first, kText | kVector);
  EXPECT_EQ(shares(*test, Split::kTrain).begin()->first, kImage | kText | kVector);
}

TEST_F(Missing, MayBeOfWholeTasks) {
  const auto data = open({"text=0.4", "image=0.2"}, "task", {"train"});
  EXPECT_EQ(shares(*data).size(), 1u);  // samples by themselves lack nothing
  std::map<std::uint32_t, double> found;
  std::set<std::vector<std::uint32_t>> patterns;
  for (const auto& [seed, stream, first] : {std::tuple(1, Stream::kTrain, 0),
                                            {2, Stream::kTrain, 0},
                                            {1, Stream::kValidation, 0},
                                            {1, Stream::kTrain, 3000}}) {
    std::vector<std::uint32_t> pattern;
    for (std::uint32_t i = 0; i < 1000; ++i) {
      const RandomKey task{static_cast<std::uint64_t>(seed), stream,
                           static_cast<std::uint64_t>(first) + i / 4, i % 4};
      pattern.push_back(data->hidden_in(Split::kTrain, task));
      ++found[pattern.back()];
      EXPECT_EQ(pattern.back(), data->hidden_in(Split::kTrain, task.with(task.stream, 5)));
      EXPECT_EQ(data->hidden_in(Split::kTest, task), 0u);
    }
    patterns.insert(pattern);
  }
  EXPECT_EQ(patterns.size(), 4u);
  EXPECT_EQ(found.size(), 3u);
  EXPECT_NEAR(found.at(kText) / 4000, 0.4, 0.03);  // a deviation is 0.008
  EXPECT_NEAR(found.at(kImage) / 4000, 0.2, 0.03);
  EXPECT_EQ(open({"text=1"})->hidden_in(Split::kTrain, {}), 0u);
  EXPECT_NE(data->fingerprint(),
            open({"text=0.4", "image=0.2"}, "class", {"train"})->fingerprint());
}

TEST_F(Missing, OfATaskAreNotReadButTheLastStays) {
  const auto data = open({"text=1"}, "task");
  const RawBatch task = read_batch(*data, {0, 1, 2}, {3, Stream::kTrain, 4, 5}),
                 whole = read_batch(*data, {0, 1, 2});
  EXPECT_EQ(task.modalities[1].present, (std::vector<std::uint8_t>{0, 0, 0}));
  EXPECT_TRUE(task.modalities[1].bytes.empty());
  EXPECT_EQ(task.modalities[0].bytes, whole.modalities[0].bytes);
  EXPECT_EQ(whole.modalities[1].present, (std::vector<std::uint8_t>{1, 1, 1}));
  EXPECT_EQ(
      read_batch(*open({"text=1"}, "task", {"all"}, 0, {"text"}), {0}, {}).modalities[0].present,
      (std::vector<std::uint8_t>{1}));
  EXPECT_EQ(read_batch(*data, {}, {}).size, 0);
  // By name, wherever a sense stands.
  const std::vector<ModalitySpec> senses = data->modalities();
  const auto turned = in_senses(open({"text=1"}, "task"), {senses[2], senses[1], senses[0]});
  EXPECT_EQ(turned->hidden_in(Split::kTrain, {}), 2u);
  EXPECT_EQ(in_senses(open({"text=1"}, "task"), {senses[1]})->hidden_in(Split::kTrain, {}), 1u);
  EXPECT_EQ(in_senses(open({"text=1"}, "task"), {senses[2]})->hidden_in(Split::kTrain, {}), 0u);
}

TEST_F(Missing, AreDrawnByNameAndSeedAlone) {
  const auto present = [](const Dataset& data) {
    std::map<std::string, bool> found;
    for (std::size_t i = 0; i < data.samples().size(); ++i)
      found[data.sample_name(static_cast<std::int64_t>(i))] = (data.samples()[i].present & 1) != 0;
    return found;
  };
  const auto first = open({"text=0.5"}, "sample", {"all"}, 0, {"text", "image"});
  EXPECT_EQ(present(*first),
            present(*open({"text=0.5"}, "sample", {"all"}, 0, {"text", "vector"})));
  EXPECT_NE(present(*first), present(*open({"text=0.5"}, "sample", {"all"}, 1, {"text", "image"})));
  EXPECT_NE(first->fingerprint(), open({}, "sample", {"all"}, 0, {"text", "image"})->fingerprint());
  EXPECT_EQ(first->content_fingerprint(), open({})->content_fingerprint());
}

TEST_F(Missing, WhatIsNoShareOfASenseIsRefused) {
  const auto refusal = [](const std::vector<std::string>& missing) {
    try {
      open(missing);
    } catch (const UserError& problem) {
      return std::string(problem.what());
    }
    return std::string();
  };
  EXPECT_THAT(refusal({"sound=0.5"}), HasSubstr("'sound=0.5' is no SENSE=SHARE, such as image=0.7; "
                                                "the senses are image, text, vector"));
  EXPECT_THAT(refusal({"text"}), HasSubstr("'text' is no SENSE=SHARE"));
  EXPECT_THAT(refusal({"text=half"}), HasSubstr("'half' of 'text=half' is no share"));
  EXPECT_THAT(refusal({"text=1.5"}), HasSubstr("no share"));
  EXPECT_THAT(refusal({"text=nan"}), HasSubstr("no share"));
  EXPECT_THAT(refusal({"text=0.6", "image=0.6"}), HasSubstr("the shares make 1.2 together"));
}

}  // namespace
}  // namespace cuttle
