#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "cuttle/core/error.hpp"
#include "cuttle/data/dataset.hpp"
#include "data/shard_header.hpp"
#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kTargets = "/samples/targets";
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// 12 samples with two targets, in one shard.
SyntheticOptions small() {
  SyntheticOptions options;
  options.classes = {2, 1, 1};
  options.samples_per_class = 3;
  options.modalities = {"vector"};
  options.targets = 2;
  options.shards = 1;
  return options;
}

std::unique_ptr<Dataset> open(const TempFolder& folder,
                              const std::vector<std::string>& modalities = {}) {
  DataOptions options;
  options.shards = {folder / "*.h5"};
  options.modalities = modalities;
  return Dataset::open(options);
}

std::string complaint(const TempFolder& folder) {
  try {
    open(folder);
  } catch (const UserError& problem) {
    return problem.what();
  }
  return "";
}

float written(const ShardContent& content, std::size_t i) {
  float value = 0;
  std::memcpy(&value, content.arrays.at(kTargets).bytes.data() + i * sizeof(float), sizeof(float));
  return value;
}

void set(ShardContent& content, std::size_t i, float value) {
  std::memcpy(content.arrays.at(kTargets).bytes.data() + i * sizeof(float), &value, sizeof(float));
}

void replace(std::string& text, const std::string& from, const std::string& to) {
  ASSERT_NE(text.find(from), std::string::npos) << text;
  text.replace(text.find(from), from.size(), to);
}

TEST(targets, are_given_back_as_written_over_all_shards) {
  const TempFolder folder;
  SyntheticOptions options = small();
  options.shards = 3;
  options.targets = 5;
  write_synthetic_shards(folder.path(), options);
  const auto data = open(folder);
  ASSERT_EQ(data->target_width(), 5);
  std::int64_t sample = 0;
  for (int shard = 0; shard < 3; ++shard) {
    const ShardContent content = synthetic_shard(options, shard);
    const auto rows = static_cast<std::size_t>(content.arrays.at(kTargets).dims[0]);
    for (std::size_t i = 0; i < rows; ++i, ++sample) {
      const Span<const float> target = data->target(sample);
      ASSERT_EQ(target.size(), 5u);
      for (std::size_t t = 0; t < 5; ++t) EXPECT_EQ(target[t], written(content, i * 5 + t));
    }
  }
  EXPECT_EQ(sample, 12);
  EXPECT_THROW(data->target(12), Error);
  EXPECT_THROW(data->target(-1), Error);
}

// What the synthetic targets promise: tests of learning rely on it.
TEST(targets, of_synthetic_shards_are_a_sine_of_the_class) {
  const TempFolder folder;
  SyntheticOptions options = small();
  options.samples_per_class = 40;
  options.noise = 2.0;
  write_synthetic_shards(folder.path(), options);
  const auto data = open(folder);
  for (std::int32_t c = 0; c < 4; ++c) {
    double lowest = 0, highest = 0;
    for (const std::int64_t sample : data->samples_of(c)) {
      lowest = std::min<double>(lowest, data->target(sample)[0]);
      highest = std::max<double>(highest, data->target(sample)[0]);
    }
    EXPECT_GT(highest - lowest, 0.9);  // an amplitude of 0.5 at least
    EXPECT_LE(highest, 1.5);
    EXPECT_GE(lowest, -1.5);
  }
}

TEST(targets, shards_without_them_are_as_before) {
  const TempFolder folder;
  SyntheticOptions options = small();
  options.targets = 0;
  options.modalities = {"text"};  // made of integers only: the same bytes on every machine
  write_synthetic_shards(folder.path(), options);
  const auto data = open(folder);
  EXPECT_EQ(data->target_width(), 0);
  EXPECT_TRUE(data->target(3).empty());
  // What cuttle gave before there were targets: checkpoints hold it.
  EXPECT_EQ(data->fingerprint(),
            "919239ffced3a9a6aa00beac71a29cf1fa9897a1ab314a6a1607bf197d8a9eee");
}

