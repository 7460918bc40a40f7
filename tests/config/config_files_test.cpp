#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "config/config_support.hpp"
#include "cuttle/core/files.hpp"

namespace cuttle {
namespace {

const std::string kSource = CUTTLE_SOURCE_DIR;
constexpr const char* kExpect = "# expect: ";

// That the shipped ones are valid is known where cuttle's own types are: tests/train.

std::string file_report(const std::string& path) {
  return message_of([&] { load_config(path, {}, small_catalog()); });
}

/// The `# expect:` lines at the top of a bad file, as its report should read.
std::string expected_report(const std::string& path) {
  std::ifstream file(path);
  std::string line, report;
  const std::string mark = kExpect;
  while (std::getline(file, line) && line.compare(0, mark.size(), mark) == 0) {
    report += (report.empty() ? "" : "\n") + path + ":" + line.substr(mark.size());
  }
  return report;
}

TEST(ConfigFiles, BadOnesGiveExactlyTheirMessages) {
  const std::vector<std::string> paths = expand_paths(kSource + "/tests/config/bad/*.yaml");
  EXPECT_GE(paths.size(), 45u);
  for (const std::string& path : paths) {
    SCOPED_TRACE(path);
    const std::string report = file_report(path);
    EXPECT_NE(report, "");
    EXPECT_EQ(report, expected_report(path));
  }
}

TEST(ConfigFiles, GoodOnesAreReadWithTheirOverrides) {
  const std::string path = testing::TempDir() + "good.yaml";
  std::ofstream(path) << "adapt: {algorithm: protonet, refine: 3}\n";
  const RunConfig config = load_config(path, {"adapt.part_loss=0.5"}, small_catalog());
  EXPECT_EQ(config.adapt.type, "protonet");
  EXPECT_EQ(learner_of<stand_in::ProtoNet>(config).refine, 3);
  EXPECT_EQ(learner_of<stand_in::ProtoNet>(config).part_loss, 0.5);
  std::filesystem::remove(path);
}

TEST(ConfigFiles, ThatCannotBeRead) {
  EXPECT_THAT(file_report("/no/such/file.yaml"), testing::HasSubstr("/no/such/file.yaml"));
  EXPECT_THAT(file_report(kSource + "/tests/config"), testing::HasSubstr("tests/config"));
  const std::string large = testing::TempDir() + "large.yaml";
  std::ofstream(large) << std::string((1 << 20) + 1, '\n');
  EXPECT_THAT(file_report(large), testing::HasSubstr("large.yaml"));
  std::filesystem::remove(large);
}

}  // namespace
}  // namespace cuttle
