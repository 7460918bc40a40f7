// A data set in the senses of others.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cuttle/core/error.hpp"
#include "cuttle/data/raw_batch.hpp"
#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

class SensesView : public testing::Test {
 protected:
  void SetUp() override {
    SyntheticOptions options;
    options.modalities = {"image", "text", "vector"};
    options.missing_rate = 0.4;
    options.targets = 2;
    write_synthetic_shards(folder_.path(), options);
    plain_ = open();
    other_.name = "sound";
    other_.kind = ModalityKind::kAudio;
    const auto& own = plain_->modalities();
    view_ = in_senses(open(), {other_, own[2], own[0]});
  }
  std::unique_ptr<Dataset> open() const {
    DataOptions options;
    options.shards = {folder_ / "*.h5"};
    return Dataset::open(options);
  }

  TempFolder folder_;
  ModalitySpec other_;
  std::unique_ptr<Dataset> plain_, view_;
};

TEST_F(SensesView, HasTheSamplesInOtherPlaces) {
  ASSERT_EQ(view_->modalities().size(), 3u);
  EXPECT_EQ(view_->modalities()[0].name, "sound");
  EXPECT_EQ(view_->modalities()[1].name, "vector");
  ASSERT_EQ(view_->samples().size(), plain_->samples().size());
  int with = 0;
  for (std::size_t i = 0; i < view_->samples().size(); ++i) {
    const SampleInfo &seen = view_->samples()[i], &own = plain_->samples()[i];
    EXPECT_EQ(seen.present & 1u, 0u);
    EXPECT_EQ(seen.present >> 1 & 1, own.present >> 2 & 1);
    EXPECT_EQ(seen.present >> 2 & 1, own.present & 1);
    EXPECT_EQ(seen.complete, own.complete);
    EXPECT_EQ(seen.class_id, own.class_id);
    if ((own.present & 1u) == 0) continue;
    ++with;
    std::vector<std::uint8_t> here, there;
    view_->read(static_cast<std::int64_t>(i), 2, here);
    plain_->read(static_cast<std::int64_t>(i), 0, there);
    EXPECT_EQ(here, there);
  }
  EXPECT_GT(with, 50);
  EXPECT_EQ(view_->target(3)[1], plain_->target(3)[1]);
  EXPECT_EQ(view_->sample_name(3), plain_->sample_name(3));
  EXPECT_EQ(view_->classes_of(Split::kTest), plain_->classes_of(Split::kTest));
}

TEST_F(SensesView, BatchesLackTheSenseThatIsNotThere) {
  const RawBatch batch = read_batch(*view_, {0, 1, 2, 3});
  ASSERT_EQ(batch.modalities.size(), 3u);
  EXPECT_EQ(batch.modalities[0].present, (std::vector<std::uint8_t>{0, 0, 0, 0}));
  EXPECT_TRUE(batch.modalities[0].bytes.empty());
}

TEST_F(SensesView, ItsFingerprintIsOfBothDataAndSenses) {
  const auto& own = plain_->modalities();
  EXPECT_EQ(in_senses(open(), {other_, own[2], own[0]})->fingerprint(), view_->fingerprint());
  EXPECT_NE(in_senses(open(), {own[2], own[0]})->fingerprint(), view_->fingerprint());
  EXPECT_NE(plain_->fingerprint(), view_->fingerprint());
}

// Tables in other orders: vector [c, a, extra], series [y, x] in steps.
TEST(ColumnsOfTables, ComeInTheOrderOfTheirNames) {
  const TempFolder folder;
  SyntheticOptions options;
  options.modalities = {"series", "vector"};
  options.shards = 1;
  ShardContent content = synthetic_shard(options, 0);
  const auto open = [&](const std::string& name, const std::string& series,
                        const std::string& vector) {
    auto header = nlohmann::json::parse(content.header);
    if (!series.empty()) header["modalities"][0]["columns"] = nlohmann::json::parse(series);
    if (!vector.empty()) header["modalities"][1]["columns"] = nlohmann::json::parse(vector);
    ShardContent named = content;
    named.header = header.dump();
    write_shard(folder / name, named);
    DataOptions data;
    data.shards = {folder / name};
    return Dataset::open(data);
  };
  const auto plain = open("plain.h5", "", "");
  const auto channels = static_cast<std::size_t>(plain->modalities()[0].shape[0]);
  const auto features = static_cast<std::size_t>(plain->modalities()[1].shape[0]);
  ASSERT_GE(channels, 2u);
  ASSERT_GE(features, 3u);
  const auto names = [](std::size_t count) {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(fmt::format("column {}", i));
    return all;
  };
  const auto own = open("own.h5", nlohmann::json(names(channels)).dump(),
                        nlohmann::json(names(features)).dump());
  auto wanted = own->modalities();
  std::reverse(wanted[0].columns.begin(), wanted[0].columns.end());
  std::reverse(wanted[1].columns.begin(), wanted[1].columns.end());
  wanted[1].columns[1] = "";
  const auto view = in_senses(open("again.h5", nlohmann::json(names(channels)).dump(),
                                   nlohmann::json(names(features)).dump()),
                              wanted);
  const auto floats = [](const Dataset& data, std::size_t modality) {
    std::vector<std::uint8_t> raw(3);  // read() appends
    const auto bytes = static_cast<std::size_t>(data.read(5, modality, raw));
    std::vector<float> values(bytes / sizeof(float));
    std::memcpy(values.data(), raw.data() + 3, bytes);
    return values;
  };
  auto vector = floats(*plain, 1);
  std::reverse(vector.begin(), vector.end());
  vector[1] = 0;
  EXPECT_EQ(floats(*view, 1), vector);
  auto series = floats(*plain, 0);
  ASSERT_GT(series.size(), channels);
  for (auto step = series.begin(); step != series.end();
       step += static_cast<std::ptrdiff_t>(channels))
    std::reverse(step, step + static_cast<std::ptrdiff_t>(channels));
  EXPECT_EQ(floats(*view, 0), series);
  wanted[1].columns.assign(features, "of another table");
  const auto other =
      in_senses(open("other.h5", "", nlohmann::json(names(features)).dump()), wanted);
  EXPECT_EQ(floats(*other, 1), floats(*plain, 1));
}

