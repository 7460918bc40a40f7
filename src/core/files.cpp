#include "cuttle/core/files.hpp"

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string reason() {
  return std::strerror(errno);
}

void write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    CUTTLE_REQUIRE(
        wrote >= 0,
        "cannot write '{}': {} (nothing was changed); free some space or choose another folder",
        path, reason());
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

/// $NAME or ${NAME}, and how many characters it takes; another '$' stands for itself.
struct Variable {
  std::string name;
  std::size_t length = 1;
};

Variable variable_at(const std::string& path, std::size_t dollar) {
  static const char* const kName =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
  const bool braces = path.compare(dollar + 1, 1, "{") == 0;
  const std::size_t begin = dollar + 1 + braces;
  const std::size_t end = std::min(path.find_first_not_of(kName, begin), path.size());
  if (end == begin || (braces && path.compare(end, 1, "}") != 0)) return {};
  return {path.substr(begin, end - begin), end + braces - dollar};
}

/// Appends what `part`, a name with the slashes that follow it, stands for after `before`.
void match_part(const std::string& before, const std::string& part,
                std::vector<std::string>& found) {
  if (exists(before + part)) {
    found.push_back(before + part);
    return;
  }
  const std::size_t end = std::min(part.find('/'), part.size());
  const std::string name = part.substr(0, end), slashes = part.substr(end);
  if (name.find_first_of("*?[\\") == std::string::npos) return;
  std::error_code ignored;  // a folder that cannot be listed has nothing to offer
  for (const auto& entry :
       std::filesystem::directory_iterator(before.empty() ? "." : before, ignored)) {
    const std::string path = before + entry.path().filename().string() + slashes;
    if (::fnmatch(name.c_str(), entry.path().filename().c_str(), FNM_PERIOD) == 0 && exists(path))
      found.push_back(path);
  }
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

/// What is written where PATH shall be: the end of its links. UserError if that is no file.
std::string output_of(const std::string& path) {
  constexpr int kMostLinks = 40;  // as the kernel has it
  std::error_code missing;        // what is not there yet is fine
  std::filesystem::path place = path;
  for (int i = 0; i < kMostLinks && std::filesystem::is_symlink(place, missing); ++i)
    place = place.parent_path() / std::filesystem::read_symlink(place, missing);
  const auto status = std::filesystem::status(place, missing);
  CUTTLE_VALIDATE(!std::filesystem::exists(status) || std::filesystem::is_regular_file(status),
                  "'{}' is {} (what is written would take its place); give the path of a file",
                  path, std::filesystem::is_directory(status) ? "a folder" : "no regular file");
  return place;
}

}  // namespace

std::string read_file(const std::string& path, std::uint64_t limit) {
  // O_NONBLOCK: a named pipe must not stop us before fstat can refuse it.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  CUTTLE_VALIDATE(file.valid(), "cannot open '{}': {}; check the path and its permissions", path,
                  reason());
  struct stat status{};
  CUTTLE_VALIDATE(::fstat(file.get(), &status) == 0, "cannot read '{}': {}", path, reason());
  CUTTLE_VALIDATE(S_ISREG(status.st_mode), "'{}' is not a regular file; give the path of a file",
                  path);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  CUTTLE_VALIDATE(size <= limit,
                  "'{}' has {} bytes, at most {} make sense here; check that it is the right file",
                  path, size, limit);
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    CUTTLE_VALIDATE(got >= 0, "cannot read '{}': {}", path, reason());
    if (got == 0) break;  // it shrank since fstat: what is there is the file
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

UnfinishedFile::UnfinishedFile(std::string path)
    : path_(output_of(path)),
      temporary_(fmt::format("{}.tmp.{}", path_, ::getpid())),
      file_(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  CUTTLE_REQUIRE(
      file_ >= 0,
      "cannot create '{}': {} (needed to write '{}'); check the folder and its permissions",
      temporary_, reason(), path_);
}

