#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "cuttle/core/random.hpp"

namespace cuttle {

/// Episodes on their way, side by side.
class Course {
 public:
  virtual ~Course() = default;
  /// What each episode's agent sees: float [episodes, width].
  virtual torch::Tensor observe() const = 0;
  /// Takes one action in each episode; the rewards.
  virtual std::vector<double> act(const std::vector<std::int64_t>& actions) = 0;
};

/// A task that is acted in, instead of a set of samples. Immutable, usable from any thread; all
/// chance comes from keys.
class Environment {
 public:
  explicit Environment(const RandomKey& key) : key_(key) {}
  virtual ~Environment() = default;
  virtual std::int64_t actions() const = 0;
  /// Steps of every episode.
  virtual std::int64_t horizon() const = 0;
  virtual std::unique_ptr<Course> begin(std::int64_t episodes, const RandomKey& key) const = 0;
  /// Names the task.
  const RandomKey& key() const { return key_; }

 private:
  RandomKey key_;
};

}  // namespace cuttle
