#include "train/tensor_memory.hpp"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>

#include "cuttle/train/environment.hpp"

namespace cuttle {
namespace {

constexpr std::size_t kAlignment = 64;                // AVX-512 loads, cache lines
constexpr std::size_t kLarge = std::size_t{1} << 16;  // smaller blocks come from the heap
constexpr std::size_t kPage = 4096;

/// In front of every block, in a cache line of its own.
struct Header {
  std::size_t bytes;  ///< of the whole block if it is the pool's; 0: the heap's
};

char* data_of(void* block, std::size_t bytes) {
  if (block == nullptr || block == MAP_FAILED) throw std::bad_alloc();
  static_cast<Header*>(block)->bytes = bytes;
  return static_cast<char*>(block) + kAlignment;
}

/// Large blocks, by size. Never given back: the next task needs them again.
class Pool {
 public:
  void* take(std::size_t wanted) {
    const std::size_t bytes = (wanted + kAlignment + kPage - 1) / kPage * kPage;
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = idle_.lower_bound(bytes);
    // A quarter may go unused; a block that is larger than that waits for a tensor that fills it.
    if (found != idle_.end() && found->first <= bytes + bytes / 4) {
      char* const block = found->second;
      idle_.erase(found);
      return block + kAlignment;
    }
    char* const data = data_of(
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), bytes);
    taken_ += bytes;
    return data;
  }

  void give(Header* block) {
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.emplace(block->bytes, reinterpret_cast<char*>(block));
  }

  std::size_t taken() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return taken_;
  }

 private:
  std::mutex mutex_;
  std::multimap<std::size_t, char*> idle_;
  std::size_t taken_ = 0;
};

/// Tensors outlive every static object, so the pool is never destroyed.
Pool& pool() {
  static Pool& instance = *new Pool;
  return instance;
}

void release(void* data) {
  if (data == nullptr) return;
  auto* const block = reinterpret_cast<Header*>(static_cast<char*>(data) - kAlignment);
  block->bytes > 0 ? pool().give(block) : std::free(block);
}

void* take(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  if (bytes > PTRDIFF_MAX / 2) throw std::bad_alloc();  // rounding up would overflow
  if (bytes >= kLarge) return pool().take(bytes);
  const std::size_t lines = (bytes + kAlignment - 1) / kAlignment + 1;
  return data_of(std::aligned_alloc(kAlignment, lines * kAlignment), 0);
}

class PooledAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    void* const data = take(bytes);
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

}  // namespace

void pool_tensor_memory() {
  static PooledAllocator allocator;
  static std::once_flag once;
  std::call_once(once, [] { c10::SetCPUAllocator(&allocator, /*priority=*/1); });
}

std::size_t tensor_memory_bytes() {
  return pool().taken();
}

}  // namespace cuttle
