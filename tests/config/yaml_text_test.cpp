#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config_support.hpp"
#include "config/yaml/config_node.hpp"
#include "cuttle/core/timer.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string repeat(const std::string& part, std::size_t bytes) {
  std::string text;
  while (text.size() + part.size() <= bytes) text += part;
  return text;
}

TEST(YamlText, KeepsKeysLinesAndQuotes) {
  const ConfigNode root = parse_yaml("a: 1\nb:\n  - x\n  - 'y'\na: {c: ~}\n");
  ASSERT_EQ(root.kind, ConfigNode::Kind::kMap);
  ASSERT_EQ(root.children.size(), 3u);  // duplicates included
  EXPECT_EQ(root.children[0].key, "a");
  EXPECT_EQ(root.children[0].text, "1");
  EXPECT_EQ(root.children[0].line, 1);
  const ConfigNode& list = root.children[1];
  ASSERT_EQ(list.kind, ConfigNode::Kind::kList);
  EXPECT_EQ(list.line, 2);
  EXPECT_EQ(list.children[0].line, 3);
  EXPECT_FALSE(list.children[0].quoted);
  EXPECT_EQ(list.children[1].line, 4);
  EXPECT_TRUE(list.children[1].quoted);
  EXPECT_EQ(root.children[2].line, 5);
  EXPECT_EQ(root.children[2].children[0].kind, ConfigNode::Kind::kNull);
}

TEST(YamlText, NothingToRead) {
  for (const char* text : {"", "\n\n", "# only a comment\n", "---\n", "~\n"}) {
    EXPECT_EQ(report_of(text),
              "x.yaml: holds no keys; `cuttle dump-default` prints a complete configuration");
  }
}

TEST(YamlText, NotUtf8) {
  const char* bad[] = {"\xFF",
                       "\xC0\xAF",
                       "\xE0\x80\x80",
                       "\xED\xA0\x80",
                       "\xF4\x90\x80\x80",
                       "\xF0\x80\x80\x80",
                       "\xC3",
                       "\xE2\x82",
                       "\x80",
                       "\xF8\x88\x80\x80\x80"};
  for (const char* bytes : bad) {
    EXPECT_THAT(report_of(std::string("seed: 1\nname: ") + bytes + "\n"),
                testing::AllOf(StartsWith("x.yaml:2: byte 0x"), HasSubstr("is not UTF-8")));
  }
  const char* good[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xED\x9F\xBF", "\xF0\x9F\x90\x99",
                        "\xF4\x8F\xBF\xBF"};
  for (const char* bytes : good) {
    const std::string text = std::string("train: {init_from: ") + bytes + "}";
    EXPECT_EQ(read(text).train.init_from, bytes);
  }
}

TEST(YamlText, ControlCharacters) {
  EXPECT_EQ(report_of(std::string("seed: 1\n\0", 9)),
            "x.yaml:2: control character 0x00; remove it");
  EXPECT_EQ(report_of("a\x1B[31m: 1"), "x.yaml:1: control character 0x1b; remove it");
  EXPECT_EQ(report_of("a: \x7F"), "x.yaml:1: control character 0x7f; remove it");
}

TEST(YamlText, TabsInTheIndentation) {
  EXPECT_EQ(report_of("step:\n\tclip: norm\n"),
            "x.yaml:2: tab in the indentation (YAML allows spaces only); use spaces");
  EXPECT_EQ(report_of("step:\n  \twarmup: 1\n"),
            "x.yaml:2: tab in the indentation (YAML allows spaces only); use spaces");
  EXPECT_EQ(read("seed:\t3\n\nname:  x\t# y\n").seed, 3u);
}

