#include <gtest/gtest.h>

#include <cctype>
#include <map>
#include <regex>

#include "cuttle/core/files.hpp"

namespace cuttle {
namespace {

using Constants = std::map<std::string, std::string>;

/// The constants of a source file: the two groups of `pattern` are name and value.
Constants constants_of(const std::string& path, const std::string& pattern) {
  const std::string text = read_file(std::string(CUTTLE_SOURCE_DIR) + "/" + path, 1 << 20);
  const std::regex line(pattern, std::regex::ECMAScript | std::regex::multiline);
  Constants constants;
  for (std::sregex_iterator i(text.begin(), text.end(), line), end; i != end; ++i)
    constants[(*i)[1]] = (*i)[2];
  return constants;
}

/// kFormatValue -> FORMAT_VALUE
std::string python_name(const std::string& name) {
  std::string out;
  for (const char c : name.substr(1)) {
    if (std::isupper(static_cast<unsigned char>(c)) && !out.empty()) out += '_';
    out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

// Readers and writers of shards are written in two languages: this keeps their names the same.
TEST(shard_names, are_the_same_in_python_and_cpp) {
  const Constants python =
      constants_of("data_tools/cuttle_data/names.py", R"(^([A-Z][A-Z0-9_]*) = ("[^"]*"|\d+)$)");
  Constants cpp;
  for (const auto& [name, value] : constants_of(
           "src/data/shard_names.hpp", R"(^inline constexpr .*\b(k[A-Z]\w*) = ("[^"]*"|\d+);$)")) {
    cpp[python_name(name)] = value;
  }
  EXPECT_GT(cpp.size(), 30u);
  EXPECT_EQ(cpp, python);
}

}  // namespace
}  // namespace cuttle
