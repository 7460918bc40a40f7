#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "cuttle/comm/communicator.hpp"

namespace cuttle {

/// How far the probabilities of answers are from how often these are right: the expected
/// calibration error over 15 bins of equal width (Naeini et al. 2015; Guo et al. 2017). Sums are
/// integers, so that all orders and world sizes give the same.
class Reliability {
 public:
  void add(double probability, bool right) {
    const auto bin = static_cast<std::size_t>(probability * kBins);
    const std::size_t at = kCounts * (bin < kBins ? bin : kBins - 1);
    ++sums_[at];
    sums_[at + 1] += right;
    sums_[at + 2] += std::llround(probability * kUnit);
  }
  /// Collective: afterwards every rank has the sums of all.
  void sum_over(Communicator& comm) {
    sums_ = comm.all_reduce("reliability", std::move(sums_), ReduceOp::kSum).wait();
  }
  /// In [0, 1]; 0 of no answers.
  double error() const {
    double off = 0, answers = 0;
    for (std::size_t at = 0; at < sums_.size(); at += kCounts) {
      answers += static_cast<double>(sums_[at]);
      off +=
          std::abs(static_cast<double>(sums_[at + 1]) - static_cast<double>(sums_[at + 2]) / kUnit);
    }
    return answers == 0 ? 0.0 : off / answers;
  }

 private:
  static constexpr std::size_t kBins = 15, kCounts = 3;  // answers, right ones, probability
  static constexpr double kUnit = 1 << 24;               // of summed probabilities
  std::vector<std::int64_t> sums_ = std::vector<std::int64_t>(kBins * kCounts, 0);
};

}  // namespace cuttle
