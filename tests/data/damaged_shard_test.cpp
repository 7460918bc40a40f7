#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/random.hpp"
#include "cuttle/data/dataset.hpp"
#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

using testing::AllOf;
using testing::HasSubstr;

SyntheticOptions small() {
  SyntheticOptions options;
  options.classes = {2, 1, 1};
  options.samples_per_class = 3;
  options.shards = 1;
  options.modalities.push_back("video");
  options.modalities.push_back("graph");
  return options;
}

std::unique_ptr<Dataset> open(const std::vector<std::string>& shards,
                              const std::vector<std::string>& modalities = {},
                              bool in_memory = false) {
  DataOptions options;
  options.shards = shards;
  options.modalities = modalities;
  options.in_memory = in_memory;
  return Dataset::open(options);
}

/// The message of the UserError that opening ends with; "" when it does not.
std::string complaint(const std::vector<std::string>& shards,
                      const std::vector<std::string>& modalities = {}) {
  try {
    open(shards, modalities);
  } catch (const UserError& problem) {
    return problem.what();
  }
  return "";
}

template <class T>
void set(ShardContent& content, const std::string& path, std::size_t i, T value) {
  std::memcpy(content.arrays.at(path).bytes.data() + i * sizeof(T), &value, sizeof(T));
}

std::vector<std::uint8_t> bytes_of(const std::string& path) {
  const std::string text = read_file(path, 1u << 30);
  return {text.begin(), text.end()};
}

void write_bytes(const std::string& path, const std::vector<std::uint8_t>& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

struct Damage {
  const char* name;
  std::function<void(ShardContent&)> apply;
  const char* expected;  ///< part of the message
};

std::ostream& operator<<(std::ostream& out, const Damage& damage) {
  return out << damage.name;
}

class Damaged : public testing::TestWithParam<Damage> {};

// The checksum of each of these belongs to the damaged content: it is the content that must be
// refused.
TEST_P(Damaged, is_refused_by_name) {
  const TempFolder folder;
  ShardContent content = synthetic_shard(small(), 0);
  GetParam().apply(content);
  write_shard(folder / "bad.h5", content);
  EXPECT_THAT(complaint({folder / "*.h5"}),
              AllOf(HasSubstr(folder / "bad.h5"), HasSubstr(GetParam().expected)));
  EXPECT_EQ(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), 0);  // nothing of it stays open
}

