#include "metrics/json_lines.hpp"

#include <nlohmann/json.hpp>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"

namespace cuttle {
namespace {

constexpr std::uint64_t kFileLimit = std::uint64_t{4} << 30;

std::int64_t step_of_line(std::string_view line, const std::string& path, std::size_t number) {
  const auto record =
      nlohmann::json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  CUTTLE_VALIDATE(
      record.is_object() && record.contains("step") && record["step"].is_number_integer(),
      "'{}', line {}: not a record (the run cannot go on from a damaged history); restore the "
      "file, or move "
      "it away to begin a new one",
      path, number);
  return record["step"].get<std::int64_t>();
}

}  // namespace

void JsonLines::truncate_after(std::int64_t step) {
  const std::string text = read_file(file_.path(), kFileLimit);
  std::size_t keep = 0;
  for (std::size_t number = 1; keep < text.size(); ++number) {
    const std::size_t end = text.find('\n', keep);
    if (end == std::string::npos) break;  // torn: its writer was killed
    if (step_of_line(std::string_view(text).substr(keep, end - keep), file_.path(), number) > step)
      break;
    keep = end + 1;
  }
  file_.cut(keep);
  sync();
}

}  // namespace cuttle
