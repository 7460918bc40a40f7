#include "cuttle/core/csv.hpp"

#include <gtest/gtest.h>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

using Lines = std::vector<std::vector<std::string>>;

TEST(Csv, LinesAreFieldsAsTheyWereWritten) {
  EXPECT_EQ(csv_lines("a,b\n1,2\n"), (Lines{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(csv_lines("\xEF\xBB\xBF"
                      "a,b\r\n\r\n1,\r\n,2"),
            (Lines{{"a", "b"}, {"1", ""}, {"", "2"}}));
  EXPECT_TRUE(csv_lines("").empty());
  EXPECT_TRUE(csv_lines("\n\r\n").empty());
  const std::vector<std::string> fields{"plain", "with, comma", "a \"quote\"", "two\r\nlines",
                                        " b "};
  std::string line;
  for (const std::string& field : fields) line += (line.empty() ? "" : ",") + csv_field(field);
  EXPECT_EQ(csv_lines(line + "\n" + line), (Lines{fields, fields}));
  EXPECT_THROW(csv_lines("a,\"b\n1,2\n"), UserError);
}

}  // namespace
}  // namespace cuttle
