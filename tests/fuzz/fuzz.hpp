#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "cuttle/core/error.hpp"

namespace cuttle::fuzz {

/// Runs `body` on bytes that may be hostile. Refusing them by an Error is right; a contract that
/// does not hold, anything else that leaves it, and whatever a sanitizer finds, is a defect.
template <class Body>
int refused_or_fine(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    // CUTTLE_EXPECT throws an Error like any other: without this the targets' own checks were mute.
    if (std::string(error.what()).rfind("internal error", 0) != 0) return 0;
    std::fprintf(stderr, "ERROR: %s\n", error.what());
    std::abort();
  }
  return 0;
}

inline std::string text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Takes numbers and texts from the front of the bytes, zeros when they are used up.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  bool empty() const { return at_ == end_; }
  std::uint8_t byte() { return empty() ? std::uint8_t{0} : *at_++; }
  std::uint64_t number(int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | byte();
    return value;
  }
  /// An index below `count`.
  std::size_t below(std::size_t count) { return number(2) % count; }
  std::string text(std::size_t longest) {
    std::string taken;
    for (std::size_t size = number(2) % (longest + 1); size > 0 && !empty(); --size)
      taken += static_cast<char>(byte());
    return taken;
  }

 private:
  const std::uint8_t *at_, *end_;
};

}  // namespace cuttle::fuzz
