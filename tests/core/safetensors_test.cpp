#include "cuttle/core/safetensors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

using ::testing::HasSubstr;

template <class T>
NamedArray pack(const std::string& name, std::vector<std::int64_t> shape,
                const std::vector<T>& values) {
  return pack_array<T>(name, std::move(shape), values);
}

/// A file with this header and this much data.
std::string file_of(const std::string& header, std::size_t data = 0) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(data, '\1');
}

std::string refusal(const std::string& bytes) {
  try {
    (void)decode_safetensors(bytes, "weights.safetensors");
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("weights.safetensors"));
    return error.what();
  }
  ADD_FAILURE() << "accepted: " << bytes.substr(8, 200);
  return "";
}

TEST(Safetensors, RoundTrip) {
  const std::vector<NamedArray> arrays{
      pack<double>("d", {2}, {1.5, -2.5}), pack<float>("f", {2, 1, 2}, {1.0f, 2.0f, 3.0f, 4.0f}),
      pack<std::int64_t>("scalar", {}, {-7}), pack<std::uint8_t>("u", {3}, {1, 2, 255}),
      pack<float>("empty", {0, 5}, {})};
  const ArrayFile file =
      decode_safetensors(encode_safetensors(arrays, {{"key", "v\"a\nlue"}}), "test");
  EXPECT_EQ(file.metadata, (std::map<std::string, std::string>{{"key", "v\"a\nlue"}}));
  ASSERT_EQ(file.arrays.size(), 5u);
  for (const auto& array : arrays) {
    const auto found =
        std::find_if(file.arrays.begin(), file.arrays.end(),
                     [&](const NamedArray& other) { return other.name == array.name; });
    ASSERT_NE(found, file.arrays.end()) << array.name;
    EXPECT_EQ(found->dtype, array.dtype);
    EXPECT_EQ(found->shape, array.shape);
    EXPECT_EQ(found->bytes, array.bytes);
  }
  EXPECT_EQ(unpack_array<std::int64_t>(file.arrays[1]), std::vector<std::int64_t>{-7});
}

TEST(Safetensors, KnownBytes) {
  const std::string bytes = encode_safetensors({pack<float>("a", {1}, {1.0f})});
  const std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  ASSERT_EQ(bytes.size(), 8 + 56 + 4u);  // the header is padded to a multiple of 8
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x38\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(bytes.substr(8, header.size()), header);
  EXPECT_EQ(bytes.substr(64), std::string("\0\0\x80\x3f", 4));
}

TEST(Safetensors, ArraysKeepTheirOrderAndDataAreAligned) {
  const std::string bytes =
      encode_safetensors({pack<float>("z", {1}, {1}), pack<std::uint8_t>("u", {3}, {1, 2, 3}),
                          pack<float>("a", {1}, {2}), pack<double>("d", {1}, {3})});
  std::vector<std::string> names;
  for (const auto& array : decode_safetensors(bytes, "test").arrays) names.push_back(array.name);
  EXPECT_EQ(names, (std::vector<std::string>{"d", "z", "a", "u"}));
}

TEST(Safetensors, NothingAtAllIsAFile) {
  EXPECT_TRUE(decode_safetensors(encode_safetensors({}), "test").arrays.empty());
}

TEST(Safetensors, EncodeRefusesWhatCouldNotBeRead) {
  const NamedArray good = pack<float>("a", {1}, {1});
  EXPECT_THROW(encode_safetensors({good, good}), Error);
  EXPECT_THROW(encode_safetensors({pack<float>("__metadata__", {1}, {1})}), Error);
  EXPECT_THROW(encode_safetensors({{"a", "F32", {2}, {0, 0, 0, 0}}}), Error);
  EXPECT_THROW(encode_safetensors({{"a", "F31", {1}, {0, 0, 0, 0}}}), Error);
  EXPECT_THROW(encode_safetensors({{"a", "F32", {-1}, {}}}), Error);
  EXPECT_THROW(encode_safetensors({pack<float>("\xff\xfe", {1}, {1})}), Error);
  EXPECT_THROW(unpack_array<double>(good), UserError);
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const std::string whole =
      encode_safetensors({pack<float>("a", {2}, {1, 2}), pack<double>("b", {1}, {3})});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(decode_safetensors(whole.substr(0, size), "test"), UserError) << size;
  }
  EXPECT_THAT(refusal(whole + "x"), HasSubstr("something behind"));
}

