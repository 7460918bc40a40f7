#pragma once

#include <cstdint>
#include <string>

namespace cuttle {

/// A regular file open for reading at any place. Movable; const functions are safe from any thread.
class RawFile {
 public:
  /// UserError naming the path and the reason: missing, no permission, a folder.
  explicit RawFile(const std::string& path);
  ~RawFile();
  RawFile(RawFile&& other) noexcept;
  RawFile& operator=(RawFile&&) = delete;

  const std::string& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  /// Fills `bytes` bytes from `offset` on. Error when the file ends before, or cannot be read.
  void read_at(std::uint64_t offset, void* to, std::uint64_t bytes) const;

 private:
  std::string path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace cuttle
