#include "data/shard_header.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cuttle/core/error.hpp"
#include "data/utf8.hpp"

namespace cuttle {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const char* const kHeader =
    R"({"dataset": "d", "source": "s", "license": "l", "created_by": "c", )"
    R"("seed": 3, "shard": 1, "shards": 2,)"
    R"( "modalities": [{"name": "eye", "kind": "image", "shape": [4, 5, 3], "sample_rate": 0,)"
    R"( "mean": [0.1, 0.2, 0.3], "stddev": [1, 2, 3]},)"
    R"( {"name": "ear", "kind": "audio", "shape": [], "sample_rate": 16000, "mean": [], "stddev": []}]})";

TEST(shard_header, reads_what_is_there) {
  const ShardHeader header = parse_shard_header(kHeader, "a.h5");
  EXPECT_EQ(header.dataset, "d");
  EXPECT_EQ(header.shard, 1);
  EXPECT_EQ(header.shards, 2);
  ASSERT_EQ(header.modalities.size(), 2u);
  EXPECT_THAT(header.modalities[0].shape, ElementsAre(4, 5, 3));
  EXPECT_THAT(header.modalities[0].stddev, ElementsAre(1, 2, 3));
  EXPECT_EQ(header.modalities[1].kind, ModalityKind::kAudio);
  EXPECT_EQ(header.modalities[1].sample_rate, 16000);
}

TEST(shard_header, keeps_the_columns_that_a_sense_was_made_of) {
  std::string text = kHeader;
  text.replace(text.find(R"("sample_rate": 0)"), 0, R"("columns": ["r", "g", "b"], )");
  const auto modalities = parse_shard_header(text, "a.h5").modalities;
  EXPECT_THAT(modalities[0].columns, ElementsAre("r", "g", "b"));
  EXPECT_TRUE(modalities[1].columns.empty());
}

TEST(shard_header, keeps_categories_and_whether_there_are_holes) {
  const auto read = [](const std::string& kind, const std::string& rest) {
    const std::string text =
        R"({"dataset": "d", "source": "s", "license": "l", "created_by": "c", )"
        R"("seed": 0, "shard": 0, "shards": 1, "modalities": [{"name": "x", )"
        R"("kind": ")" +
        kind + R"(", "shape": [2], "sample_rate": 0, "mean": [], "stddev": [])" + rest + "}]}";
    return parse_shard_header(text, "a.h5").modalities[0];
  };
  const std::string coded = R"(, "columns": [{"name": "sex", "categories": ["f", "m"]}, "age"])";
  const ModalitySpec spec = read("vector", coded);
  EXPECT_THAT(spec.columns, ElementsAre("sex", "age"));
  EXPECT_THAT(spec.categories, ElementsAre(ElementsAre("f", "m"), ElementsAre()));
  EXPECT_TRUE(spec.holes);
  EXPECT_TRUE(read("series", R"(, "holes": true)").holes);
  const ModalitySpec plain = read("vector", R"(, "columns": ["a", "b"], "holes": false)");
  EXPECT_TRUE(plain.categories.empty() && !plain.holes);
  const std::vector<std::array<std::string, 3>> wrong = {
      {"series", coded, "which only columns of a vector have"},
      {"vector", R"(, "columns": [{"name": "sex", "categories": ["f"]}])",
       "only columns of a vector"},
      {"vector", R"(, "columns": [{"name": "sex"}, "age"])", "has no 'categories'"},
      {"vector", R"(, "columns": [{"categories": []}, "age"])", "has no 'name'"},
      {"vector", R"(, "columns": [{"name": 1, "categories": []}, "age"])", "that are not texts"},
      {"vector", R"(, "columns": [{"name": "s", "categories": [7]}, "age"])", "that are not texts"},
      {"vector", R"(, "columns": [{"name": "s", "categories": 7}, "age"])", "not a list"},
      {"vector", R"(, "holes": [[]])", "that it has 'holes': [...]"},
      {"vector", R"(, "holes": 1)", "that it has 'holes': 1"}};
  for (const auto& [kind, rest, expected] : wrong) {
    try {
      read(kind, rest);
      ADD_FAILURE() << "accepted " << rest;
    } catch (const UserError& problem) {
      EXPECT_THAT(problem.what(), HasSubstr(expected));
    }
  }
}

