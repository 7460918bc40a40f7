#include "model/kernels/workspace.hpp"

#include <algorithm>
#include <new>

namespace cuttle::kernels {
namespace {

constexpr std::size_t kAlignment = 64;

// Under the address sanitizer every array is a block of its own, so that running over its end is
// noticed.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kOneBlockEach = true;
#else
constexpr bool kOneBlockEach = false;
#endif

}  // namespace

void Workspace::Free::operator()(std::byte* memory) const {
  ::operator delete (memory, std::align_val_t{kAlignment});
}

Workspace& Workspace::of_this_thread() {
  thread_local Workspace workspace;
  return workspace;
}

void* Workspace::take(std::size_t bytes) {
  if (!kOneBlockEach) bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (kOneBlockEach || blocks_.empty() || blocks_.back().size - blocks_.back().used < bytes) {
    // Arrays in use stay where they are; the blocks become one when the outermost Scratch ends.
    const std::size_t size =
        kOneBlockEach ? std::max<std::size_t>(bytes, 1) : std::max<std::size_t>(bytes, 1 << 16);
    void* memory = ::operator new (size, std::align_val_t{kAlignment});
    blocks_.push_back({std::unique_ptr<std::byte, Free>(static_cast<std::byte*>(memory)), size, 0});
  }
  Block& block = blocks_.back();
  void* result = block.memory.get() + block.used;
  block.used += bytes;
  return result;
}

void Workspace::release(std::size_t blocks, std::size_t used) {
  if (depth_ > 0) {
    // An inner scratch that had to add blocks keeps them until the outermost one ends.
    if (blocks_.size() == blocks && blocks > 0) blocks_.back().used = used;
    return;
  }
  if (kOneBlockEach) return blocks_.clear();
  if (blocks_.size() > 1) {
    std::size_t total = 0;
    for (const Block& block : blocks_) total += block.size;
    blocks_.clear();
    take(total);
  }
  if (!blocks_.empty()) blocks_.back().used = 0;
}

Scratch::Scratch()
    : workspace_(Workspace::of_this_thread()),
      blocks_(workspace_.blocks_.size()),
      used_(blocks_ > 0 ? workspace_.blocks_.back().used : 0) {
  ++workspace_.depth_;
}

Scratch::~Scratch() {
  --workspace_.depth_;
  workspace_.release(blocks_, used_);
}

}  // namespace cuttle::kernels
