#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace cuttle {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Sets who is speaking; called once by main after the communicator is known (one rank: 0 of 1).
void init_log(int rank, int size, LogLevel threshold = LogLevel::kInfo);

/// Writes one line to standard error if `level` reaches the threshold.
/// everyone=false: a path that all ranks take, rank 0 speaks for them.
/// everyone=true: a path of one rank alone; the line starts with its padded rank.
void write_log(LogLevel level, bool everyone, std::string_view message);

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  write_log(LogLevel::kInfo, false, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  write_log(LogLevel::kWarning, false, fmt::format(format, std::forward<Args>(args)...));
}
/// For paths that only this rank takes.
template <class... Args>
void log_local(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  write_log(level, true, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace cuttle
