// The registered types as configs see them: every type that cuttle has, by its keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "config/config_schema.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/train/assembly.hpp"

namespace cuttle {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;

const Catalog& all_types() {
  static const Catalog catalog = catalog_of(Extensions{});
  return catalog;
}

/// A config in which every kind of choice is made once.
RunConfig every_choice() {
  RunConfig config;
  config.model.encoders["image"];
  config.objectives["align"];
  config.sources["drawings"];
  return config;
}

/// Chooses, with the ways that go with a target; a source of the episodes stands alone.
RunConfig chosen(RunConfig config, const std::string& choice, const std::string& type) {
  if (choice == "episode.source") config.sources.clear();
  ConfigSchema(config, all_types()).select(choice, type);
  config.episode.way = all_types().at("target").at(config.episode.target.type).of_values
                           ? 1
                           : RunConfig().episode.way;
  return config;
}

struct Choosable {
  std::string choice, type;
};
std::vector<Choosable> choosable_in(RunConfig config) {
  const ConfigSchema schema(config, all_types());
  std::vector<Choosable> all;
  for (const ConfigItem& item : schema.items())
    if (item.kind == ConfigItem::Kind::kChoice)
      for (const auto& type : schema.types_of(item)) all.push_back({item.key, type.first});
  return all;
}

void expect_reads_back(const RunConfig& config) {
  for (const bool documented : {false, true}) {
    const std::string text = dump_config(config, all_types(), documented);
    RunConfig back;
    ASSERT_NO_THROW(back = parse_config(text, "dumped", {}, all_types()));
    EXPECT_THAT(compare_configs(config, back, all_types()), IsEmpty());
    EXPECT_EQ(dump_config(back, all_types(), documented), text);
  }
}

/// Looks at what a type tells of its keys.
class DocumentedKeys final : public Keys {
 public:
  explicit DocumentedKeys(const std::string& type) : type_(type) {}
  void choose(const char* name, Section& value, const char* kind, const char* help) override {
    look_at(name, help);
    ASSERT_EQ(all_types().count(kind), 1u) << type_ << "." << name;
    EXPECT_EQ(all_types().at(kind).count(value.type), 1u) << type_ << "." << name;
  }
  void nest(const char* name, Section& value, const char* kind, const char* help) override {
    choose(name, value, kind, help);
  }

 private:
  void field(const char* name, ConfigTarget, ConfigRule, const char* help, Resume) override {
    look_at(name, help);
  }
  void look_at(const std::string& name, const std::string& help) {
    EXPECT_THAT(name, MatchesRegex("[a-z][a-z0-9_]*")) << type_;
    EXPECT_THAT(help, MatchesRegex(".*[^ .]")) << type_ << "." << name;
    EXPECT_TRUE(names_.insert(name).second) << type_ << "." << name << " is told twice";
  }

  std::string type_;
  std::set<std::string> names_;
};

TEST(Catalog, ATargetsRowSaysWhetherItIsOfValues) {
  for (const auto& [name, row] : builtin_task_kinds()) {
    const Section section(name);
    EXPECT_EQ(row.of_values, row.make({section})->values()) << name;
  }
}

TEST(Catalog, EveryTypeSaysWhatItIsAndDocumentsItsKeys) {
  for (const auto& [kind, types] : all_types()) {
    EXPECT_THAT(types, Not(IsEmpty())) << kind;
    for (const auto& [name, info] : types) {
      SCOPED_TRACE(kind + " " + name);
      EXPECT_THAT(name, MatchesRegex("[a-z][a-z0-9_]*"));
      EXPECT_THAT(info.summary, MatchesRegex("[^\n]*[^\n .]"));
      if (!info.source.empty()) {  // paper and year
        EXPECT_TRUE(std::regex_search(info.source, std::regex("[12][0-9]{3}"))) << info.source;
      }
      ASSERT_TRUE(info.keys);
      DocumentedKeys keys(name);
      info.keys(keys);
    }
  }
}

TEST(Catalog, EveryKindCanBeChosenAndEveryDefaultIsThere) {
  RunConfig config = every_choice();
  const ConfigSchema schema(config, all_types());
  std::set<std::string> kinds;
  for (const ConfigItem& item : schema.items()) {
    if (item.kind != ConfigItem::Kind::kChoice) continue;
    kinds.insert(item.types);
    EXPECT_EQ(schema.types_of(item).count(item.section->type), 1u)
        << item.key << ": " << item.section->type;
  }
  std::set<std::string> known;
  for (const auto& kind : all_types()) known.insert(kind.first);
  kinds.insert("fitted");  // several at once, in a list of words
  EXPECT_EQ(kinds, known);
}

TEST(Catalog, EveryTypeReadsBackAndSoDoesEveryChoiceInside) {
  const RunConfig base = every_choice();
  expect_reads_back(base);
  for (const Choosable& outer : choosable_in(base)) {
    SCOPED_TRACE(outer.choice + ": " + outer.type);
    const RunConfig config = chosen(base, outer.choice, outer.type);
    expect_reads_back(config);
    for (const Choosable& inner : choosable_in(config)) {
      if (inner.choice != "model.encoders.image.norm") continue;
      SCOPED_TRACE(inner.type);
      expect_reads_back(chosen(config, inner.choice, inner.type));
    }
  }
}

TEST(Catalog, NoTwoTypesThatStandTogetherShareAKey) {
  const RunConfig base = every_choice();
  int pairs = 0;
  for (const Choosable& first : choosable_in(base)) {
    const RunConfig config = chosen(base, first.choice, first.type);
    for (const Choosable& second : choosable_in(config)) {
      if (second.choice == first.choice) continue;
      RunConfig both = config;
      // The schema refuses to describe a key twice.
      EXPECT_NO_THROW(ConfigSchema(both, all_types()).select(second.choice, second.type))
          << first.choice << ": " << first.type << ", " << second.choice << ": " << second.type;
      ++pairs;
    }
  }
  EXPECT_GT(pairs, 300);
}

TEST(Catalog, TheDocumentedDefaultsWorkWithTheirExamplesUncommented) {
  const std::string text = dump_config(RunConfig(), all_types(), /*documented=*/true);
  const std::string uncommented = std::regex_replace(text, std::regex("\n#"), "\n");
  const RunConfig config = parse_config(uncommented, "defaults", {}, all_types());
  EXPECT_THAT(compare_configs(every_choice(), config, all_types()), IsEmpty());
}

TEST(Catalog, SourcesStandInForThatOfTheEpisodes) {
  try {
    parse_config("{sources: {b: {}}, episode: {source: groups}}", "x.yaml", {}, all_types());
    FAIL() << "not refused";
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(),
                 "x.yaml:1: episode.source: would do nothing beside `sources` (each has its own: "
                 "sources.b); remove the key or them");
  }
  const RunConfig config =
      parse_config("sources: {b: {type: augmented, flip: true}}", "x", {}, all_types());
  EXPECT_EQ(config.sources.at("b").source.values.at("flip"), "true");
}

