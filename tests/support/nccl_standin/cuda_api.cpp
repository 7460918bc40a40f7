// The CUDA runtime functions that src/comm calls. Each checks its arguments and puts work on a
// FakeMachine stream.
#include <cstdio>
#include <cstring>

#include <sys/mman.h>

#include "cuttle/core/error.hpp"
#include "support/nccl_standin/fake_machine.hpp"

using cuttle::Access;
using cuttle::FakeMachine;
using cuttle::FakeMemory;
using cuttle::Fault;
using cuttle::machine;
using cuttle::Passing;

namespace {

cudaError_t allocate(void** address, std::size_t bytes, int device) {
  FakeMachine& fake = machine();
  std::lock_guard lock(fake.mutex);
  auto pages = std::make_unique<cuttle::GuardedMemory>(bytes);
  std::memset(pages->inside(), 0xA5, bytes);  // nobody may rely on zeros
  if (device != FakeMemory::kPinned) pages->protect(PROT_NONE);
  char* outside = pages->outside();
  fake.memory[outside] = {std::move(pages), device, {}};
  *address = outside;
  return cudaSuccess;
}

cudaError_t release(void* address, bool pinned) {
  FakeMachine& fake = machine();
  std::lock_guard lock(fake.mutex);
  fake.collect_touches();
  const auto found = fake.memory.find(static_cast<char*>(address));
  if (found == fake.memory.end() || (found->second.device == FakeMemory::kPinned) != pinned) {
    fake.report(Fault::kMemory,
                "freeing what was not allocated, or by the function for another kind of memory");
    return cudaErrorInvalidValue;
  }
  if (!found->second.accesses.empty()) {
    fake.report(Fault::kFreedInUse,
                fmt::format("freeing {} memory that {} may still use", pinned ? "pinned" : "device",
                            found->second.accesses[0].what));
    return cudaErrorInvalidValue;
  }
  fake.memory.erase(found);
  return cudaSuccess;
}

/// True if memory at `address` is what a copy of this kind expects there.
bool fits(const FakeMemory* block, bool on_device) {
  return block != nullptr && (block->device != FakeMemory::kPinned) == on_device;
}

}  // namespace

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = machine().options.devices;
  return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaGetLastError() {
  return cudaSuccess;
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorNotReady:
      return "device not ready";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorInvalidValue:
      return "invalid argument (the stand-in's report says more)";
    case cudaErrorInvalidResourceHandle:
      return "invalid resource handle";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    default:
      return "unspecified launch failure (the stand-in's report says more)";
  }
}

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= machine().options.devices) return cudaErrorInvalidDevice;
  cuttle::current_device() = device;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char* id, int bytes, int device) {
  if (device < 0 || device >= machine().options.devices) return cudaErrorInvalidDevice;
  std::snprintf(id, static_cast<std::size_t>(bytes), "0000:%02x:00.0",
                machine().options.first_device + device + 16);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** address, std::size_t bytes) {
  return allocate(address, bytes, cuttle::current_device());
}
cudaError_t cudaFree(void* address) {
  return release(address, false);
}
cudaError_t cudaHostAlloc(void** address, std::size_t bytes, unsigned int) {
  return allocate(address, bytes, FakeMemory::kPinned);
}
cudaError_t cudaFreeHost(void* address) {
  return release(address, true);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int) {
  FakeMachine& fake = machine();
  std::lock_guard lock(fake.mutex);
  *stream = fake.add_stream(cuttle::current_device());
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  FakeMachine& fake = machine();
  std::lock_guard lock(fake.mutex);
  if (!fake.usable(stream, "cudaStreamDestroy")) return cudaErrorInvalidResourceHandle;
  stream->alive = false;
  fake.changed.notify_all();
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  FakeMachine& fake = machine();
  std::unique_lock lock(fake.mutex);
  if (!fake.usable(stream, "cudaStreamSynchronize")) return cudaErrorInvalidResourceHandle;
  fake.changed.wait(lock, [&] { return stream->ended == stream->queued; });
  fake.host_learns(stream->clock);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) {
  FakeMachine& fake = machine();
  std::lock_guard lock(fake.mutex);
  fake.events.push_back(std::make_unique<CUevent_st>());
  *event = fake.events.back().get();
  (*event)->device = cuttle::current_device();
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  FakeMachine& fake = machine();
  std::lock_guard lock(fake.mutex);
  if (!fake.usable(event, "cudaEventDestroy")) return cudaErrorInvalidResourceHandle;
  event->alive = false;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  FakeMachine& fake = machine();
  std::lock_guard lock(fake.mutex);
  if (!fake.usable(event, "cudaEventRecord") || !fake.usable(stream, "cudaEventRecord")) {
    return cudaErrorInvalidResourceHandle;
  }
  if (event->device != stream->device) {
    fake.report(Fault::kDevice, fmt::format("event of device {} recorded on a stream of device {}",
                                            event->device, stream->device));
    return cudaErrorInvalidResourceHandle;
  }
  const auto passing = std::make_shared<Passing>();
  const cudaError_t status = fake.enqueue(*stream, {}, [&fake, passing] {
    std::lock_guard inner(fake.mutex);
    passing->passed = true;
    fake.changed.notify_all();
  });
  if (status != cudaSuccess) return status;
  passing->clock = stream->clock;
  event->last = passing;
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
  FakeMachine& fake = machine();
  std::lock_guard lock(fake.mutex);
  if (!fake.usable(event, "cudaStreamWaitEvent") || !fake.usable(stream, "cudaStreamWaitEvent")) {
    return cudaErrorInvalidResourceHandle;
  }
  const auto passing = event->last;
  if (passing == nullptr)
    return cudaSuccess;  // CUDA's rule: an event that was never recorded has passed
  const cudaError_t status = fake.enqueue(*stream, {}, [&fake, passing] {
    std::unique_lock inner(fake.mutex);
    fake.changed.wait(inner, [&] { return passing->passed; });
  });
  if (status == cudaSuccess) cuttle::merge(stream->clock, passing->clock);
  return status;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  FakeMachine& fake = machine();
  std::lock_guard lock(fake.mutex);
  if (!fake.usable(event, "cudaEventQuery")) return cudaErrorInvalidResourceHandle;
  if (fake.collect_touches()) return cudaErrorIllegalAddress;
  if (event->last == nullptr) return cudaSuccess;
  if (!event->last->passed) return cudaErrorNotReady;
  fake.host_learns(event->last->clock);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  FakeMachine& fake = machine();
  std::lock_guard lock(fake.mutex);
  if (!fake.usable(stream, "cudaMemcpyAsync")) return cudaErrorInvalidResourceHandle;
  const bool to_device = kind == cudaMemcpyHostToDevice;
  if (!fits(fake.find(to), to_device) || !fits(fake.find(from), !to_device)) {
    fake.report(Fault::kMemory,
                "copy between kinds of memory other than it says, or of pageable memory");
    return cudaErrorInvalidValue;
  }
  char* target = fake.inside(to);
  const char* source = fake.inside(from);
  const Access reads{static_cast<char*>(const_cast<void*>(from)), bytes, false,
                     to_device ? "a copy to the device" : "a copy to the host"};
  const Access writes{static_cast<char*>(to), bytes, true, reads.what};
  return fake.enqueue(*stream, {reads, writes}, [target, source, bytes] {
    std::memset(target, 0xCB, bytes);  // poison until the copy is done
    std::this_thread::sleep_for(std::chrono::microseconds(20));
    std::memcpy(target, source, bytes);
  });
}

}  // extern "C"
