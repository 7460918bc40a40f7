#include "cuttle/data/dataset.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <thread>

#include "cuttle/core/error.hpp"
#include "data/open_files.hpp"
#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

using testing::ElementsAre;

std::unique_ptr<Dataset> open(const TempFolder& folder,
                              const std::vector<std::string>& modalities = {},
                              bool in_memory = false) {
  DataOptions options;
  options.shards = {folder / "*.h5"};
  options.modalities = modalities;
  options.in_memory = in_memory;
  return Dataset::open(options);
}

template <class T>
std::vector<T> values_of(const ShardArray& array) {
  std::vector<T> values(array.bytes.size() / sizeof(T));
  std::copy(array.bytes.begin(), array.bytes.end(), reinterpret_cast<std::uint8_t*>(values.data()));
  return values;
}

/// The bytes of each sample of a modality, straight from what was written; one empty entry per
/// missing sample.
std::vector<std::vector<std::uint8_t>> written_bytes(const ShardContent& content,
                                                     const std::string& name) {
  const std::string group = "/modalities/" + name;
  const ShardArray& data = content.arrays.at(group + "/data");
  std::size_t element = data.dims[0] == 0 ? 0 : data.bytes.size() / data.dims[0];
  std::vector<std::vector<std::uint8_t>> all;
  std::size_t row = 0;
  for (const std::uint8_t present : content.arrays.at(group + "/present").bytes) {
    all.emplace_back();
    if (!present) continue;
    std::size_t first = row, end = row + 1;
    if (content.arrays.count(group + "/offsets")) {
      const auto offsets = values_of<std::int64_t>(content.arrays.at(group + "/offsets"));
      first = offsets[row];
      end = offsets[row + 1];
    }
    all.back().assign(data.bytes.begin() + first * element, data.bytes.begin() + end * element);
    ++row;
  }
  return all;
}

TEST(dataset, gives_back_every_kind_as_written) {
  SyntheticOptions options;
  options.missing_rate = 0.3;
  options.modalities.push_back("video");
  options.modalities.push_back("graph");
  for (const bool in_memory : {false, true}) {
    const TempFolder folder;
    write_synthetic_shards(folder.path(), options);
    const auto data = open(folder, {}, in_memory);
    ASSERT_EQ(data->modalities().size(), 7u);
    ASSERT_EQ(data->samples().size(), 20u * 12u);
    std::int64_t sample = 0, missing = 0;
    for (int shard = 0; shard < options.shards; ++shard) {
      const ShardContent content = synthetic_shard(options, shard);
      std::vector<std::vector<std::vector<std::uint8_t>>> expected;
      for (const std::string& name : options.modalities)
        expected.push_back(written_bytes(content, name));
      for (std::size_t i = 0; i < expected[0].size(); ++i, ++sample) {
        EXPECT_EQ(data->samples()[sample].complete, data->samples()[sample].present == 127u);
        for (std::size_t m = 0; m < 7; ++m) {
          const bool present = data->samples()[sample].present >> m & 1;
          ASSERT_EQ(present, !expected[m][i].empty());
          missing += !present;
          if (!present) continue;
          std::vector<std::uint8_t> bytes = {42};  // read appends
          EXPECT_EQ(data->read(sample, m, bytes), static_cast<std::int64_t>(expected[m][i].size()));
          expected[m][i].insert(expected[m][i].begin(), 42);
          EXPECT_EQ(bytes, expected[m][i]) << "sample " << sample << " modality " << m;
        }
      }
    }
    EXPECT_GT(missing, 310);
    EXPECT_LT(missing, 560);  // about 0.3 of 1680, less those that are kept
  }
}

TEST(dataset, declares_the_modalities_of_the_header) {
  const TempFolder folder;
  SyntheticOptions options;
  options.modalities.push_back("video");
  options.modalities.push_back("graph");
  write_synthetic_shards(folder.path(), options);
  const auto data = open(folder);
  const auto& specs = data->modalities();
  EXPECT_EQ(specs[0].kind, ModalityKind::kImage);
  EXPECT_THAT(specs[0].shape, ElementsAre(12, 12, 1));
  EXPECT_THAT(specs[0].mean, ElementsAre(0.5f));
  EXPECT_THAT(specs[0].stddev, ElementsAre(0.25f));
  EXPECT_EQ(specs[1].kind, ModalityKind::kText);
  EXPECT_TRUE(specs[1].shape.empty());
  EXPECT_EQ(specs[2].sample_rate, 8000.0);
  EXPECT_THAT(specs[3].shape, ElementsAre(2));
  EXPECT_THAT(specs[4].shape, ElementsAre(8));
  EXPECT_EQ(specs[5].kind, ModalityKind::kVideo);
  EXPECT_THAT(specs[5].shape, ElementsAre(12, 12, 1));
  EXPECT_EQ(specs[5].most_frames, 4);
  EXPECT_EQ(specs[0].most_frames, 0);
  EXPECT_EQ(specs[6].kind, ModalityKind::kGraph);
  EXPECT_THAT(specs[6].shape, ElementsAre(2));
  EXPECT_FALSE(specs[6].directed);
  std::vector<std::int64_t> bytes;
  for (const ModalitySpec& spec : specs) bytes.push_back(spec.element_bytes());
  EXPECT_THAT(bytes, ElementsAre(1, 1, 2, 4, 4, 1, 1));
}

