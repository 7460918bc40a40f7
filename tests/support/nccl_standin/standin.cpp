#include "support/nccl_standin/standin.hpp"

#include <algorithm>

#include "cuttle/core/error.hpp"
#include "support/nccl_standin/fake_comm.hpp"

namespace cuttle {

void standin_start(const StandinOptions& options) {
  FakeMachine& fake = machine();
  std::lock_guard lock(fake.mutex);
  for (const auto& comm : communicators()) {
    if (!comm->alive()) continue;
    comm->state = ncclComm::State::kAborted;
    comm->cancelled = true;
  }
  for (const auto& stream : fake.streams) stream->alive = false;
  for (const auto& event : fake.events) event->alive = false;
  // Threads of the streams above may still be at work in it.
  static auto* lost_memory = new std::vector<FakeMemory>;
  for (auto& [address, block] : fake.memory) lost_memory->push_back(std::move(block));
  fake.memory.clear();
  fake.reports.clear();
  fake.options = options;
  fake.draws = 0;
  fake.changed.notify_all();
  open_group() = {};
  current_device() = 0;
}

std::vector<FaultReport> standin_reports() {
  FakeMachine& fake = machine();
  std::lock_guard lock(fake.mutex);
  fake.collect_touches();
  return fake.reports;
}

void standin_check_leaks() {
  FakeMachine& fake = machine();
  std::lock_guard lock(fake.mutex);
  const auto alive = [](const auto& one) { return one->alive; };
  const auto leaked = [&](std::ptrdiff_t count, const char* what) {
    if (count > 0) fake.report(Fault::kLeak, fmt::format("{} {} never freed", count, what));
  };
  leaked(std::count_if(communicators().begin(), communicators().end(),
                       [](const auto& comm) { return comm->alive(); }),
         "communicators");
  leaked(std::count_if(fake.streams.begin(), fake.streams.end(), alive), "streams");
  leaked(std::count_if(fake.events.begin(), fake.events.end(), alive), "events");
  leaked(static_cast<std::ptrdiff_t>(fake.memory.size()), "allocations");
}

}  // namespace cuttle
