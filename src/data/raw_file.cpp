#include "raw_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "cuttle/core/error.hpp"

namespace cuttle {

RawFile::RawFile(const std::string& path) : path_(path) {
  // O_NONBLOCK: a named pipe must not stop us before fstat can refuse it.
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  CUTTLE_VALIDATE(fd_ >= 0, "cannot open the shard '{}': {}; check the path and its permissions",
                  path, std::strerror(errno));
  struct stat status {};
  const bool regular = ::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode);
  if (!regular) ::close(fd_);
  CUTTLE_VALIDATE(
      regular,
      "'{0}' is not a file (a shard is one HDF5 file); name files or a pattern, such as {0}/*.h5",
      path);
  size_ = static_cast<std::uint64_t>(status.st_size);
}

RawFile::~RawFile() {
  if (fd_ >= 0) ::close(fd_);
}

RawFile::RawFile(RawFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

void RawFile::read_at(std::uint64_t offset, void* to, std::uint64_t bytes) const {
  constexpr std::uint64_t kMostAtOnce = std::uint64_t{1}
                                        << 30;  // Linux transfers less than 2 GiB a call
  auto* out = static_cast<char*>(to);
  while (bytes > 0) {
    const auto wanted = static_cast<std::size_t>(std::min(bytes, kMostAtOnce));
    const ssize_t got = ::pread(fd_, out, wanted, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    CUTTLE_REQUIRE(got >= 0, "cannot read the shard '{}' at byte {}: {}", path_, offset,
                   std::strerror(errno));
    CUTTLE_REQUIRE(got > 0,
                   "the shard '{}' ends before byte {}, where it held data when it was opened "
                   "(shards are never changed in place); put the whole file back",
                   path_, offset + bytes);
    out += got;
    offset += static_cast<std::uint64_t>(got);
    bytes -= static_cast<std::uint64_t>(got);
  }
}

}  // namespace cuttle
