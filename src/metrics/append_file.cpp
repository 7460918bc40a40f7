#include "metrics/append_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cuttle/core/error.hpp"

namespace cuttle {

AppendFile::AppendFile(std::string path)
    : path_(std::move(path)),
      file_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  CUTTLE_REQUIRE(file_ >= 0, "cannot open '{}': {}; check the folder and its permissions", path_,
                 std::strerror(errno));
}

AppendFile::~AppendFile() {
  ::close(file_);
}

void AppendFile::append(std::string_view record) {
  ssize_t wrote;
  do {
    wrote = ::write(file_, record.data(), record.size());
  } while (wrote < 0 && errno == EINTR);
  CUTTLE_REQUIRE(wrote == static_cast<ssize_t>(record.size()),
                 "cannot append to '{}': {} (a resume does without the torn end); free some space",
                 path_, wrote < 0 ? std::strerror(errno) : "the disk is full");
}

void AppendFile::cut(std::size_t size) {
  CUTTLE_REQUIRE(::ftruncate(file_, static_cast<off_t>(size)) == 0,
                 "cannot cut '{}' to {} bytes: {}", path_, size, std::strerror(errno));
}

void AppendFile::sync() {
  CUTTLE_REQUIRE(::fsync(file_) == 0, "cannot flush '{}' to disk: {}", path_, std::strerror(errno));
}

}  // namespace cuttle
