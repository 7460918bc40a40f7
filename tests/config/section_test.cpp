#include "cuttle/config/section.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "config/config_support.hpp"
#include "cuttle/config/type.hpp"

namespace cuttle {
namespace {

using testing::ElementsAre;

/// A member of every type that a key can stand for.
struct Everything {
  bool flag = false;
  int count = 1;
  std::int64_t size = 2;
  std::uint64_t seed = 3;
  double rate = 0.5;
  std::string note = "none";
  std::vector<std::string> names{"a"};
  Section norm{"batch"};
  void keys(Keys& keys) {
    keys.add("flag", flag, anything(), "a truth value");
    keys.add("count", count, between(1, 9), "a small number");
    keys.add("size", size, at_least(1), "a number");
    keys.add("seed", seed, anything(), "a seed");
    keys.add("rate", rate, above(0), "a fraction");
    keys.add("note", note, anything(), "a text");
    keys.add("names", names, plain_word(), "texts");
    keys.choose("norm", norm, "norm", "a choice");
  }
};

std::string refusal(const Section& section) {
  return message_of([&] { options_of<Everything>(section); });
}

TEST(Section, WithoutValuesHasTheDefaults) {
  const auto options = options_of<Everything>("any");
  EXPECT_FALSE(options.flag);
  EXPECT_EQ(options.note, "none");
  EXPECT_THAT(options.names, ElementsAre("a"));
  EXPECT_EQ(options.norm.type, "batch");
}

TEST(Section, ValuesAreReadAsYamlWritesThem) {
  const auto options = options_of<Everything>({"any",
                                               {{"flag", "true"},
                                                {"count", "9"},
                                                {"size", "+7"},
                                                {"seed", "18446744073709551615"},
                                                {"rate", "1e-3"},
                                                {"note", "\"a: b\""},
                                                {"names", "[b, \"c\"]"}}});
  EXPECT_TRUE(options.flag);
  EXPECT_EQ(options.count, 9);
  EXPECT_EQ(options.size, 7);
  EXPECT_EQ(options.seed, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(options.rate, 0.001);
  EXPECT_EQ(options.note, "a: b");
  EXPECT_THAT(options.names, ElementsAre("b", "c"));
}

TEST(Section, KeysOfOthersArePassedBy) {
  EXPECT_EQ(refusal({"any", {{"of_another_type", "[[["}, {"size", "3"}}}), "");
}

TEST(Section, BadValuesAreNamedByTheirKey) {
  EXPECT_EQ(refusal({"any", {{"count", "ten"}}}),
            "count of any must be a whole number, found text \"ten\"");
  EXPECT_EQ(refusal({"any", {{"count", "10"}}}), "count of any is 10; must be 1 to 9");
  EXPECT_EQ(refusal({"any", {{"rate", "\"1\""}}}),
            "rate of any must be a number, found text \"1\"; remove the quotes");
  EXPECT_EQ(refusal({"any", {{"note", ""}}}),
            "note of any must be text, found nothing; write \"\" for no text");
  EXPECT_THAT(refusal({"any", {{"names", "[a"}}}), testing::StartsWith("names of any "));
  EXPECT_THAT(refusal({"any", {{"note", "*a"}}}), testing::StartsWith("note of any anchors (&)"));
}

TEST(Section, AChoiceInsideGetsTheSameValues) {
  const auto options =
      options_of<Everything>({"any", {{"norm", "running"}, {"norm_momentum", "0.25"}}});
  EXPECT_EQ(options.norm.type, "running");
  EXPECT_EQ(options_of<stand_in::RunningNorm>(options.norm).momentum, 0.25);
  EXPECT_EQ(message_of([] {
              const auto bad = options_of<Everything>({"any", {{"norm_momentum", "2"}}});
              options_of<stand_in::RunningNorm>(bad.norm);
            }),
            "norm_momentum of batch is 2; must be above 0, up to 1");
}

TEST(Section, ReadsIntoWhatItIsTold) {
  double rate = 1;
  read_section({"any", {{"rate", "2"}, {"width", "x"}}},
               [&](Keys& keys) { keys.add("rate", rate, anything(), "a number"); });
  EXPECT_EQ(rate, 2.0);
}

TEST(TypeInfo, KnowsItsKeys) {
  const TypeInfo type{"", "", keys_of<Everything>()};
  EXPECT_TRUE(has_key(type, "flag"));
  EXPECT_TRUE(has_key(type, "norm"));
  EXPECT_FALSE(has_key(type, "norm_momentum"));
  EXPECT_FALSE(has_key(type, "fla"));
  EXPECT_FALSE(has_key(type, ""));
  EXPECT_TRUE(has_key(type, "norm_momentum", small_catalog()));
  EXPECT_FALSE(has_key(type, "width", small_catalog()));
}

TEST(TypeInfo, DescribesItsKeysInTheirOrder) {
  std::vector<std::string> lines;
  for (const KeyInfo& key : describe_keys({"", "", keys_of<Everything>()}))
    lines.push_back(key.name + ": " + key.usual + " (" + key.range + ") " + key.help);
  EXPECT_THAT(lines, ElementsAre("flag: false () a truth value", "count: 1 (1 to 9) a small number",
                                 "size: 2 (1 or more) a number", "seed: 3 () a seed",
                                 "rate: 0.5 (above 0) a fraction", "note: none () a text",
                                 "names: [a] () texts", "norm: batch (a norm) a choice"));
}

TEST(TypeInfo, HasNoKeysUnlessTold) {
  const TypeInfo type{"a summary", ""};
  EXPECT_THAT(describe_keys(type), testing::IsEmpty());
  EXPECT_FALSE(has_key(type, "flag"));
  Catalog catalog = small_catalog();
  catalog["head"]["mine"] = type;
  EXPECT_EQ(read("model: {head: mine}", {}, catalog).model.head.type, "mine");
}

struct Product {
  virtual ~Product() = default;
  virtual std::int64_t size() const = 0;
};
struct Request {
  Section section;
  int factor;
};
struct Part final : Product {
  using Options = Everything;
  Part(const Request& request, const Options& options) : size_(request.factor * options.size) {}
  std::int64_t size() const override { return size_; }
  std::int64_t size_;
};
using PartType = Type<Product, Request>;

TEST(Type, MakesItsPartFromTheSection) {
  const auto row = type_of<Part, PartType>("a part", "Somebody 2020");
  EXPECT_EQ(row.summary, "a part");
  EXPECT_EQ(row.source, "Somebody 2020");
  EXPECT_TRUE(has_key(row, "rate"));
  EXPECT_EQ(row.make({{"part", {{"size", "5"}}}, 3})->size(), 15);
  EXPECT_EQ(message_of([&] { row.make({{"part", {{"size", "0"}}}, 3}); }),
            "size of part is 0; must be 1 or more");
}

TEST(Type, IsFoundByNameOrTheNamesAreListed) {
  const Types<Product, Request> types{{"one", type_of<Part, PartType>("first", "")},
                                      {"two", type_of<Part, PartType>("second", "")}};
  EXPECT_EQ(find_type(types, "parts.a.type", "two").summary, "second");
  EXPECT_EQ(message_of([&] { find_type(types, "parts.a.type", "three"); }),
            "parts.a.type: 'three' is unknown; there are one, two");
  EXPECT_EQ(infos_of(types).at("one").summary, "first");
}

}  // namespace
}  // namespace cuttle