TEST(Safetensors, HeaderLengthIsCheckedBeforeItIsUsed) {
  for (const std::uint64_t length :
       {std::uint64_t{100}, std::uint64_t{1} << 40, ~std::uint64_t{0}, ~std::uint64_t{0} - 7}) {
    std::string bytes = file_of("{}");
    std::memcpy(bytes.data(), &length, 8);
    refusal(bytes);
  }
  EXPECT_THAT(refusal(file_of("")), HasSubstr("no header"));
  EXPECT_THAT(refusal(file_of("[1]")), HasSubstr("no header"));
}

struct BadHeader {
  const char* header;
  std::size_t data;
  const char* says;
};

TEST(Safetensors, BadHeadersAreRefusedWithAReason) {
  const std::vector<BadHeader> cases{
      {R"({"a":)", 0, "cannot be read"},
      {R"({"a":1})", 0, "needs dtype"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", 4, "needs dtype"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}})", 4, "nothing else"},
      {R"({"a":{"dtype":5,"shape":[1],"data_offsets":[0,4]}})", 4, "wrong kind"},
      {R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", 4, "wrong kind"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "wrong kind"},
      {R"({"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}})", 4, "unknown dtype 'F33'"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "whole number"},
      {R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4, "whole number"},
      {R"({"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}})", 4, "whole number"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "do not fit"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "do not fit"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", 0,
       "do not fit"},
      {R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]}})", 4,
       "do not fit"},
      {R"({"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}})", 4,
       "whole number"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "overlap or have a hole"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
       6, "overlap or have a hole"},
      {R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})", 4, "truncated"},
      {R"({"a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}})",
       4, "truncated"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
       R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
       1, "'a' appears twice"},
      {R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1,
       "'dtype' appears twice"},
      {R"({"__metadata__":{"a":1}})", 0, "not a text"},
      {R"({"__metadata__":[]})", 0, "not an object"},
      {R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", 1, "nested"},
      {"{\"\xff\":{}}", 0, "cannot be read"}};
  for (const auto& bad : cases) {
    EXPECT_THAT(refusal(file_of(bad.header, bad.data)), HasSubstr(bad.says)) << bad.header;
  }
}

TEST(Safetensors, DeepNestingNeitherOverflowsNorTakesLong) {
  std::string header = "{\"a\":";
  header += std::string(4 << 20, '[');
  EXPECT_THAT(refusal(file_of(header)), HasSubstr("nested"));
}

// Any single damaged byte of a header is refused or gives arrays that still fit the data: never a
// crash.
TEST(Safetensors, DamagedHeadersNeverCrash) {
  const std::string whole = encode_safetensors(
      {pack<float>("a", {2}, {1, 2}), pack<double>("b", {1}, {3})}, {{"k", "v"}});
  for (std::size_t i = 0; i < whole.size() - 16; ++i) {
    for (const int flip : {1, 2, 4, 8, 16, 32, 64, 128}) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      try {
        std::size_t total = 0;
        for (const auto& array : decode_safetensors(bytes, "test").arrays)
          total += array.bytes.size();
        EXPECT_EQ(total, 16u);
      } catch (const UserError&) {
      }
    }
  }
}

TEST(Safetensors, MissingFileIsNamed) {
  try {
    (void)read_safetensors("/nowhere/at all.safetensors");
    ADD_FAILURE();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("/nowhere/at all.safetensors"));
  }
}

}  // namespace
}  // namespace cuttle
