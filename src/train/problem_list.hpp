#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <fmt/ranges.h>

#include "cuttle/core/error.hpp"

namespace cuttle {

/// What is wrong with pieces of work that do not need each other, told at once.
class ProblemList {
 public:
  /// Its UserError is noted (the same one once); other errors pass.
  void attempt(const std::function<void()>& work) {
    try {
      work();
    } catch (const UserError& problem) {
      if (std::find(texts_.begin(), texts_.end(), problem.what()) == texts_.end())
        texts_.push_back(problem.what());
    }
  }
  /// UserError of all that was noted, a line each.
  void throw_if_any() const { CUTTLE_VALIDATE(texts_.empty(), "{}", fmt::join(texts_, "\n")); }
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::vector<std::string> texts_;
};

}  // namespace cuttle