// Vectors with a column of categories, whose numbers the values are.
TEST(ColumnsOfTables, CategoriesAreNumberedAsTheModelDoes) {
  const TempFolder folder;
  SyntheticOptions options;
  options.modalities = {"vector"};
  options.shards = 1;
  ShardContent content = synthetic_shard(options, 0);
  auto header = nlohmann::json::parse(content.header);
  const auto features = header["modalities"][0]["shape"][0].get<std::size_t>();
  auto columns = nlohmann::json::array({{{"name", "sex"}, {"categories", {"f", "m", "x"}}}});
  for (std::size_t i = 1; i < features; ++i) columns.push_back(fmt::format("column {}", i));
  header["modalities"][0]["columns"] = columns;
  content.header = header.dump();
  write_shard(folder / "a.h5", content);
  DataOptions data;
  data.shards = {folder / "a.h5"};
  const auto own = Dataset::open(data);
  const auto first = [&](const Dataset& set, std::int64_t sample) {
    std::vector<std::uint8_t> raw;
    set.read(sample, 0, raw);
    std::vector<float> values(raw.size() / sizeof(float));
    std::memcpy(values.data(), raw.data(), raw.size());
    return values;
  };
  auto wanted = own->modalities();
  wanted[0].categories[0] = {"x", "f"};
  std::swap(wanted[0].columns[0], wanted[0].columns[1]);
  std::swap(wanted[0].categories[0], wanted[0].categories[1]);
  const auto view = in_senses(Dataset::open(data), wanted);
  const std::vector<float> after{1, std::nanf(""), 0};  // of f, m, x
  int known = 0;
  for (std::int64_t i = 0; i < 40; ++i) {
    const auto was = first(*own, i), now = first(*view, i);
    EXPECT_EQ(now[0], was[1]);
    const bool there = was[0] >= 0 && was[0] < 3;  // the synthetic numbers are anything
    const float expected = there ? after[static_cast<std::size_t>(was[0])] : std::nanf("");
    EXPECT_TRUE(std::isnan(expected) ? std::isnan(now[1]) : now[1] == expected) << was[0];
    known += std::isnan(now[1]) ? 0 : 1;
  }
  EXPECT_GT(known, 3);
  wanted[0].categories.clear();
  EXPECT_THAT([&] { in_senses(Dataset::open(data), wanted); },
              testing::ThrowsMessage<UserError>(
                  testing::HasSubstr("column sex of vector holds numbers in one data set")));
}

TEST(ColumnsOfTables, AreTheSameInAllShards) {
  const TempFolder folder;
  for (const int shard : {0, 1}) {
    ShardContent content = synthetic_shard({}, shard);
    auto header = nlohmann::json::parse(content.header);
    auto& vector = header["modalities"][4];
    std::vector<std::string> names(vector["shape"][0].get<std::size_t>());
    for (std::size_t i = 0; i < names.size(); ++i) names[i] = fmt::format("{}", i);
    if (shard == 1) std::swap(names[0], names[1]);
    vector["columns"] = names;
    content.header = header.dump();
    write_shard(folder / fmt::format("{}.h5", shard), content);
  }
  DataOptions data;
  data.shards = {folder / "*.h5"};
  try {
    Dataset::open(data);
    FAIL() << "was taken";
  } catch (const UserError& refusal) {
    EXPECT_THAT(refusal.what(), testing::HasSubstr("modality 'vector' of the shard"));
    EXPECT_THAT(refusal.what(), testing::HasSubstr("in another order"));
  }
}

}  // namespace
}  // namespace cuttle