TEST(shard_header, complains_by_name) {
  const std::vector<std::array<std::string, 3>> changes = {
      {R"("dataset": "d")", R"("data": "d")", "has no 'dataset'"},
      {R"("seed": 3)", R"("seed": "3")", "'seed' that is not an integer"},
      {R"("shard": 1)", R"("shard": 2)", "shard 2 of 2"},
      {R"("shards": 2)", R"("shards": 1e30)", "'shards' that is not an integer"},
      {R"("license": "l")", R"("license": 7)", "'license' that is not a text"},
      {R"("name": "ear")", R"("name": "eye")", "names modality 'eye' twice"},
      {R"("name": "ear")", R"("name": "../ear")", "names a modality '../ear'"},
      {R"("name": "ear")", R"("name": "")", "names a modality ''"},
      {R"("kind": "audio")", R"("kind": "smell")", "unknown kind 'smell'"},
      {R"([4, 5, 3])", R"([4, 5])", "shape of 3 numbers for modality 'eye'"},
      {R"([4, 5, 3])", R"([4, 0, 3])", "impossible shape [4,0,3]"},
      {R"([4, 5, 3])", R"([4, [5], 3])", "impossible shape [...]"},
      {R"([4, 5, 3])", R"([1000000000, 1000000000, 1000000000])", "impossible shape"},
      {R"([0.1, 0.2, 0.3])", R"([0.1, 0.2])", "has 2 means but 3"},
      {R"([0.1, 0.2, 0.3], "stddev": [1, 2, 3])", R"([1], "stddev": [1])",
       "1 means for modality 'eye', not 3"},
      {R"([1, 2, 3])", R"([1, 0, 3])", "standard deviation 0"},
      {R"([1, 2, 3])", R"([1, 1e300, 3])", "standard deviation inf"},
      {R"([1, 2, 3])", R"([1, "2", 3])", "not a list of numbers"},
      {R"("sample_rate": 16000)", R"("sample_rate": 0)", "sample rate 0"},
      {R"("sample_rate": 0)", R"("sample_rate": 1)", "sample rate 1"},
      {R"("sample_rate": 16000)", R"("columns": ["a", "b"], "sample_rate": 16000)",
       "names 2 'columns' of modality 'ear', not 1 or 1"},
      {R"("sample_rate": 16000)", R"("columns": [3], "sample_rate": 16000)", "that are not texts"},
      {R"("sample_rate": 16000)", R"("columns": "a", "sample_rate": 16000)", "not a list"},
      {R"("sample_rate": 16000)", R"("most_frames": 3, "sample_rate": 16000)",
       "modality 'ear' of kind audio a number of frames"},
      {R"("sample_rate": 16000)", R"("directed": true, "sample_rate": 16000)",
       "says of modality 'ear' that it is 'directed': true"},
      {R"("sample_rate": 16000)", R"("directed": 1, "sample_rate": 16000)",
       "says of modality 'ear' that it is 'directed': 1"},
      {R"("kind": "audio")", R"("kind": "graph")", "shape of 1 numbers for modality 'ear'"},
      {R"("kind": "image")", R"("most_frames": 0, "kind": "video")", "not an integer of 1 or more"},
      {R"("kind": "audio")", R"("kind": "video")", "shape of 3 numbers for modality 'ear'"},
      {R"("modalities": [)", R"("modalities": [], "more": [)", "does not list 1 to 32 modalities"}};
  for (const auto& [from, to, expected] : changes) {
    std::string text = kHeader;
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
    try {
      parse_shard_header(text, "a.h5");
      ADD_FAILURE() << "accepted " << to;
    } catch (const UserError& problem) {
      EXPECT_THAT(problem.what(), AllOf(HasSubstr("'a.h5'"), HasSubstr(expected)));
    }
  }
}

TEST(shard_header, is_refused_without_recursion_where_lists_nest_deep) {
  const std::size_t depth = 1u << 20;  // on a stack of 8 MB every call would have 8 bytes
  const std::string image = R"([4, 5, 3])",
                    deep = std::string(depth, '[') + std::string(depth, ']');
  for (const std::string& shape : {deep, "[4, 5, " + deep + "]"}) {
    std::string text = kHeader;
    text.replace(text.find(image), image.size(), shape);
    EXPECT_THROW(parse_shard_header(text, "a.h5"), UserError);
  }
}

TEST(utf8, accepts_and_refuses_what_the_standard_does) {
  for (const char* good :
       {"", "plain", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEF\xBF\xBF",
        "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "a\xF0\x9F\xA6\x91z"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xC0\xAF", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xC3", "\xE2\x82", "\xC3z", "ok\xFF"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

}  // namespace
}  // namespace cuttle