TEST(targets, one_bit_of_them_is_another_data_set) {
  const TempFolder plain, flipped, none;
  ShardContent content = synthetic_shard(small(), 0);
  write_shard(plain / "a.h5", content);
  content.arrays.at(kTargets).bytes[4 * 2 * 7] ^= 1;  // the lowest bit of sample 7's first
  write_shard(flipped / "a.h5", content);
  SyntheticOptions options = small();
  options.targets = 0;
  write_synthetic_shards(none.path(), options);
  const std::string fingerprint = open(plain)->fingerprint();
  EXPECT_NE(open(flipped)->fingerprint(), fingerprint);
  EXPECT_NE(open(none)->fingerprint(), fingerprint);
  EXPECT_NE(open(flipped)->target(7)[0], open(plain)->target(7)[0]);
}

TEST(targets, a_flipped_bit_in_the_file_is_found_on_opening) {
  const TempFolder folder;
  ShardContent content = synthetic_shard(small(), 0);
  write_shard(folder / "a.h5", content);
  const hid_t file = H5Fopen((folder / "a.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t dataset = H5Dopen2(file, kTargets, H5P_DEFAULT);
  content.arrays.at(kTargets).bytes[5] ^= 4;
  H5Dwrite(dataset, H5T_IEEE_F32LE, H5S_ALL, H5S_ALL, H5P_DEFAULT,
           content.arrays.at(kTargets).bytes.data());
  H5Dclose(dataset);
  H5Fclose(file);
  EXPECT_THAT(complaint(folder),
              AllOf(HasSubstr(folder / "a.h5"), HasSubstr("does not match its checksum")));
}

struct Damage {
  const char* name;
  std::function<void(ShardContent&)> apply;
  const char* expected;
};

std::ostream& operator<<(std::ostream& out, const Damage& damage) {
  return out << damage.name;
}

class DamagedTargets : public testing::TestWithParam<Damage> {};

// The checksum of each of these belongs to the damaged content.
TEST_P(DamagedTargets, are_refused_by_name) {
  const TempFolder folder;
  ShardContent content = synthetic_shard(small(), 0);
  GetParam().apply(content);
  write_shard(folder / "bad.h5", content);
  EXPECT_THAT(complaint(folder),
              AllOf(HasSubstr(folder / "bad.h5"), HasSubstr(GetParam().expected)));
  EXPECT_EQ(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
}

const std::vector<Damage> kDamages = {
    {"nan", [](ShardContent& c) { set(c, 2 * 7 + 1, kNan); },
     "target 'y1' of sample 7 ('class_002/1') of the shard"},
    {"infinite", [](ShardContent& c) { set(c, 23, -kInfinity); },
     "target 'y1' of sample 11 ('class_003/2')"},
    {"missing", [](ShardContent& c) { c.arrays.erase(kTargets); }, "has no '/samples/targets'"},
    {"undeclared", [](ShardContent& c) { replace(c.header, R"(, "targets": ["y0", "y1"])", ""); },
     "does not match its checksum"},
    {"wide", [](ShardContent& c) { replace(c.header, R"("y1")", R"("y1", "y2")"); },
     "has rows of 2 values, not 3"},
    {"rank", [](ShardContent& c) { c.arrays[kTargets].dims = {24}; },
     "'/samples/targets' of the shard"},
    {"rows",
     [](ShardContent& c) {
       c.arrays[kTargets].dims = {8, 3};
     },
     "has 8 elements, not 12"},
    {"turned",
     [](ShardContent& c) {
       c.arrays[kTargets].dims = {2, 12};
     },
     "has 2 elements, not 12"},
    {"type",
     [](ShardContent& c) {
       c.arrays[kTargets] = {ElementType::kI32, {12, 2}, std::vector<std::uint8_t>(96)};
     },
     "has another type than the format says"},
    {"huge",
     [](ShardContent& c) {
       c.arrays[kTargets] = {ElementType::kF32, {12, 1ull << 56}, {}};
     },
     "claims 12 x 72057594037927936 elements"},
    {"overflowing",
     [](ShardContent& c) {
       c.arrays[kTargets] = {ElementType::kF32, {1ull << 32, 1ull << 32}, {}};
     },
     "claims 4294967296 x 4294967296 elements"},
    {"empty",
     [](ShardContent& c) {
       c.arrays[kTargets] = {ElementType::kF32, {12, 0}, {}};
     },
     "has rows of 0 values, not 2"},
    {"unwritten",
     [](ShardContent& c) {
       c.arrays[kTargets] = {ElementType::kF32, {12, 2}, {}};
     },
     "do not lie in the file in one piece"}};

INSTANTIATE_TEST_SUITE_P(targets, DamagedTargets, testing::ValuesIn(kDamages),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(targets, a_link_to_another_file_is_not_followed) {
  const TempFolder folder, other;
  write_shard(folder / "a.h5", synthetic_shard(small(), 0));
  write_shard(other / "b.h5", synthetic_shard(small(), 0));
  const hid_t file = H5Fopen((folder / "a.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  H5Ldelete(file, kTargets, H5P_DEFAULT);
  H5Lcreate_external((other / "b.h5").c_str(), kTargets, file, kTargets, H5P_DEFAULT, H5P_DEFAULT);
  H5Fclose(file);
  EXPECT_THAT(complaint(folder), HasSubstr("is a link to somewhere else"));
}

TEST(targets, all_shards_of_a_set_have_the_same) {
  SyntheticOptions options = small();
  options.shards = 2;
  const ShardContent first = synthetic_shard(options, 0);
  const auto complaint_with = [&](std::int64_t targets, const std::string& name) {
    const TempFolder folder;
    options.targets = targets;
    ShardContent second = synthetic_shard(options, 1);
    if (!name.empty()) replace(second.header, "\"y1\"", name);
    write_shard(folder / "a.h5", first);
    write_shard(folder / "b.h5", second);
    const std::string found = complaint(folder);
    if (!found.empty()) {
      EXPECT_THAT(found, AllOf(HasSubstr(folder / "a.h5"), HasSubstr(folder / "b.h5"),
                               HasSubstr("name the shards of one data set only")));
    }
    return found;
  };
  EXPECT_EQ(complaint_with(2, ""), "");
  EXPECT_THAT(complaint_with(3, ""), HasSubstr("has the targets y0, y1, y2, but"));
  EXPECT_THAT(complaint_with(2, "\"z\""), HasSubstr("has the targets y0, z, but"));
  EXPECT_THAT(complaint_with(0, ""), HasSubstr("has no targets, but"));
}

TEST(targets, do_not_depend_on_the_modalities_in_use) {
  const TempFolder folder;
  SyntheticOptions options = small();
  options.modalities = {"text", "vector"};
  write_synthetic_shards(folder.path(), options);
  const auto all = open(folder), some = open(folder, {"text"});
  for (std::int64_t i = 0; i < 12; ++i) EXPECT_EQ(all->target(i)[1], some->target(i)[1]);
}

TEST(target_names, are_texts_and_each_is_there_once) {
  const std::string header = synthetic_shard(small(), 0).header;
  EXPECT_THAT(parse_shard_header(header, "a.h5").targets, testing::ElementsAre("y0", "y1"));
  const std::vector<std::pair<std::string, const char*>> changes = {
      {"[]", "does not list 1 to 65536 'targets'"},
      {"{}", "does not list 1 to 65536 'targets'"},
      {"2", "does not list 1 to 65536 'targets'"},
      {"null", "does not list 1 to 65536 'targets'"},
      {"[1, 2]", "has 'targets' that are not texts"},
      {R"(["a", ""])", "names a target with 0 bytes"},
      {R"([")" + std::string(65, 'a') + R"("])", "names a target with 65 bytes"},
      {R"(["a", "a"])", "names target 'a' twice"}};
  for (const auto& [value, expected] : changes) {
    std::string text = header;
    replace(text, R"(["y0", "y1"])", value);
    try {
      parse_shard_header(text, "a.h5");
      ADD_FAILURE() << "accepted " << value;
    } catch (const UserError& problem) {
      EXPECT_THAT(problem.what(), AllOf(HasSubstr("'a.h5'"), HasSubstr(expected)));
    }
  }
}

}  // namespace
}  // namespace cuttle
