#include "cuttle/core/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>

namespace cuttle {
namespace {

std::atomic<std::int64_t> step_at_work{-1};
std::atomic<WarningsOnce*> warnings_at_work{nullptr};

// One stream, two voices: `all` speaks for all ranks, `local` starts its lines with this rank.
struct Log {
  int rank = 0;
  spdlog::logger all;
  spdlog::logger local;

  Log() : Log(0, 1, LogLevel::kInfo) {}
  Log(int rank_, int size, LogLevel threshold);
};

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string slurm_job() {
  const std::string array = environment("SLURM_ARRAY_JOB_ID");
  return array.empty() ? environment("SLURM_JOB_ID")
                       : array + "_" + environment("SLURM_ARRAY_TASK_ID");
}

/// "[rank  3 on n1, job 17, step 5] ", as much of it as there is to say.
class Prefix : public spdlog::custom_flag_formatter {
 public:
  explicit Prefix(std::string who) : who_(std::move(who)) {}
  void format(const spdlog::details::log_msg&, const std::tm&, spdlog::memory_buf_t& out) override {
    const auto& job = whereabouts().job;
    std::string text = who_;
    const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
    if (!job.empty()) add("job " + job);
    if (!who_.empty() && step_at_work >= 0) add("step " + std::to_string(step_at_work));
    if (!text.empty()) fmt::format_to(std::back_inserter(out), "[{}] ", text);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<Prefix>(who_);
  }

 private:
  std::string who_;
};

spdlog::logger make_logger(std::string who, LogLevel threshold) {
  spdlog::logger logger("", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  auto format = std::make_unique<spdlog::pattern_formatter>();
  format->add_flag<Prefix>('*', std::move(who)).set_pattern("%*%H:%M:%S %^%l%$: %v");
  logger.set_formatter(std::move(format));
  logger.set_level(to_spdlog(threshold));
  logger.flush_on(spdlog::level::debug);
  return logger;
}

std::string describe_rank(int rank, int size) {
  const auto width = fmt::formatted_size("{}", size - 1);
  return size > 1 ? fmt::format("rank {:>{}} on {}", rank, width, whereabouts().host)
                  : std::string();
}

Log::Log(int rank_, int size, LogLevel threshold)
    : rank(rank_),
      all(make_logger("", threshold)),
      local(make_logger(describe_rank(rank_, size), threshold)) {}

// Replaced as a whole by init_log; lines in flight on other threads keep the old one alive.
std::shared_ptr<Log>& current_log() {
  static std::shared_ptr<Log> log = std::make_shared<Log>();
  return log;
}

}  // namespace

const Whereabouts& whereabouts() {
  static const Whereabouts here = [] {
    std::array<char, 256> name{};
    const bool known = ::gethostname(name.data(), name.size() - 1) == 0;
    return Whereabouts{known ? name.data() : "unknown", slurm_job()};
  }();
  return here;
}

void init_log(int rank, int size, LogLevel threshold) {
  std::atomic_store(&current_log(), std::make_shared<Log>(rank, size, threshold));
}

void set_log_step(std::int64_t step) {
  step_at_work = step;
}

void WarningsOnce::during(const std::function<void()>& work) {
  struct Scope {
    ~Scope() { warnings_at_work = before; }
    WarningsOnce* before;
  } scope{warnings_at_work.exchange(this)};
  work();
}

bool WarningsOnce::is_new(std::string_view warning) {
  const std::lock_guard lock(mutex_);
  return seen_.emplace(warning).second;
}

void write_log(LogLevel level, bool everyone, std::string_view message) {
  WarningsOnce* once = warnings_at_work;
  if (level == LogLevel::kWarning && once != nullptr && !once->is_new(message)) return;
  const auto log = std::atomic_load(&current_log());
  const spdlog::string_view_t text(message.data(), message.size());
  if (everyone) {
    log->local.log(to_spdlog(level), text);
  } else if (log->rank == 0) {
    log->all.log(to_spdlog(level), text);
  }
}

}  // namespace cuttle
