// Training and validation classes dealt anew, and the statistics that follow them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/data/dataset.hpp"
#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;

std::unique_ptr<Dataset> open_fold(const TempFolder& folder, const std::string& fold,
                                   std::uint64_t seed = 0) {
  DataOptions options;
  options.shards = {folder / "*.h5"};
  options.fold = fold;
  options.fold_seed = seed;
  return Dataset::open(options);
}

std::set<std::string> names_in(const Dataset& data, Split split) {
  std::set<std::string> names;
  for (const std::int32_t id : data.classes_of(split))
    names.insert(data.class_names()[static_cast<std::size_t>(id)]);
  return names;
}

/// A shard whose classes have these names and splits, and each a sample of these groups.
void write_named(const TempFolder& folder, const std::vector<std::string>& names,
                 const std::vector<std::uint8_t>& splits, const std::vector<std::int32_t>& groups) {
  SyntheticOptions options;
  options.classes = {static_cast<std::int64_t>(names.size()), 0, 0};
  options.samples_per_class = 1;
  options.modalities = {"vector"};
  options.shards = 1;
  ShardContent shard = synthetic_shard(options, 0);
  const auto numbers = [&](const char* path, std::size_t i, auto value) {
    std::memcpy(shard.arrays.at(path).bytes.data() + i * sizeof value, &value, sizeof value);
  };
  auto& text = shard.arrays.at("/classes/names");
  text.bytes.clear();
  for (std::size_t c = 0; c < names.size(); ++c) {
    numbers("/classes/offsets", c, static_cast<std::int64_t>(text.bytes.size()));
    text.bytes.insert(text.bytes.end(), names[c].begin(), names[c].end());
  }
  numbers("/classes/offsets", names.size(), static_cast<std::int64_t>(text.bytes.size()));
  text.dims = {text.bytes.size()};
  std::int32_t of = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::memcpy(&of, shard.arrays.at("/samples/class").bytes.data() + i * sizeof of, sizeof of);
    numbers("/samples/split", i, splits[static_cast<std::size_t>(of)]);
    numbers("/samples/group", i, groups[static_cast<std::size_t>(of)]);
  }
  write_shard(folder / "named-00000-of-00001.h5", shard);
}

