#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "raw_file.hpp"

namespace cuttle {

/// The shards of a data set, kept open for reading: at most `limit` at once, so that thousands of
/// shards do not exhaust the process's file descriptors. Safe from any thread.
class OpenFiles {
 public:
  OpenFiles(std::vector<std::string> paths, std::size_t limit);

  /// RawFile::read_at on file `i`, opening it first if it is not open.
  void read_at(std::size_t i, std::uint64_t offset, void* to, std::uint64_t bytes) const;

 private:
  std::shared_ptr<const RawFile> file(std::size_t i) const;

  std::vector<std::string> paths_;
  std::size_t limit_;
  mutable std::mutex mutex_;  // guards what follows
  mutable std::vector<std::shared_ptr<const RawFile>> files_;
  mutable std::deque<std::size_t> opened_;  // those open, the longest open first
};

}  // namespace cuttle
