#pragma once

#include <fmt/format.h>

#include <string>

namespace cuttle {

/// A config as text, with the reason for a choice behind it.
class Page {
 public:
  void line(int depth, const std::string& text, const std::string& reason = "") {
    text_ += std::string(static_cast<std::size_t>(2 * depth), ' ') + text;
    if (!reason.empty()) text_ += "  # " + reason;
    text_ += '\n';
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// "1 class", "3 classes".
inline std::string counted(std::int64_t count, const std::string& one, const std::string& more) {
  return fmt::format("{} {}", count, count == 1 ? one : more);
}

}  // namespace cuttle
