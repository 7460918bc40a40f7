#include <gtest/gtest.h>

#include <cctype>
#include <map>
#include <sstream>

#include "cuttle/core/files.hpp"

namespace cuttle {
namespace {

using Constants = std::map<std::string, std::string>;

/// The lines `... NAME = VALUE` of a source file that begin with `start`, as name and value.
Constants constants_of(const std::string& path, const std::string& start) {
  std::istringstream text(read_file(std::string(CUTTLE_SOURCE_DIR) + "/" + path, 1 << 20));
  Constants constants;
  for (std::string line; std::getline(text, line);) {
    const std::size_t equals = line.find(" = ");
    if (line.compare(0, start.size(), start) != 0 || equals == std::string::npos) continue;
    const std::string left = line.substr(0, equals), right = line.substr(equals + 3);
    constants[left.substr(left.rfind(' ') + 1)] = right.substr(0, right.find(';'));
  }
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
  Constants cpp;
  for (const auto& [name, value] : constants_of("src/data/shard_names.hpp", "inline constexpr ")) {
    cpp[python_name(name)] = value;
  }
  EXPECT_GT(cpp.size(), 30u);
  EXPECT_EQ(cpp["FORMAT_VALUE"], "\"cuttle-shard\"");
  EXPECT_EQ(cpp, constants_of("data_tools/cuttle_data/names.py", ""));
}

}  // namespace
}  // namespace cuttle
