#pragma once

#include <fmt/format.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace cuttle {

/// What the process tells its launcher (README, "Exit codes").
enum class ExitCode : int { kDone = 0, kFailure = 1, kUserError = 2, kStoppedEarly = 3 };

/// Something went wrong that is not the user's doing: I/O, a dead peer, a broken invariant. Exit code 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Config, data, arguments or environment that the user can mend. Exit code 2.
/// The message says: problem (why it matters); what to do.
class UserError : public Error {
 public:
  using Error::Error;
};

/// A collective missed its deadline or a peer died: the other ranks cannot be reasoned with any more.
class PeerLost : public Error {
 public:
  using Error::Error;
};

/// What is wrong with pieces of work that do not need each other, told at once.
class ProblemList {
 public:
  /// The lines of its UserError are noted (the same one once); other errors pass.
  void attempt(const std::function<void()>& work);
  /// UserError of all that was noted, a line each.
  void throw_if_any() const;
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

namespace detail {
[[noreturn]] void contract_failed(const char* expression, const char* file, int line);
}

}  // namespace cuttle

/// User input, always checked: CUTTLE_VALIDATE(way > 0, "way is {} (...); use 1 or more", way).
#define CUTTLE_VALIDATE(condition, ...)                                \
  do {                                                                 \
    if (!(condition)) throw ::cuttle::UserError(fmt::format(__VA_ARGS__)); \
  } while (false)

/// The world (files, system calls, peers), always checked.
#define CUTTLE_REQUIRE(condition, ...)                             \
  do {                                                             \
    if (!(condition)) throw ::cuttle::Error(fmt::format(__VA_ARGS__)); \
  } while (false)

/// A contract between our own functions: a failure is a defect of cuttle. Cheap, hence always on.
#define CUTTLE_EXPECT(condition) \
  ((condition) ? void() : ::cuttle::detail::contract_failed(#condition, __FILE__, __LINE__))
