#include "cuttle/core/error.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

namespace cuttle {

void ProblemList::attempt(const std::function<void()>& work) {
  try {
    work();
  } catch (const UserError& problem) {
    std::istringstream text(problem.what());
    for (std::string line; std::getline(text, line);)
      if (std::find(lines_.begin(), lines_.end(), line) == lines_.end()) lines_.push_back(line);
  }
}

void ProblemList::throw_if_any() const {
  CUTTLE_VALIDATE(lines_.empty(), "{}", fmt::join(lines_, "\n"));
}

namespace detail {

// Throws instead of aborting: the run then ends by the same path as every other failure, with the
// rank's name on the message and the other ranks told.
void contract_failed(const char* expression, const char* file, int line) {
  throw Error(fmt::format(
      "internal error at {}:{}: '{}' does not hold (a defect of cuttle, not of your input); "
      "please report it with the command you ran",
      file, line, expression));
}

}  // namespace detail
}  // namespace cuttle
