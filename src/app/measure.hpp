#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace cuttle {

/// Resident memory of this process: "VmRSS:" now, "VmHWM:" at most so far (getrusage's maximum
/// would count what the launcher had when it forked).
inline double memory_mb(const std::string& entry) {
  std::ifstream status("/proc/self/status");
  std::string word;
  double kib = 0;
  while (status >> word)
    if (word == entry) status >> kib;
  return kib / 1024.0;
}

/// Seconds that this process has computed, on all its threads: other programs do not count.
inline double cpu_seconds() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

/// "VmHWM:" counts from here on, where the kernel allows it.
inline void forget_peak_memory() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

/// Seconds since this process was started, loading its libraries included.
inline double seconds_since_start() {
  std::ifstream stat("/proc/self/stat");
  std::string text;
  std::getline(stat, text);
  // Field 22, in ticks since the machine started; the second one, a name, may hold spaces.
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string word;
  for (int field = 3; field <= 22; ++field) fields >> word;
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec) -
         std::strtod(word.c_str(), nullptr) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

}  // namespace cuttle