TEST(Catalog, ShippedConfigsAreValidAndRoundTrip) {
  const std::string folder = std::string(CUTTLE_SOURCE_DIR) + "/configs/";
  auto paths = expand_paths(folder + "*.yaml");
  EXPECT_GE(paths.size(), 7u);
  const auto parts = expand_paths(folder + "parts/*.yaml");
  EXPECT_GE(parts.size(), 15u);
  paths.insert(paths.end(), parts.begin(), parts.end());
  const auto real = expand_paths(folder + "real/*.yaml");
  EXPECT_GE(real.size(), 5u);
  paths.insert(paths.end(), real.begin(), real.end());
  for (const std::string& path : paths) {
    SCOPED_TRACE(path);
    RunConfig config;
    ASSERT_NO_THROW(config = load_config(path, {}, all_types()));
    expect_reads_back(config);
  }
}

TEST(Catalog, AFastSetIsAListInFilesAndOnTheCommandLine) {
  const std::string text = "{adapt: {algorithm: maml, fast: [body, '-*.bias']}}";
  const RunConfig config = parse_config(text, "x.yaml", {}, all_types());
  EXPECT_EQ(config.adapt.values.at("fast"), "[body, \"-*.bias\"]");
  expect_reads_back(config);
  const auto with = [&](const std::string& override) {
    return parse_config(text, "x.yaml", {override}, all_types());
  };
  EXPECT_EQ(with("adapt.fast=[head, -head.bias]").adapt.values.at("fast"),
            "[head, \"-head.bias\"]");
  // It goes with its type, and Reptile learns nothing but what moves.
  EXPECT_EQ(with("adapt.algorithm=reptile").adapt.values.count("fast"), 0u);
  try {
    parse_config("{adapt: {algorithm: reptile, fast: [body]}}", "x.yaml", {}, all_types());
    FAIL();
  } catch (const UserError& problem) {
    EXPECT_THAT(problem.what(), testing::HasSubstr("it belongs to adapt.algorithm: fomaml"));
  }
}

TEST(Catalog, WhatOlderVersionsWroteIsReadWhateverTypeIsChosen) {
  // Every learner and encoder had all keys then, so each of them must have an owner.
  const auto paths =
      expand_paths(std::string(CUTTLE_SOURCE_DIR) + "/tests/gold/old/*/run/config.yaml");
  EXPECT_GE(paths.size(), 3u);
  for (const std::string& path : paths) {
    const std::string text = read_file(path, 1 << 20);
    RunConfig config;
    ASSERT_NO_THROW(config = parse_saved(text, path, {}, all_types()));
    expect_reads_back(config);
    for (const Choosable& other : choosable_in(config)) {
      const bool old = other.choice == "adapt.algorithm" || other.choice == "model.fusion" ||
                       other.choice == "step.optimizer" ||
                       testing::Matches(MatchesRegex("model\\.encoders\\..*\\.type"))(other.choice);
      if (!old) continue;
      EXPECT_NO_THROW(parse_saved(text, path, {other.choice + "=" + other.type}, all_types()))
          << path << " with " << other.choice << "=" << other.type;
    }
  }
}

TEST(Catalog, TypesOfOtherProgramsStandBesideCuttlesOwn) {
  Extensions extensions;
  extensions.learners["lab:leo"].summary = "in a latent space";
  extensions.model.norms["layer"].summary = "by sample";
  extensions.optimizers["lab.sign"].summary = "by sign alone";
  const Catalog catalog = catalog_of(extensions);
  EXPECT_EQ(catalog.at("learner").at("lab:leo").summary, "in a latent space");
  EXPECT_EQ(catalog.at("learner").size(), all_types().at("learner").size() + 1);
  const RunConfig config = parse_config(
      "{adapt: {algorithm: lab:leo}, model: {encoders: {image: {type: conv4, norm: layer}}},\n"
      " step: {optimizer: lab.sign}}",
      "x.yaml", {}, catalog);
  EXPECT_EQ(config.adapt.type, "lab:leo");
  EXPECT_EQ(config.step.optimizer.type, "lab.sign");
  EXPECT_THAT(config.model.encoders.at("image").network.values,
              ElementsAre(testing::Pair("norm", "layer")));
}

}  // namespace
}  // namespace cuttle