/// Any numbers, in place of none.
void declare_moments(std::string& header, const std::string& sense, std::size_t columns) {
  const auto list = [&](const char* number) {
    std::string text;
    for (std::size_t c = 0; c < columns; ++c) text += (c == 0 ? "" : ", ") + std::string(number);
    return "[" + text + "]";
  };
  const std::string none = R"("mean": [], "stddev": [])";
  const std::size_t at = header.find(none, header.find(R"("name": ")" + sense + '"'));
  header.replace(at, none.size(), R"("mean": )" + list("9.5") + R"(, "stddev": )" + list("7.5"));
}

class Folds : public testing::Test {
 protected:
  static const TempFolder& folder() {
    static const TempFolder folder;
    static const bool made = [] {
      SyntheticOptions options;
      options.modalities = {"image", "text", "series", "vector", "video", "graph"};
      options.missing_rate = 0.2;
      for (int shard = 0; shard < options.shards; ++shard) {
        ShardContent content = synthetic_shard(options, shard);
        for (const auto& [name, columns] : std::map<std::string, std::size_t>{
                 {"series", 2}, {"vector", 8}, {"video", 1}, {"graph", 2}})
          declare_moments(content.header, name, columns);
        write_shard(folder / fmt::format("folds-0000{}-of-00002.h5", shard), content);
      }
      return true;
    }();
    EXPECT_TRUE(made);
    return folder;
  }
};

TEST_F(Folds, DealTrainingAndValidationClassesAndLeaveTestApart) {
  const auto own = open_fold(folder(), "");
  std::set<std::string> dealt, before = names_in(*own, Split::kTrain);
  before.merge(names_in(*own, Split::kValidation));
  for (const char* fold : {"1/4", "2/4", "3/4", "4/4"}) {
    const auto data = open_fold(folder(), fold);
    EXPECT_EQ(names_in(*data, Split::kTest), names_in(*own, Split::kTest));
    EXPECT_EQ(names_in(*data, Split::kAll), names_in(*own, Split::kAll));
    auto held = names_in(*data, Split::kValidation), all = names_in(*data, Split::kTrain);
    EXPECT_GE(held.size(), 3u);  // 14 classes
    EXPECT_LE(held.size(), 4u);
    for (const auto& name : held) EXPECT_TRUE(dealt.insert(name).second) << name;
    all.merge(held);
    EXPECT_TRUE(held.empty());
    EXPECT_EQ(all, before);
    for (const SampleInfo& info : data->samples()) {
      const auto& classes = data->classes_of(info.split);
      EXPECT_EQ(std::count(classes.begin(), classes.end(), info.class_id), 1);
    }
  }
  EXPECT_EQ(dealt, before);
}

TEST_F(Folds, GoByNamesAndSeedAndAreInTheFingerprint) {
  const auto one = open_fold(folder(), "1/3"), two = open_fold(folder(), "2/3"),
             other = open_fold(folder(), "1/3", 7);
  EXPECT_EQ(names_in(*one, Split::kValidation),
            names_in(*open_fold(folder(), "1/3"), Split::kValidation));
  EXPECT_NE(names_in(*one, Split::kValidation), names_in(*other, Split::kValidation));
  EXPECT_NE(one->fingerprint(), two->fingerprint());
  EXPECT_NE(one->fingerprint(), other->fingerprint());
  EXPECT_NE(one->fingerprint(), open_fold(folder(), "")->fingerprint());
  EXPECT_EQ(one->content_fingerprint(), two->content_fingerprint());
}

TEST_F(Folds, StatisticsAreOfTheFoldsTrainingSamplesAlone) {
  const auto data = open_fold(folder(), "2/3");
  const auto& senses = data->modalities();
  for (std::size_t m = 0; m < senses.size(); ++m) {
    const ModalitySpec& spec = senses[m];
    if (spec.kind == ModalityKind::kText) {
      EXPECT_TRUE(spec.mean.empty());
      continue;
    }
    ASSERT_FALSE(spec.mean.empty()) << spec.name;
    std::vector<std::vector<double>> columns(spec.mean.size());
    for (std::size_t i = 0; i < data->samples().size(); ++i) {
      const SampleInfo& info = data->samples()[i];
      if (info.split != Split::kTrain || !(info.present >> m & 1u)) continue;
      std::vector<std::uint8_t> bytes;
      data->read(static_cast<std::int64_t>(i), m, bytes);
      std::vector<double> values(bytes.begin(), bytes.end());
      for (double& pixel : values) pixel /= 255;
      if (spec.kind != ModalityKind::kImage && spec.kind != ModalityKind::kVideo) {
        const bool graph = spec.kind == ModalityKind::kGraph;
        std::int32_t nodes = 0;
        std::memcpy(&nodes, bytes.data(), sizeof nodes);
        std::vector<float> floats(graph ? static_cast<std::size_t>(nodes) * columns.size()
                                        : bytes.size() / sizeof(float));
        std::memcpy(floats.data(), bytes.data() + (graph ? 4 : 0), floats.size() * sizeof(float));
        values.assign(floats.begin(), floats.end());
      }
      for (std::size_t v = 0; v < values.size(); ++v)
        columns[v % columns.size()].push_back(values[v]);
    }
    for (std::size_t c = 0; c < columns.size(); ++c) {
      double sum = 0, squares = 0;
      for (const double value : columns[c]) sum += value;
      const double mean = sum / static_cast<double>(columns[c].size());
      for (const double value : columns[c]) squares += (value - mean) * (value - mean);
      EXPECT_NEAR(spec.mean[c], mean, 1e-6) << spec.name;
      EXPECT_NEAR(spec.stddev[c], std::sqrt(squares / static_cast<double>(columns[c].size())), 1e-6)
          << spec.name;
    }
  }
}

TEST(FoldsOfNames, ClassesThatTheSplitsKeepTogetherStayTogether) {
  const TempFolder named, grouped, mixed;
  // By names: characters of an alphabet are in two splits, versions of a character are not.
  write_named(named, {"A/a", "A/a/rot90", "A/b", "B/a", "B/a/rot90", "B/b", "A/c"},
              {0, 0, 0, 0, 0, 1, 2}, {0, 0, 0, 0, 0, 0, 0});
  for (const char* fold : {"1/4", "2/4", "3/4", "4/4"}) {
    const auto held = names_in(*open_fold(named, fold), Split::kValidation);
    EXPECT_EQ(held.count("A/a"), held.count("A/a/rot90"));
    EXPECT_EQ(held.count("B/a"), held.count("B/a/rot90"));
    EXPECT_FALSE(held.empty());
  }
  EXPECT_THROW(open_fold(named, "1/5"), UserError);
  // By groups: a group that lies in one split stays whole.
  write_named(grouped, {"a", "b", "c", "d", "e"}, {0, 0, 0, 1, 2}, {0, 0, 1, 2, 3});
  for (const char* fold : {"1/3", "2/3", "3/3"}) {
    const auto held = names_in(*open_fold(grouped, fold), Split::kValidation);
    EXPECT_EQ(held.count("a"), held.count("b"));
    EXPECT_FALSE(held.empty());
  }
  EXPECT_THROW(open_fold(grouped, "1/4"), UserError);
  // A group in two splits says that none means anything; most being in one, this is told.
  write_named(mixed, {"a", "b", "c", "d", "e"}, {0, 1, 0, 0, 2}, {0, 0, 1, 1, 3});
  testing::internal::CaptureStderr();
  EXPECT_NO_THROW(open_fold(mixed, "1/4"));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("(1 of 3 are in two, such as '"));
  write_named(mixed, {"a", "b", "c", "d", "e"}, {0, 1, 0, 1, 2}, {0, 0, 1, 1, 3});
  testing::internal::CaptureStderr();
  EXPECT_NO_THROW(open_fold(mixed, "1/4"));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(Folds, WhatIsNoFoldIsRefused) {
  const auto refusal = [](const std::string& fold) {
    try {
      open_fold(folder(), fold);
    } catch (const UserError& problem) {
      return std::string(problem.what());
    }
    return std::string();
  };
  for (const char* wrong : {"2", "0/3", "4/3", "1/1", "a/3", "1/3 ", "1/b", "/3", "-1/3", "1/"})
    EXPECT_THAT(refusal(wrong), HasSubstr("is no fold of two or more, such as 1/5")) << wrong;
  EXPECT_THAT(
      refusal("1/99"),
      HasSubstr("99 folds of 14 training and validation classes (each needs one at least)"));
}

}  // namespace
}  // namespace cuttle
