#pragma once

#include <atomic>
#include <cstddef>

namespace cuttle {

/// Pages with two addresses: outside() is what the program under test holds and is allowed only
/// what protect() last said; inside() is what the stand-in's streams use, always open. A forbidden
/// touch does not end the process: the page opens and the touch is remembered.
class GuardedMemory {
 public:
  explicit GuardedMemory(std::size_t bytes);
  ~GuardedMemory();
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;

  char* outside() const { return outside_; }
  char* inside() const { return inside_; }
  std::size_t bytes() const { return bytes_; }
  void protect(int protection);  ///< PROT_NONE, PROT_READ or PROT_READ | PROT_WRITE
  bool take_touched() { return touched_.exchange(false); }

  /// For the signal handler: opens the memory at `address` if it is guarded.
  static bool open_touched(char* address);

 private:
  std::size_t bytes_;
  std::size_t mapped_;
  char* outside_;
  char* inside_;
  int protection_;
  std::atomic<bool> touched_{false};
};

}  // namespace cuttle