TEST(YamlText, AnchorsAliasesTagsAndDocuments) {
  for (const char* text : {"seed: &a 3", "seed: *a", "<<: *a", "*a", "data: {shards: [*.h5]}"}) {
    EXPECT_THAT(report_of(text), StartsWith("x.yaml:1: anchors (&) and aliases (*)")) << text;
  }
  EXPECT_THAT(report_of("name: x\nseed: !!int 3"), StartsWith("x.yaml:2: tags (!name)"));
  EXPECT_THAT(report_of("step: !map {}"), StartsWith("x.yaml:1: tags (!name)"));
  EXPECT_EQ(report_of("name: a\n---\nname: b\n"),
            "x.yaml:2: a second document begins here; a configuration is one set of keys");
  EXPECT_EQ(report_of("{name: a}\n{name: b}\n"),
            "x.yaml:2: a second document begins here; a configuration is one set of keys");
}

TEST(YamlText, KeysThatAreNoWords) {
  EXPECT_EQ(report_of("? [a]\n: 3\n"),
            "x.yaml:1: a list or map as a key (is a bracket left open?); keys are plain words");
  EXPECT_EQ(report_of("~: 3\n"), "x.yaml:1: a value without a key; write key: value");
}

TEST(YamlText, AQuoteThatIsNeverClosed) {
  // yaml-cpp would take the rest of the file as text, keys included.
  const char* report =
      "x.yaml:2: a quote is not closed on its line; close it, or write the text on "
      "one line";
  EXPECT_EQ(report_of("seed: 1\nname: \"x\nthreads: 2\n"), report);
  EXPECT_EQ(report_of("name: \xC3\xA9\r\nname: 'x\r\n"), report);
  EXPECT_EQ(report_of("seed: 1\nname: \"x\\\"\n"), report);
  EXPECT_EQ(read("train: {init_from: \"a\\\"b\"}").train.init_from, "a\"b");
  EXPECT_EQ(read("train: {init_from: 'it''s'}").train.init_from, "it's");
  EXPECT_EQ(read("train: {init_from: it's}").train.init_from, "it's");
}

TEST(YamlText, SyntaxErrorsHaveTheirLine) {
  EXPECT_THAT(report_of("step:\n  clip: norm\n   warmup: 2\n"),
              StartsWith("x.yaml:3: not valid YAML: "));
  EXPECT_THAT(report_of("seed: 1\n]\n"), StartsWith("x.yaml:2: not valid YAML: "));
  EXPECT_THAT(report_of("seed: %3"), StartsWith("x.yaml:1: not valid YAML: "));
}

TEST(YamlText, Bombs) {
  const std::size_t bytes = kLargestConfig - 16;
  EXPECT_THAT(report_of("a: " + repeat("[", bytes)), HasSubstr("more than 32 open brackets"));
  EXPECT_THAT(report_of(repeat("{a: ", bytes)), HasSubstr("more than 32 open brackets"));
  EXPECT_THAT(report_of("a: " + repeat("[", 20) + repeat("]", 20)),
              HasSubstr("nested deeper than 8 levels"));
  EXPECT_THAT(report_of("a:\n" + repeat("- ", bytes)), HasSubstr("nested deeper than 8 levels"));
  std::string stairs;
  for (int depth = 0; depth < 1000; ++depth) stairs += std::string(depth, ' ') + "a:\n";
  EXPECT_THAT(report_of(stairs), StartsWith("x.yaml:9: nested deeper than 8 levels"));
  EXPECT_EQ(report_of(std::string(kLargestConfig + 1, ' ')),
            "x.yaml: is 1048577 bytes long (a configuration has at most 1048576); is it the right "
            "file?");
}

TEST(YamlText, HostileTextsAreRefusedQuickly) {
  const std::size_t bytes = kLargestConfig / 8;
  const Timer timer;
  for (const char* part : {"? ", "a: ", "a: 1\n", "\"", "'", "!", "&a ", "*a ", "[]", "- a\n", ": ",
                           "---\n", "#", "| ", "\\", "%", ", ", "a"}) {
    EXPECT_NE(report_of(repeat(part, bytes)), "") << part;
  }
  EXPECT_LT(timer.seconds(), 30.0);  // about 1 on a busy machine
}

}  // namespace
}  // namespace cuttle
