#pragma once

#include <cstdint>
#include <string>

#include "metrics/append_file.hpp"

namespace cuttle {

/// A file of JSON lines, each written whole.
class JsonLines {
 public:
  /// As AppendFile.
  explicit JsonLines(std::string path) : file_(std::move(path)) {}

  /// `line` without its newline. Throws Error naming the file if it cannot be written whole.
  void append(const std::string& line) { file_.append(line + "\n"); }
  /// Cuts the file before the first line whose "step" is above `step`, or before a torn last line,
  /// whichever comes first. Throws UserError naming the line if another one cannot be read.
  void truncate_after(std::int64_t step);
  void sync() { file_.sync(); }

 private:
  AppendFile file_;
};

}  // namespace cuttle
