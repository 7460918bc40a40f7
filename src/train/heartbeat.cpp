#include "train/heartbeat.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "cuttle/core/log.hpp"

namespace cuttle {
namespace {

constexpr double kEvery_s = 5.0;
constexpr std::size_t kMessageLimit = 600;
constexpr std::size_t kSize = 2048;  // of every version, so that none shows through the next

}  // namespace

Heartbeat::Heartbeat(const std::string& run_folder, std::int64_t step, std::int64_t steps,
                     int ranks)
    : file_(::open((run_folder + "/heartbeat.json").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666)),
      step_(step),
      steps_(steps),
      ranks_(ranks) {
  write();
}

Heartbeat::~Heartbeat() {
  if (file_ >= 0) ::close(file_);
}

void Heartbeat::step(std::int64_t done) {
  step_ = done;
  if (since_write_.seconds() >= kEvery_s) write();
}

void Heartbeat::say(std::string_view state, std::string_view message) {
  state_ = state;
  message_ = message.substr(0, kMessageLimit);
  write();
}

void Heartbeat::write() {
  since_write_.lap();
  const std::time_t now = std::time(nullptr);
  const nlohmann::ordered_json record{
      {"state", state_},
      {"step", step_},
      {"steps", steps_},
      {"time", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now))},
      {"unix_time", now},
      {"ranks", ranks_},
      {"host", whereabouts().host},
      {"pid", ::getpid()},
      {"slurm_job", whereabouts().job},
      {"message", message_}};
  std::string text = record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.resize(std::max(text.size(), kSize - 1), ' ');
  text += '\n';
  [[maybe_unused]] const ssize_t wrote =
      ::pwrite(file_, text.data(), text.size(), 0);  // silence tells
}

}  // namespace cuttle
