#include "kernels/workspace.hpp"

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
  ::operator delete(memory, std::align_val_t{kAlignment});
}

Workspace& Workspace::of_this_thread() {
  thread_local Workspace workspace;
  return workspace;
}

void* Workspace::take(std::size_t bytes) {
  if (!kOneBlockEach) bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  while (current_ < blocks_.size() &&
         (kOneBlockEach || blocks_[current_].size - blocks_[current_].used < bytes))
    ++current_;
  if (current_ == blocks_.size()) {
    // Arrays in use stay where they are; the blocks become one when the outermost Scratch ends.
    const std::size_t size =
        kOneBlockEach ? std::max<std::size_t>(bytes, 1) : std::max<std::size_t>(bytes, 1 << 16);
    void* memory = ::operator new(size, std::align_val_t{kAlignment});
    blocks_.push_back({std::unique_ptr<std::byte, Free>(static_cast<std::byte*>(memory)), size, 0});
  }
  Block& block = blocks_[current_];
  void* result = block.memory.get() + block.used;
  block.used += bytes;
  return result;
}

void Workspace::release(std::size_t block, std::size_t used) {
  if (depth_ > 0) {
    if (kOneBlockEach) return;
    // Blocks that an inner scratch had to add serve the next one.
    for (std::size_t i = block + 1; i < blocks_.size(); ++i) blocks_[i].used = 0;
    if (block < blocks_.size()) blocks_[block].used = used;
    current_ = block;
    return;
  }
  current_ = 0;
  if (kOneBlockEach) return blocks_.clear();
  if (blocks_.size() > 1) {
    std::size_t total = 0;
    for (const Block& each : blocks_) total += each.size;
    blocks_.clear();
    take(total);
  }
  if (!blocks_.empty()) blocks_.back().used = 0;
}

Scratch::Scratch()
    : workspace_(Workspace::of_this_thread()),
      block_(workspace_.current_),
      used_(block_ < workspace_.blocks_.size() ? workspace_.blocks_[block_].used : 0) {
  ++workspace_.depth_;
}

Scratch::~Scratch() {
  --workspace_.depth_;
  workspace_.release(block_, used_);
}

}  // namespace cuttle::kernels