const std::vector<Damage> kDamages = {
    {"format", [](ShardContent& c) { c.format = "other"; }, "has the format 'other'"},
    {"newer", [](ShardContent& c) { c.version = 2; },
     "version 2, this cuttle reads version 1; use a newer cuttle"},
    {"older", [](ShardContent& c) { c.version = 0; },
     "make the shard again with this cuttle's data_tools"},
    {"lacks_dataset", [](ShardContent& c) { c.arrays.erase("/samples/group"); },
     "has no '/samples/group'"},
    {"lacks_modality", [](ShardContent& c) { c.arrays.erase("/modalities/image/data"); },
     "has no '/modalities/image/data'"},
    {"type",
     [](ShardContent& c) {
       c.arrays["/samples/split"] = {ElementType::kI32, {12}, std::vector<std::uint8_t>(48)};
     },
     "'/samples/split' of the shard"},
    {"rank", [](ShardContent& c) { c.arrays["/samples/class"].dims = {3, 4}; },
     "has 2 dimensions, not 1"},
    {"length",
     [](ShardContent& c) {
       c.arrays["/samples/group"] = {ElementType::kI32, {3}, std::vector<std::uint8_t>(12)};
     },
     "has 3 elements, not 12"},
    {"class_high", [](ShardContent& c) { set<std::int32_t>(c, "/samples/class", 5, 4); },
     "sample 5"},
    {"class_low", [](ShardContent& c) { set<std::int32_t>(c, "/samples/class", 5, -2); },
     "has class -2 of 4"},
    {"group", [](ShardContent& c) { set<std::int32_t>(c, "/samples/group", 2, -1); },
     "has group -1 of 4"},
    {"split", [](ShardContent& c) { set<std::uint8_t>(c, "/samples/split", 1, 3); }, "has split 3"},
    {"two_splits", [](ShardContent& c) { set<std::uint8_t>(c, "/samples/split", 1, 2); },
     "class 'class_000' is in split train"},
    {"presence", [](ShardContent& c) { set<std::uint8_t>(c, "/modalities/text/present", 1, 2); },
     "'/modalities/text/present' of the shard"},
    {"count", [](ShardContent& c) { set<std::uint8_t>(c, "/modalities/image/present", 1, 0); },
     "'/modalities/image/crc32' of the shard"},
    {"descending",
     [](ShardContent& c) { set<std::int64_t>(c, "/modalities/text/offsets", 1, 1 << 20); },
     "'/modalities/text/offsets' of the shard"},
    {"negative", [](ShardContent& c) { set<std::int64_t>(c, "/modalities/audio/offsets", 0, -1); },
     "does not ascend"},
    {"short", [](ShardContent& c) { set<std::int64_t>(c, "/modalities/series/offsets", 12, 5); },
     "does not ascend"},
    {"no_frames",
     [](ShardContent& c) {
       const auto first = c.arrays["/modalities/video/offsets"].bytes[8];
       set<std::int64_t>(c, "/modalities/video/offsets", 2, first);
     },
     "'/modalities/video/offsets' of the shard"},
    {"no_nodes",
     [](ShardContent& c) {
       const auto first = c.arrays["/modalities/graph/offsets"].bytes[8];
       set<std::int64_t>(c, "/modalities/graph/offsets", 2, first);
     },
     "'/modalities/graph/offsets' of the shard"},
    {"frame_shape",
     [](ShardContent& c) {
       auto& dims = c.arrays["/modalities/video/data"].dims;
       dims = {dims[0], 6, 24, 1};
     },
     " x 6 x 24 x 1, its header and index say "},
    {"name_offsets", [](ShardContent& c) { set<std::int64_t>(c, "/classes/offsets", 4, 9999); },
     "'/classes/offsets'"},
    {"no_offsets",
     [](ShardContent& c) { c.arrays["/groups/offsets"] = {ElementType::kI64, {0}, {}}; },
     "'/groups/offsets'"},
    {"utf8", [](ShardContent& c) { set<std::uint8_t>(c, "/classes/names", 0, 0xC0); }, "not UTF-8"},
    {"class_twice", [](ShardContent& c) { set<char>(c, "/classes/names", 17, '0'); },
     "class 'class_000' is twice"},
    {"shape", [](ShardContent& c) { c.arrays["/modalities/image/data"].dims = {12, 6, 24, 1}; },
     "has the shape 12 x 6 x 24 x 1, its header and index say 12 x 12 x 12 x 1"},
    {"huge",
     [](ShardContent& c) { c.arrays["/samples/class"] = {ElementType::kI32, {1ull << 60}, {}}; },
     "'/samples/class' of the shard"},
    {"huge_data",
     [](ShardContent& c) {
       c.arrays["/modalities/audio/data"] = {ElementType::kI16, {1ull << 60}, {}};
     },
     "claims 1152921504606846976 elements"},
    {"no_samples",
     [](ShardContent& c) {
       for (auto& [path, array] : c.arrays) {
         const bool offsets = path.find("offsets") != std::string::npos;
         if (path.rfind("/classes", 0) == 0 || path.rfind("/groups", 0) == 0) continue;
         array.dims[0] = offsets;
         array.bytes.assign(offsets ? 8 : 0, 0);
       }
     },
     "hold no samples"},
    {"header", [](ShardContent& c) { c.header = "{"; }, "is not a JSON object"},
    {"many_brackets", [](ShardContent& c) { c.header = std::string(50000, '['); },
     "is not a JSON object"}};