TEST(dataset, joins_classes_and_groups_of_all_shards) {
  const TempFolder folder;
  write_synthetic_shards(folder.path(), {});
  const auto data = open(folder);
  EXPECT_EQ(data->class_names().size(), 20u);
  EXPECT_EQ(data->group_names().size(), 4u);
  EXPECT_EQ(data->classes_of(Split::kTrain).size(), 8u);
  EXPECT_THAT(data->classes_of(Split::kTest), ElementsAre(14, 15, 16, 17, 18, 19));
  std::set<std::int64_t> seen;
  for (std::int32_t c = 0; c < 20; ++c) {
    const auto samples = data->samples_of(c);
    EXPECT_EQ(samples.size(), 12u);
    EXPECT_TRUE(std::is_sorted(samples.begin(), samples.end()));
    std::set<std::string> names;
    for (const std::int64_t sample : samples) {
      EXPECT_EQ(data->samples()[sample].class_id, c);
      names.insert(data->sample_name(sample));
      seen.insert(sample);
    }
    EXPECT_EQ(names.count(fmt::format("class_{:03}/0", c)), 1u);   // from the first shard
    EXPECT_EQ(names.count(fmt::format("class_{:03}/11", c)), 1u);  // from the second
  }
  EXPECT_EQ(seen.size(), 240u);
}

TEST(dataset, uses_the_modalities_asked_for_in_their_order) {
  const TempFolder folder;
  write_synthetic_shards(folder.path(), {});
  const auto all = open(folder), some = open(folder, {"vector", "text"});
  ASSERT_EQ(some->modalities().size(), 2u);
  EXPECT_EQ(some->modalities()[0].name, "vector");
  EXPECT_EQ(some->samples()[0].present, 3u);
  std::vector<std::uint8_t> a, b;
  all->read(7, 4, a);
  some->read(7, 0, b);
  EXPECT_EQ(a, b);
}

TEST(dataset, complete_counts_the_modalities_that_are_not_in_use_too) {
  const TempFolder folder;
  SyntheticOptions options;
  options.missing_rate = 0.3;
  write_synthetic_shards(folder.path(), options);
  const auto all = open(folder), some = open(folder, {"vector"});
  int complete = 0;
  for (std::size_t i = 0; i < all->samples().size(); ++i) {
    EXPECT_EQ(some->samples()[i].complete, all->samples()[i].complete);
    complete += all->samples()[i].complete;
  }
  EXPECT_GT(complete, 0);
  EXPECT_LT(complete, 200);
}

TEST(dataset, unlabelled_samples_belong_to_no_class) {
  const TempFolder folder;
  SyntheticOptions options;
  options.shards = 1;
  ShardContent content = synthetic_shard(options, 0);
  content.arrays["/samples/class"].bytes.assign(240 * 4, 0xFF);
  write_shard(folder / "a.h5", content);
  const auto data = open(folder);
  EXPECT_EQ(data->samples()[5].class_id, -1);
  for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest}) {
    EXPECT_TRUE(data->classes_of(split).empty());
  }
  EXPECT_TRUE(data->samples_of(0).empty());
}

TEST(dataset, fingerprint_tells_contents_apart_not_paths) {
  const TempFolder a, b, c, d;
  SyntheticOptions options;
  write_synthetic_shards(a.path(), options);
  write_synthetic_shards(b.path(), options);
  options.seed = 2;  // other bytes of the same shapes
  options.modalities = {"image", "vector"};
  write_synthetic_shards(c.path(), options);
  options.seed = 3;
  write_synthetic_shards(d.path(), options);
  const std::string expected = open(a)->fingerprint();
  EXPECT_EQ(expected.size(), 64u);
  EXPECT_EQ(open(b)->fingerprint(), expected);
  EXPECT_NE(open(d)->fingerprint(), open(c)->fingerprint());
  EXPECT_NE(open(a, {"image"})->fingerprint(), expected);
}

TEST(dataset, reads_from_many_threads_at_once) {
  const TempFolder folder;
  write_synthetic_shards(folder.path(), {});
  const auto data = open(folder);
  std::vector<std::vector<std::uint8_t>> results(4);
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back([&] {
      for (std::int64_t i = 0; i < 240; ++i) data->read(i, i % 5, result);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, results[0]);
}

TEST(dataset, empty_columns_and_zero_length_samples_are_fine) {
  const TempFolder folder;
  SyntheticOptions options;
  options.shards = 1;
  options.modalities = {"image", "text"};
  ShardContent content = synthetic_shard(options, 0);
  content.arrays["/modalities/text/present"].bytes.assign(240, 0);
  content.arrays["/modalities/text/crc32"] = {ElementType::kU32, {0}, {}};
  content.arrays["/modalities/text/offsets"] = {
      ElementType::kI64, {1}, std::vector<std::uint8_t>(8, 0)};
  content.arrays["/modalities/text/data"] = {ElementType::kU8, {0}, {}};
  write_shard(folder / "a.h5", content);
  EXPECT_EQ(open(folder)->samples()[0].present, 1u);
  EXPECT_EQ(open(folder, {"text"}, true)->samples()[0].present, 0u);
}

TEST(open_files, holds_no_more_than_its_limit) {
  const TempFolder folder;
  SyntheticOptions options;
  options.shards = 12;
  OpenFiles files(write_synthetic_shards(folder.path(), options), 3);
  const auto open_now = [] {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  const auto before = open_now();
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < 12; ++i) {
      char signature[9] = {};
      files.read_at(i, 0, signature, 8);
      EXPECT_STREQ(signature + 1, "HDF\r\n\x1a\n");
    }
  }
  EXPECT_EQ(open_now() - before, 3);
}

TEST(split, names_go_both_ways) {
  for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest}) {
    EXPECT_EQ(split_from(to_string(split)), split);
  }
  try {
    split_from("tets");
    FAIL();
  } catch (const UserError& problem) {
    EXPECT_THAT(problem.what(), testing::HasSubstr("did you mean 'test'?"));
  }
}

}  // namespace
}  // namespace cuttle
