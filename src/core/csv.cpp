#include "cuttle/core/csv.hpp"

#include <cstddef>
#include <utility>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// The field that begins at `at`, which becomes the place after it.
std::string take_field(const std::string& text, std::size_t& at) {
  std::string field;
  bool quoted = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (!quoted && (c == ',' || c == '\r' || c == '\n')) break;
    if (c != '"')
      field += c;
    else if (quoted && at + 1 < text.size() && text[at + 1] == '"')
      field += text[++at];
    else
      quoted = !quoted;
  }
  CUTTLE_VALIDATE(!quoted, "a quote is not closed (what follows it would be one field); close it");
  return field;
}

}  // namespace

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::vector<std::vector<std::string>> csv_lines(const std::string& text) {
  const std::string mark = "\xEF\xBB\xBF";  // of UTF-8, as spreadsheets write it
  std::vector<std::vector<std::string>> lines;
  for (std::size_t at = text.rfind(mark, 0) == 0 ? mark.size() : 0; at < text.size(); ++at) {
    std::vector<std::string> fields{take_field(text, at)};
    while (at < text.size() && text[at] == ',') fields.push_back(take_field(text, ++at));
    if (fields.size() > 1 || !fields[0].empty()) lines.push_back(std::move(fields));
  }
  return lines;
}

}  // namespace cuttle
