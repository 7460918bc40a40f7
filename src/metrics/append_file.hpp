#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cuttle {

/// A file to which whole records are appended, each by one write. Every failure is an Error naming
/// the file.
class AppendFile {
 public:
  /// Opens PATH for appending, made if missing.
  explicit AppendFile(std::string path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  const std::string& path() const { return path_; }
  void append(std::string_view record);
  void cut(std::size_t size);  ///< what comes after the first `size` bytes goes
  void sync();                 ///< fsync

 private:
  std::string path_;
  int file_;
};

}  // namespace cuttle
