#include "support/nccl_standin/fake_machine.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <sys/mman.h>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

std::uint64_t mixed(std::uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

bool covers(const VectorClock& clock, const Access& access) {
  const auto seen = clock.find(access.stream);
  return seen != clock.end() && seen->second >= access.index;
}

bool overlap(const Access& a, const Access& b) {
  return a.begin < b.begin + b.bytes && b.begin < a.begin + a.bytes;
}

void run_stream(CUstream_st* stream) {
  FakeMachine& fake = machine();
  std::unique_lock lock(fake.mutex);
  while (true) {
    fake.changed.wait(lock, [&] { return !stream->work.empty() || !stream->alive; });
    if (stream->work.empty()) return;
    const auto work = std::move(stream->work.front());
    stream->work.pop_front();
    const std::uint64_t delay_us =
        fake.draw(static_cast<std::uint64_t>(fake.options.longest_delay_us) + 1);
    lock.unlock();
    std::this_thread::sleep_for(std::chrono::microseconds(delay_us));
    work();
    lock.lock();
    ++stream->ended;
    fake.changed.notify_all();
  }
}

}  // namespace

void merge(VectorClock& into, const VectorClock& from) {
  for (const auto& [stream, index] : from) into[stream] = std::max(into[stream], index);
}

FakeMachine& machine() {
  static auto* fake = new FakeMachine;
  return *fake;
}

int& current_device() {
  thread_local int device = 0;
  return device;
}

void FakeMachine::report(Fault fault, std::string message) {
  reports.push_back({fault, std::move(message)});
}

bool FakeMachine::collect_touches() {
  bool touched = false;
  for (auto& [address, block] : memory) {
    if (!block.pages->take_touched()) continue;
    touched = true;
    report(Fault::kHostAccess,
           block.device == FakeMemory::kPinned
               ? "host touched pinned memory before it knew that the device was done with it"
               : "host touched device memory");
    guard(block);
  }
  return touched;
}

std::uint64_t FakeMachine::draw(std::uint64_t bound) {
  return mixed(options.seed ^ mixed(++draws)) % bound;
}

CUstream_st* FakeMachine::add_stream(int device) {
  streams.push_back(std::make_unique<CUstream_st>());
  CUstream_st* stream = streams.back().get();
  stream->number = static_cast<int>(streams.size());
  stream->device = device;
  std::thread(run_stream, stream).detach();
  return stream;
}

bool FakeMachine::usable(CUstream_st* stream, const char* caller) {
  if (stream == nullptr) {
    report(Fault::kDevice, fmt::format("{} on the default stream", caller));
    return false;
  }
  if (!stream->alive) report(Fault::kAfterEnd, fmt::format("{} on a destroyed stream", caller));
  return stream->alive;
}

bool FakeMachine::usable(CUevent_st* event, const char* caller) {
  const bool alive = event != nullptr && event->alive;
  if (!alive) report(Fault::kAfterEnd, fmt::format("{} of a destroyed event", caller));
  return alive;
}

FakeMemory* FakeMachine::find(const void* address) {
  auto* place = const_cast<char*>(static_cast<const char*>(address));
  auto next = memory.upper_bound(place);
  if (next == memory.begin()) return nullptr;
  FakeMemory& block = std::prev(next)->second;
  return place < block.pages->outside() + block.pages->bytes() ? &block : nullptr;
}

char* FakeMachine::inside(const void* address) {
  const FakeMemory* block = find(address);
  return block->pages->inside() + (static_cast<const char*>(address) - block->pages->outside());
}

/// False, with a report, if `access` is out of bounds or unordered with an earlier one.
bool FakeMachine::check(const CUstream_st& stream, const Access& access) {
  const FakeMemory* block = find(access.begin);
  if (block == nullptr ||
      access.begin + access.bytes > block->pages->outside() + block->pages->bytes()) {
    report(Fault::kMemory,
           fmt::format("{} of {} bytes that are not all of one allocation of CUDA's (pageable "
                       "host memory, or beyond the end)",
                       access.what, access.bytes));
    return false;
  }
  if (block->device != FakeMemory::kPinned && block->device != stream.device) {
    report(Fault::kDevice, fmt::format("{} on a stream of device {} with memory of device {}",
                                       access.what, stream.device, block->device));
    return false;
  }
  for (const Access& earlier : block->accesses) {
    if (!overlap(earlier, access) || !(earlier.write || access.write)) continue;
    if (covers(stream.clock, earlier)) continue;
    report(Fault::kRace, fmt::format("{} on stream {} is not ordered after {} on stream {}",
                                     access.what, stream.number, earlier.what, earlier.stream));
    return false;
  }
  return true;
}

cudaError_t FakeMachine::enqueue(CUstream_st& stream, std::vector<Access> accesses,
                                 std::function<void()> work) {
  if (collect_touches()) return cudaErrorIllegalAddress;
  if (stream.unsettled) {
    report(Fault::kUnsettled,
           "work put on a stream while NCCL had not yet launched its collective there");
    return cudaErrorLaunchFailure;
  }
  merge(stream.clock, host);
  for (const Access& access : accesses) {
    if (!check(stream, access)) return cudaErrorInvalidValue;
  }
  stream.clock[stream.number] = ++stream.queued;
  for (Access& access : accesses) {
    access.stream = stream.number;
    access.index = stream.queued;
    FakeMemory& block = *find(access.begin);
    block.accesses.push_back(access);
    guard(block);
  }
  stream.work.push_back(std::move(work));
  changed.notify_all();
  return cudaSuccess;
}

void FakeMachine::host_learns(const VectorClock& clock) {
  merge(host, clock);
  for (auto& [address, block] : memory) {
    auto& open = block.accesses;
    open.erase(
        std::remove_if(open.begin(), open.end(), [&](const Access& a) { return covers(host, a); }),
        open.end());
    guard(block);
  }
}

/// Allows the host what cannot collide with the device.
void FakeMachine::guard(FakeMemory& block) {
  int allowed = block.device == FakeMemory::kPinned ? PROT_READ | PROT_WRITE : PROT_NONE;
  for (const Access& access : block.accesses) {
    if (block.device == FakeMemory::kPinned) allowed &= access.write ? PROT_NONE : PROT_READ;
  }
  block.pages->protect(allowed);
}

}  // namespace cuttle
