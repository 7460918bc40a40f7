#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace cuttle::kernels {

/// Scratch memory of one thread. It grows to what the largest call needed and is kept: fresh pages
/// would cost more than the arithmetic of a small batch. Take it through a Scratch.
class Workspace {
 public:
  static Workspace& of_this_thread();

 private:
  friend class Scratch;
  struct Free {
    void operator()(std::byte* memory) const;
  };
  struct Block {
    std::unique_ptr<std::byte, Free> memory;
    std::size_t size, used;
  };
  void* take(std::size_t bytes);
  void release(std::size_t block, std::size_t used);

  std::vector<Block> blocks_;
  std::size_t current_ = 0;  ///< in which arrays are taken; those after it are free
  std::size_t depth_ = 0;
};

/// Hands out arrays of this thread's workspace, all given back when it goes out of scope. Scratches
/// nest.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  /// Not initialised, aligned to a cache line.
  template <class T>
  T* take(std::int64_t count) {
    return static_cast<T*>(workspace_.take(static_cast<std::size_t>(count) * sizeof(T)));
  }
  template <class T>
  T* zeros(std::int64_t count) {
    T* result = take<T>(count);
    for (std::int64_t i = 0; i < count; ++i) result[i] = T{};
    return result;
  }

 private:
  Workspace& workspace_;
  std::size_t block_, used_;
};

}  // namespace cuttle::kernels
