#include "cuttle/checkpoint/run_lock.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/json_guard.hpp"
#include "cuttle/core/log.hpp"

namespace cuttle {
namespace {

constexpr std::size_t kContentLimit = 4096;

struct Holder {
  std::string host;  // empty: the file does not say
  std::string job;   // Slurm's
  pid_t pid = 0;
  std::string description;
};

std::string read_content(int file) {
  std::string text(kContentLimit, '\0');
  const ssize_t got = ::pread(file, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

Holder parse_holder(const std::string& text) {
  try {
    const auto document = parse_json_object(text, 1, "run.lock");
    const std::string host = document.at("host").get<std::string>();
    const auto pid = document.at("pid").get<pid_t>();
    return {host, document.value("slurm_job", std::string()), pid,
            fmt::format("process {} on host {} since {}", pid, host,
                        document.at("started").get<std::string>())};
  } catch (const std::exception&) {
    return {"", "", 0, "a job whose name cannot be read"};
  }
}

double seconds_silent(int file) {
  struct stat status{};
  CUTTLE_REQUIRE(::fstat(file, &status) == 0, "cannot read the state of a run.lock: {}",
                 std::strerror(errno));
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec - status.st_mtim.tv_sec) +
         1e-9 * static_cast<double>(now.tv_nsec - status.st_mtim.tv_nsec);
}

std::string own_content() {
  const auto now = fmt::gmtime(std::time(nullptr));
  const nlohmann::ordered_json document{{"host", whereabouts().host},
                                        {"slurm_job", whereabouts().job},
                                        {"pid", ::getpid()},
                                        {"started", fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", now)}};
  return document.dump() + "\n";
}

// Gone, or dead and not yet collected by its parent.
bool is_gone(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  if (!std::getline(file, text)) return true;
  const std::size_t name_end = text.rfind(") ");
  return name_end != std::string::npos && text.compare(name_end + 2, 1, "Z") == 0;
}

}  // namespace

RunLock::RunLock(const std::string& run_folder, bool take_over, const Timing& timing)
    : path_(run_folder + "/run.lock") {
  make_folders(run_folder);
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  CUTTLE_VALIDATE(
      file_ >= 0,
      "cannot open '{}': {} (needed to keep other jobs out of this run); check permissions", path_,
      std::strerror(errno));
  try {
    take(take_over, timing);
    heart_ = std::thread([this, timing] { beat(timing.heartbeat_s); });
  } catch (...) {
    ::close(file_);
    throw;
  }
}

void RunLock::take(bool take_over, const Timing& timing) {
  const bool alone = ::flock(file_, LOCK_EX | LOCK_NB) == 0;
  CUTTLE_REQUIRE(
      alone || errno == EWOULDBLOCK || errno == ENOLCK || errno == ENOSYS || errno == EOPNOTSUPP,
      "cannot lock '{}': {}", path_, std::strerror(errno));
  const bool refused = !alone && errno == EWOULDBLOCK;
  const std::string text = read_content(file_);
  const Holder holder = parse_holder(text);
  const double silent = seconds_silent(file_);
  // With flock in our hands, a holder named on this host is dead; one elsewhere may be out of
  // flock's reach, unless it was this very job before Slurm put it back into the queue.
  const bool same_job = !holder.job.empty() && holder.job == whereabouts().job;
  const bool dead = alone && (text.empty() || same_job || holder.host == whereabouts().host);
  const std::string remedy =
      refused ? "end that job, or choose another --run-dir"
              : fmt::format(
                    "end that job, wait until it was silent for {:.0f} s, choose another "
                    "--run-dir, or add --take-over if you know that it is dead",
                    timing.stale_after_s);
  CUTTLE_VALIDATE(!refused && (dead || text.empty() || take_over || silent > timing.stale_after_s),
                  "'{}' is in use by {}, last sign of life {:.0f} s ago (two jobs would spoil each "
                  "other's files); {}",
                  path_, holder.description, silent, remedy);
  if (!text.empty())
    log_warning("'{}' was left behind by {}, which is dead: taking over", path_,
                holder.description);
  content_ = own_content();
  const bool written =
      ::ftruncate(file_, 0) == 0 &&
      ::pwrite(file_, content_.data(), content_.size(), 0) == static_cast<ssize_t>(content_.size());
  CUTTLE_REQUIRE(written, "cannot write '{}': {}", path_, std::strerror(errno));
}

void RunLock::beat(double heartbeat_s) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto pause = std::chrono::duration<double>(heartbeat_s);
  while (!wake_.wait_for(lock, pause, [this] { return stopping_; })) {
    // A failure only makes us look silent; require_held() tells if somebody acted on that.
    ::futimens(file_, nullptr);
  }
}

RunLock::~RunLock() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  heart_.join();
  if (read_content(file_) == content_ && ::ftruncate(file_, 0) != 0) {
    log_warning("cannot empty '{}': {}; the next job will take it for a dead one's", path_,
                std::strerror(errno));
  }
  ::close(file_);
}

void RunLock::require_held() const {
  const std::string text = read_content(file_);
  CUTTLE_REQUIRE(
      text == content_,
      "'{}' was taken by {} while this job was silent (both would write the run's files); "
      "this job ends, the other goes on",
      path_, parse_holder(text).description);
}

std::optional<RunHolder> find_holder(const std::string& run_folder) {
  const std::string path = run_folder + "/run.lock";
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  const std::string text = read_content(file);
  const double silent = seconds_silent(file);
  ::close(file);
  if (text.empty()) return std::nullopt;
  const Holder holder = parse_holder(text);
  const bool here = holder.host == whereabouts().host;
  const bool gone = here && is_gone(holder.pid);
  return RunHolder{holder.description, silent,
                   gone || (!here && silent > RunLock::Timing().stale_after_s)};
}

}  // namespace cuttle
