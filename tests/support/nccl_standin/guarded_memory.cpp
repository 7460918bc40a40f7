#include "support/nccl_standin/guarded_memory.hpp"

#include <csignal>
#include <cstring>
#include <mutex>

#include <sys/mman.h>
#include <unistd.h>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

// The signal handler can only look at plain memory, hence a fixed table.
constexpr int kSlots = 4096;
std::atomic<GuardedMemory*> guarded[kSlots];
struct sigaction previous_action;

void on_fault(int, siginfo_t* info, void*) {
  if (GuardedMemory::open_touched(static_cast<char*>(info->si_addr))) return;
  sigaction(SIGSEGV, &previous_action, nullptr);  // a real one: happens again, in the old handler
}

void install_handler() {
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGSEGV, &action, &previous_action);
}

char* map_once(int file, std::size_t bytes) {
  void* address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  CUTTLE_REQUIRE(address != MAP_FAILED, "the NCCL stand-in cannot map {} bytes", bytes);
  return static_cast<char*>(address);
}

}  // namespace

GuardedMemory::GuardedMemory(std::size_t bytes)
    : bytes_(bytes), protection_(PROT_READ | PROT_WRITE) {
  static std::once_flag once;
  std::call_once(once, install_handler);
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  mapped_ = (bytes + page) / page * page;
  const int file = memfd_create("cuttle_nccl_standin", 0);
  CUTTLE_REQUIRE(file >= 0 && ftruncate(file, static_cast<off_t>(mapped_)) == 0,
                 "the NCCL stand-in cannot make memory of {} bytes", mapped_);
  outside_ = map_once(file, mapped_);
  inside_ = map_once(file, mapped_);
  ::close(file);
  for (auto& slot : guarded) {
    GuardedMemory* empty = nullptr;
    if (slot.compare_exchange_strong(empty, this)) return;
  }
  throw Error("the NCCL stand-in has no room for more allocations");
}

GuardedMemory::~GuardedMemory() {
  for (auto& slot : guarded) {
    GuardedMemory* mine = this;
    if (slot.compare_exchange_strong(mine, nullptr)) break;
  }
  munmap(outside_, mapped_);
  munmap(inside_, mapped_);
}

void GuardedMemory::protect(int protection) {
  if (protection == protection_) return;
  protection_ = protection;
  mprotect(outside_, mapped_, protection);
}

bool GuardedMemory::open_touched(char* address) {
  for (auto& slot : guarded) {
    GuardedMemory* memory = slot.load();
    if (memory == nullptr || address < memory->outside_ ||
        address >= memory->outside_ + memory->mapped_) {
      continue;
    }
    memory->touched_ = true;
    memory->protection_ = PROT_READ | PROT_WRITE;
    return mprotect(memory->outside_, memory->mapped_, memory->protection_) == 0;
  }
  return false;
}

}  // namespace cuttle
