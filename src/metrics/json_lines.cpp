#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <nlohmann/json.hpp>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/metrics/metrics_file.hpp"

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

JsonLines::JsonLines(std::string path)
    : path_(std::move(path)),
      file_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  CUTTLE_REQUIRE(file_ >= 0, "cannot open '{}': {}; check the folder and its permissions", path_,
                 std::strerror(errno));
}

JsonLines::~JsonLines() {
  ::close(file_);
}

void JsonLines::append(const std::string& line) {
  const std::string text = line + "\n";
  ssize_t wrote;
  do {
    wrote = ::write(file_, text.data(), text.size());
  } while (wrote < 0 && errno == EINTR);
  CUTTLE_REQUIRE(wrote == static_cast<ssize_t>(text.size()),
                 "cannot append to '{}': {} (a resume cuts the torn line away); free some space",
                 path_, wrote < 0 ? std::strerror(errno) : "the disk is full");
}

void JsonLines::truncate_after(std::int64_t step) {
  const std::string text = read_file(path_, kFileLimit);
  std::size_t keep = 0;
  for (std::size_t number = 1; keep < text.size(); ++number) {
    const std::size_t end = text.find('\n', keep);
    if (end == std::string::npos) break;  // torn: its writer was killed
    if (step_of_line(std::string_view(text).substr(keep, end - keep), path_, number) > step) break;
    keep = end + 1;
  }
  CUTTLE_REQUIRE(::ftruncate(file_, static_cast<off_t>(keep)) == 0,
                 "cannot cut '{}' back to step {}: {}", path_, step, std::strerror(errno));
  sync();
}

void JsonLines::sync() {
  CUTTLE_REQUIRE(::fsync(file_) == 0, "cannot flush '{}' to disk: {}", path_, std::strerror(errno));
}

}  // namespace cuttle