UnfinishedFile::~UnfinishedFile() {
  if (file_ >= 0) ::close(file_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void UnfinishedFile::write(std::string_view bytes) {
  write_all(file_, bytes, path_);
}

void UnfinishedFile::finish() {
  CUTTLE_REQUIRE(::fsync(file_) == 0, "cannot flush '{}' to disk: {}", temporary_, reason());
  CUTTLE_REQUIRE(::close(std::exchange(file_, -1)) == 0, "cannot close '{}': {}", temporary_,
                 reason());
  CUTTLE_REQUIRE(::rename(temporary_.c_str(), path_.c_str()) == 0, "cannot rename '{}' to '{}': {}",
                 temporary_, path_, reason());
  temporary_.clear();
  sync_path(folder_of(path_));
}

void check_output(const std::string& path, const std::vector<std::string>& inputs) {
  const std::string place = output_of(path), folder = folder_of(place);
  std::error_code missing;
  for (const auto& input : inputs)
    CUTTLE_VALIDATE(!std::filesystem::equivalent(place, input, missing),
                    "'{}' is read and would be overwritten; write to another file", path);
  CUTTLE_VALIDATE(::access(folder.c_str(), W_OK | X_OK) == 0,
                  "cannot write '{}': {} (its folder is '{}'); make the folder, mend its "
                  "permissions or give another",
                  path, reason(), folder);
}

void write_file_atomically(const std::string& path, std::string_view bytes) {
  UnfinishedFile file(path);
  file.write(bytes);
  file.finish();
}

void remove_unfinished(const std::string& path) {
  const std::string prefix = std::filesystem::path(path).filename().string() + ".tmp.";
  std::error_code ignored;  // what cannot be listed or removed does no harm
  for (const auto& entry : std::filesystem::directory_iterator(folder_of(path), ignored))
    if (entry.path().filename().string().rfind(prefix, 0) == 0)
      std::filesystem::remove(entry.path(), ignored);
}

void sync_path(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  CUTTLE_REQUIRE(file.valid(), "cannot open '{}' to flush it to disk: {}", path, reason());
  CUTTLE_REQUIRE(::fsync(file.get()) == 0, "cannot flush '{}' to disk: {}", path, reason());
}

void make_folders(const std::string& path) {
  std::error_code problem;
  std::filesystem::create_directories(path, problem);
  CUTTLE_VALIDATE(!problem,
                  "cannot create the folder '{}': {}; choose another place or mend its permissions",
                  path, problem.message());
}

std::string expand_variables(const std::string& path) {
  if (exists(path)) return path;
  std::string expanded;
  std::size_t at = 0;
  if (path == "~" || path.rfind("~/", 0) == 0) {
    const char* home = std::getenv("HOME");
    CUTTLE_VALIDATE(home != nullptr, "'{}': the variable HOME is not set; write the folder", path);
    expanded = home;
    at = 1;
  }
  for (std::size_t next; (next = path.find('$', at)) != std::string::npos;) {
    expanded.append(path, at, next - at);
    const Variable variable = variable_at(path, next);
    const char* value = variable.name.empty() ? nullptr : std::getenv(variable.name.c_str());
    const bool as_written = variable.name.empty() || exists(path.substr(0, path.find('/', next)));
    CUTTLE_VALIDATE(value != nullptr || as_written,
                    "'{}': the variable {} is not set; set it, or write the path", path,
                    variable.name);
    expanded += value != nullptr && !as_written ? value : path.substr(next, variable.length);
    at = next + variable.length;
  }
  return expanded.append(path, at);
}

std::vector<std::string> expand_paths(const std::string& pattern) {
  const std::string path = expand_variables(pattern);
  if (exists(path)) return {path};
  std::vector<std::string> found{""};
  for (std::size_t begin = 0; begin < path.size() && !found.empty();) {
    const std::size_t end =
        std::min(path.find_first_not_of('/', path.find('/', begin)), path.size());
    std::vector<std::string> further;
    for (const std::string& before : found)
      match_part(before, path.substr(begin, end - begin), further);
    found = std::move(further);
    begin = end;
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace cuttle
