#include "cuttle/core/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <memory>
#include <string>

namespace cuttle {
namespace {

// One sink, two voices: `all` speaks for all ranks, `local` starts its lines with this rank
// (spdlog's %n).
struct Log {
  int rank = 0;
  std::shared_ptr<spdlog::sinks::sink> sink =
      std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  spdlog::logger all{"", sink};
  spdlog::logger local{"", sink};

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

std::string rank_prefix(int rank, int size) {
  const auto width = fmt::formatted_size("{}", size - 1);
  return size > 1 ? fmt::format("[rank {:>{}}] ", rank, width) : std::string();
}

Log::Log(int rank_, int size, LogLevel threshold)
    : rank(rank_), local(rank_prefix(rank_, size), sink) {
  for (auto* logger : {&all, &local}) {
    logger->set_level(to_spdlog(threshold));
    logger->set_pattern("%n%H:%M:%S %^%l%$: %v");
    logger->flush_on(spdlog::level::debug);
  }
}

// Replaced as a whole by init_log; lines in flight on other threads keep the old one alive.
std::shared_ptr<Log>& current_log() {
  static std::shared_ptr<Log> log = std::make_shared<Log>();
  return log;
}

}  // namespace

void init_log(int rank, int size, LogLevel threshold) {
  std::atomic_store(&current_log(), std::make_shared<Log>(rank, size, threshold));
}

void write_log(LogLevel level, bool everyone, std::string_view message) {
  const auto log = std::atomic_load(&current_log());
  const spdlog::string_view_t text(message.data(), message.size());
  if (everyone) {
    log->local.log(to_spdlog(level), text);
  } else if (log->rank == 0) {
    log->all.log(to_spdlog(level), text);
  }
}

}  // namespace cuttle
