#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/config_support.hpp"
#include "cuttle/core/files.hpp"

namespace cuttle {
namespace {

const std::string kSource = CUTTLE_SOURCE_DIR;
constexpr const char* kExpect = "# expect: ";

TEST(ConfigFiles, ShippedOnesAreValidAndRoundTrip) {
  for (const std::string& path : expand_paths(kSource + "/configs/*.yaml")) {
    SCOPED_TRACE(path);
    RunConfig config;
    ASSERT_NO_THROW(config = load_config(path, {}));
    EXPECT_TRUE(compare_configs(config, parse_config(dump_config(config), path, {})).empty());
  }
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
  EXPECT_GE(paths.size(), 20u);
  for (const std::string& path : paths) {
    SCOPED_TRACE(path);
    std::string report;
    try {
      load_config(path, {});
    } catch (const UserError& error) {
      report = error.what();
    }
    EXPECT_NE(report, "");
    EXPECT_EQ(report, expected_report(path));
  }
}

TEST(ConfigFiles, ThatCannotBeRead) {
  const auto report = [](const std::string& path) {
    try {
      load_config(path, {});
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(report("/no/such/file.yaml"), testing::HasSubstr("/no/such/file.yaml"));
  EXPECT_THAT(report(kSource + "/tests/config"), testing::HasSubstr("tests/config"));
  const std::string large = testing::TempDir() + "large.yaml";
  std::ofstream(large) << std::string((1 << 20) + 1, '\n');
  EXPECT_THAT(report(large), testing::HasSubstr("large.yaml"));
  std::filesystem::remove(large);
}

}  // namespace
}  // namespace cuttle
