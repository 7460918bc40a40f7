#pragma once

#include <algorithm>
#include <fstream>
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

/// "VmHWM:" counts from here on, where the kernel allows it.
inline void forget_peak_memory() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

}  // namespace cuttle
