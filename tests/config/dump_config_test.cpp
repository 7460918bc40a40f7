#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <regex>
#include <sstream>
#include <type_traits>

#include "config/config_schema.hpp"
#include "config/config_support.hpp"
#include "cuttle/core/random.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Converts to anything, so that an aggregate can be tried with n of them.
struct Anything {
  template <class T>
  operator T() const;
};
template <class T, class Tuple, class = void>
struct TakesAll : std::false_type {};
template <class T, class... Args>
struct TakesAll<T, std::tuple<Args...>, std::void_t<decltype(T{std::declval<Args>()...})>>
    : std::true_type {};

/// How many members the options struct T has, as the compiler sees it.
template <class T, class... Args>
constexpr std::size_t member_count() {
  if constexpr (TakesAll<T, std::tuple<Args..., Anything>>::value) {
    return member_count<T, Args..., Anything>();
  } else {
    return sizeof...(Args);
  }
}

/// Keys directly below `section` in the documented defaults; commented-out examples count.
std::size_t keys_below(const std::string& section) {
  std::istringstream dump(dump_config(RunConfig(), true));
  const auto depth =
      section.empty() ? 0 : 2 * (std::count(section.begin(), section.end(), '.') + 1);
  std::string line;
  std::vector<std::string> path;
  std::size_t count = 0;
  while (std::getline(dump, line)) {
    std::smatch match;
    if (!std::regex_search(line, match, std::regex("^#?( *)([a-z0-9_]+):"))) continue;
    const std::size_t level = match[1].length() / 2;
    path.resize(level);
    std::string parent;
    for (const std::string& part : path) parent += (parent.empty() ? "" : ".") + part;
    if (parent == section && match[1].length() == depth) ++count;
    path.push_back(match[2]);
  }
  return count;
}

TEST(DumpConfig, EveryMemberOfEveryOptionsStructHasItsKey) {
  EXPECT_EQ(keys_below(""), member_count<RunConfig>());
  EXPECT_EQ(keys_below("data"), member_count<DataOptions>());
  EXPECT_EQ(keys_below("episode"), member_count<EpisodeOptions>());
  EXPECT_EQ(keys_below("model"), member_count<ModelOptions>());
  EXPECT_EQ(keys_below("model.encoders.image"), member_count<EncoderOptions>());
  EXPECT_EQ(keys_below("adapt"), member_count<AdaptOptions>());
  EXPECT_EQ(keys_below("step"), member_count<StepOptions>());
  EXPECT_EQ(keys_below("reduce"), member_count<ReduceOptions>());
  EXPECT_EQ(keys_below("train"), member_count<TrainOptions>());
  EXPECT_EQ(keys_below("evaluation"), member_count<EvaluationOptions>());
  EXPECT_EQ(keys_below("comm"), member_count<CommOptions>());
}

TEST(DumpConfig, MemberCountCounts) {
  struct Three {
    std::string a = "x";
    double b = 1, c = 2;
  };
  EXPECT_EQ(member_count<Three>(), 3u);
}

TEST(DumpConfig, NoTwoKeysShareAMember) {
  RunConfig config;
  config.model.encoders["image"];
  const ConfigSchema schema(config);
  std::set<const void*> members;
  for (const ConfigItem& item : schema.items()) {
    if (item.kind != ConfigItem::Kind::kField) continue;
    const void* member = std::visit([](auto* value) -> const void* { return value; }, item.target);
    EXPECT_TRUE(members.insert(member).second) << item.key;
  }
}

TEST(DumpConfig, EveryDocumentedKeyHasAComment) {
  std::istringstream dump(dump_config(RunConfig(), true));
  std::string line;
  while (std::getline(dump, line)) {
    if (line.empty() || line == "#    image:") continue;
    EXPECT_NE(line.find(" # "), std::string::npos) << line;
  }
}

TEST(DumpConfig, DefaultsReadBackBothWays) {
  for (const bool documented : {false, true}) {
    const RunConfig back = read(dump_config(RunConfig(), documented));
    EXPECT_TRUE(compare_configs(RunConfig(), back).empty());
  }
}