INSTANTIATE_TEST_SUITE_P(shard, Damaged, testing::ValuesIn(kDamages),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(damaged_shard, all_are_named_at_once) {
  const TempFolder folder;
  std::vector<std::string> paths;
  for (int i = 0; i < 8; ++i) {
    paths.push_back(folder / fmt::format("{}.h5", i));
    std::ofstream(paths.back()) << "no shard";
  }
  write_shard(folder / "0.h5", synthetic_shard(small(), 0));
  std::string said = complaint({paths[0], paths[1], paths[5]});
  EXPECT_THAT(said, AllOf(HasSubstr("1.h5"), HasSubstr("\n"), HasSubstr("5.h5")));
  said = complaint(paths);
  EXPECT_THAT(said, AllOf(HasSubstr("5.h5"), HasSubstr("\nand 2 shards more")));
  EXPECT_EQ(said.find("6.h5"), std::string::npos);
  EXPECT_THAT(complaint({folder / "x*.h5", paths[0], folder / "y.h5"}),
              AllOf(HasSubstr("x*.h5"), HasSubstr("y.h5")));
}

TEST(damaged_shard, truncated_anywhere_is_refused_on_opening) {
  const TempFolder folder;
  write_shard(folder / "whole.h5", synthetic_shard(small(), 0));
  const std::vector<std::uint8_t> whole = bytes_of(folder / "whole.h5");
  EXPECT_EQ(complaint({folder / "whole.h5"}), "");
  for (const double part : {0.0, 0.0001, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.99999}) {
    const auto size = static_cast<std::size_t>(part * static_cast<double>(whole.size()));
    write_bytes(folder / "cut.h5",
                {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    EXPECT_THAT(complaint({folder / "cut.h5"}), HasSubstr(folder / "cut.h5"))
        << size << " of " << whole.size();
  }
}

TEST(damaged_shard, a_flipped_bit_of_data_is_found_when_it_is_read) {
  const TempFolder folder;
  const ShardContent content = synthetic_shard(small(), 0);
  write_shard(folder / "a.h5", content);
  std::vector<std::uint8_t> file = bytes_of(folder / "a.h5");
  const std::vector<std::uint8_t>& image = content.arrays.at("/modalities/image/data").bytes;
  const auto found = std::search(file.begin(), file.end(), image.begin(), image.end());
  ASSERT_NE(found, file.end());
  found[144 * 7 + 3] ^= 0x10;  // of sample 7
  write_bytes(folder / "a.h5", file);
  const auto data = open({folder / "a.h5"});
  std::vector<std::uint8_t> out;
  for (const std::int64_t sample : {6, 8}) EXPECT_EQ(data->read(sample, 0, out), 144);
  try {
    data->read(7, 0, out);
    FAIL();
  } catch (const Error& problem) {
    EXPECT_THAT(problem.what(), AllOf(HasSubstr("the image of sample 7 ('class_002/1')"),
                                      HasSubstr(folder / "a.h5")));
  }
  EXPECT_THROW(open({folder / "a.h5"}, {}, true), Error);
  EXPECT_NO_THROW(open({folder / "a.h5"}, {"text"}, true));
}

TEST(damaged_shard, a_file_cut_after_opening_is_an_error_with_its_name) {
  const TempFolder folder;
  write_shard(folder / "a.h5", synthetic_shard(small(), 0));
  const auto data = open({folder / "a.h5"});
  std::filesystem::resize_file(folder / "a.h5", 100);
  std::vector<std::uint8_t> out;
  try {
    data->read(0, 0, out);
    FAIL();
  } catch (const Error& problem) {
    EXPECT_THAT(problem.what(), AllOf(HasSubstr(folder / "a.h5"), HasSubstr("ends before byte")));
  }
}

// Whatever bit flips: an error that names the file, or the very data that was written. Both of
// HDF5's layouts.
TEST(damaged_shard, random_bit_flips_never_crash_and_never_lie) {
  for (const bool checksummed : {true, false}) {
    const TempFolder folder;
    SyntheticOptions options = small();
    options.modalities = {"image", "text"};
    options.image_side = 4;
    write_shard(folder / "whole.h5", synthetic_shard(options, 0), checksummed);
    const std::vector<std::uint8_t> whole = bytes_of(folder / "whole.h5");
    std::vector<std::uint8_t> expected;
    const auto read_all = [](const Dataset& data, std::vector<std::uint8_t>& out) {
      for (std::int64_t i = 0; i < 12; ++i) {
        for (std::size_t m = 0; m < 2; ++m) data.read(i, m, out);
      }
    };
    read_all(*open({folder / "whole.h5"}), expected);
    Random random(RandomKey{11, Stream::kTesting});
    int refused = 0;
    for (int i = 0; i < 60; ++i) {
      std::vector<std::uint8_t> file = whole;
      std::size_t at = random.below(file.size());  // seldom in the padding, which is most of a file
      while (file[at] == 0 && random.below(8) > 0) at = random.below(file.size());
      file[at] ^= static_cast<std::uint8_t>(1u << random.below(8));
      write_bytes(folder / "flipped.h5", file);
      try {
        std::vector<std::uint8_t> out;
        read_all(*open({folder / "flipped.h5"}), out);
        EXPECT_EQ(out, expected);
      } catch (const Error& problem) {
        EXPECT_THAT(problem.what(), HasSubstr(folder / "flipped.h5"));
        ++refused;
      }
    }
    EXPECT_GT(refused, 20);
  }
}

TEST(damaged_shard, files_that_are_no_shards) {
  const TempFolder folder;
  write_bytes(folder / "empty.h5", {});
  EXPECT_THAT(complaint({folder / "empty.h5"}), HasSubstr("is empty (0 bytes)"));
  write_file_atomically(folder / "text.h5", "not an HDF5 file at all");
  EXPECT_THAT(complaint({folder / "text.h5"}), HasSubstr("text.h5' is not an HDF5 file"));
  EXPECT_THAT(complaint({folder.path()}), HasSubstr("is not a file"));
  EXPECT_THAT(complaint({folder / "nothing*.h5"}),
              HasSubstr("no shard matches '" + (folder / "nothing*.h5")));
  EXPECT_THAT(complaint({}), HasSubstr("data.shards is empty"));
  H5Fclose(H5Fcreate((folder / "other.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
  EXPECT_THAT(complaint({folder / "other.h5"}),
              HasSubstr("no attribute 'format' (it is not a cuttle shard)"));
}

TEST(damaged_shard, links_to_other_files_are_not_followed) {
  const TempFolder folder;
  write_shard(folder / "a.h5", synthetic_shard(small(), 0));
  write_shard(folder / "b.h5", synthetic_shard(small(), 0));
  const hid_t file = H5Fopen((folder / "b.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  H5Ldelete(file, "/modalities/image", H5P_DEFAULT);
  H5Lcreate_external((folder / "a.h5").c_str(), "/modalities/image", file, "/modalities/image",
                     H5P_DEFAULT, H5P_DEFAULT);
  H5Fclose(file);
  EXPECT_THAT(complaint({folder / "b.h5"}),
              HasSubstr("'/modalities/image' of the shard '" + (folder / "b.h5") +
                        "' is a link to somewhere else"));
}

TEST(damaged_shard, chunked_data_is_refused) {
  const TempFolder folder;
  ShardContent content = synthetic_shard(small(), 0);
  content.arrays.erase("/samples/group");
  write_shard(folder / "a.h5", content);
  const hid_t file = H5Fopen((folder / "a.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
  const hsize_t dims = 12;
  H5Pset_chunk(properties, 1, &dims);
  const hid_t space = H5Screate_simple(1, &dims, nullptr);
  const hid_t dataset = H5Dcreate2(file, "/samples/group", H5T_STD_I32LE, space, H5P_DEFAULT,
                                   properties, H5P_DEFAULT);
  const std::vector<std::int32_t> groups(12, 0);
  H5Dwrite(dataset, H5T_STD_I32LE, H5S_ALL, H5S_ALL, H5P_DEFAULT, groups.data());
  H5Dclose(dataset);
  H5Sclose(space);
  H5Pclose(properties);
  H5Fclose(file);
  EXPECT_THAT(complaint({folder / "a.h5"}), HasSubstr("'/samples/group'"));
}

TEST(damaged_shard, shards_that_do_not_belong_together) {
  const TempFolder folder;
  SyntheticOptions options = small();
  write_shard(folder / "a.h5", synthetic_shard(options, 0));
  options.seed = 2;
  options.image_side = 8;
  write_shard(folder / "b.h5", synthetic_shard(options, 0));
  options.modalities = {"text"};
  write_shard(folder / "c.h5", synthetic_shard(options, 0));
  std::filesystem::copy_file(folder / "a.h5", folder / "d.h5");
  EXPECT_THAT(
      complaint({folder / "a.h5", folder / "b.h5"}),
      AllOf(HasSubstr("modality 'image' of the shard '" + (folder / "b.h5")), HasSubstr("shape")));
  EXPECT_THAT(complaint({folder / "a.h5", folder / "c.h5"}),
              HasSubstr("has the modalities text, but"));
  EXPECT_THAT(complaint({folder / "a.h5", folder / "d.h5"}), HasSubstr("are the same"));
  EXPECT_EQ(complaint({folder / "a.h5", folder / "a*.h5"}), "");  // one file, named twice
}

TEST(damaged_shard, a_class_in_two_splits_of_two_shards) {
  const TempFolder folder;
  SyntheticOptions options = small();
  write_shard(folder / "a.h5", synthetic_shard(options, 0));
  options.classes = {1, 2, 1};  // class_001 moves from train to validation
  write_shard(folder / "b.h5", synthetic_shard(options, 0));
  EXPECT_THAT(complaint({folder / "*.h5"}),
              AllOf(HasSubstr("'class_001' is in split train in '" + (folder / "a.h5")),
                    HasSubstr("validation in '" + (folder / "b.h5"))));
}

TEST(damaged_shard, unknown_and_repeated_modalities) {
  const TempFolder folder;
  write_shard(folder / "a.h5", synthetic_shard(small(), 0));
  EXPECT_THAT(complaint({folder / "a.h5"}, {"imgae"}), HasSubstr("did you mean 'image'?"));
  EXPECT_THAT(complaint({folder / "a.h5"}, {"image", "image"}), HasSubstr("names 'image' twice"));
}

}  // namespace
}  // namespace cuttle