TEST(DumpConfig, TheCommentedExampleWorksWhenUncommented) {
  const std::string dump = dump_config(RunConfig(), true);
  const RunConfig config = read(std::regex_replace(dump, std::regex("\n#"), "\n"));
  ASSERT_EQ(config.model.encoders.count("image"), 1u);
  EXPECT_EQ(config.model.encoders.at("image").width, EncoderOptions().width);
}

TEST(DumpConfig, TheResolvedConfigHasNoComments) {
  const std::string dump = dump_config(RunConfig());
  EXPECT_THAT(dump, Not(HasSubstr("#")));
  EXPECT_THAT(dump, HasSubstr("\n  encoders: {}\n"));
  EXPECT_THAT(dump, HasSubstr("\n  epsilon: 1.0e-08\n"));
  EXPECT_THAT(dump, HasSubstr("\n  deadline_s: 300.0\n"));
}

TEST(DumpConfig, NumbersKeepEveryBit) {
  Random random({7, Stream::kTesting, 0, 0});
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t bits = (std::uint64_t{random.bits()} << 32 | random.bits()) & ~(1ull << 63);
    double value;
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value) || value < std::numeric_limits<double>::min()) continue;
    RunConfig config;
    config.adapt.inner_lr = value;
    config.seed = bits;
    const RunConfig back = read(dump_config(config));
    ASSERT_EQ(std::memcmp(&back.adapt.inner_lr, &value, sizeof value), 0) << value;
    ASSERT_EQ(back.seed, bits);
  }
}

TEST(DumpConfig, ExtremeNumbers) {
  for (const double value : {std::numeric_limits<double>::max(), std::numeric_limits<double>::min(),
                             std::numeric_limits<double>::denorm_min(), 1e22, 123456789012345680.0,
                             0.1, 1.0 / 3, 5e-324}) {
    RunConfig config;
    config.step.outer_lr = value;
    EXPECT_EQ(read(dump_config(config)).step.outer_lr, value);
  }
}

TEST(DumpConfig, TextsThatLookLikeSomethingElse) {
  const std::vector<std::string> texts = {"null",
                                          "~",
                                          "true",
                                          "no",
                                          "5",
                                          "1e3",
                                          ".5",
                                          ".inf",
                                          "-",
                                          "- a",
                                          "a: b",
                                          "a #b",
                                          "#a",
                                          "*a",
                                          "&a",
                                          "!a",
                                          "%a",
                                          "@a",
                                          "`a`",
                                          "'",
                                          "\"",
                                          "it's",
                                          "\"quoted\"",
                                          "back\\slash",
                                          "[a]",
                                          "{a}",
                                          "a,b",
                                          "a]",
                                          " lead",
                                          "trail ",
                                          "?",
                                          "? a",
                                          "|",
                                          ">",
                                          "---",
                                          "...",
                                          "a:",
                                          ":",
                                          "a\\nb",
                                          "caf\xC3\xA9",
                                          "\xF0\x9F\x90\x99",
                                          ".data/*.h5",
                                          "../x",
                                          "/tmp/[0-9]?.h5",
                                          "=",
                                          "<<",
                                          "Null"};
  RunConfig config;
  config.data.shards = texts;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    config.model.encoders["image"].extra["k" + std::to_string(i)] = texts[i];
  }
  config.model.encoders["null"].type = "lab.x";
  config.model.encoders["5"].depth = 2;
  config.model.encoders["-"].extra["no"] = "";
  for (const bool documented : {false, true}) {
    const RunConfig back = read(dump_config(config, documented));
    EXPECT_EQ(back.data.shards, texts);
    EXPECT_EQ(back.model.encoders.size(), 4u);
    EXPECT_TRUE(compare_configs(config, back).empty());
  }
  for (const std::string& text : texts) {
    RunConfig single;
    single.train.init_from = text;
    EXPECT_EQ(read(dump_config(single)).train.init_from, text);
  }
}

TEST(DumpConfig, WritingTwiceGivesTheSameText) {
  const std::string once = dump_config(read("model: {encoders: {b: {}, a: {width: 3}}}"), true);
  EXPECT_EQ(dump_config(read(once), true), once);
}

}  // namespace
}  // namespace cuttle
