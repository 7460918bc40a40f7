// The NCCL functions that src/comm calls. Like the library with a non-blocking communicator: calls
// return at once, "in progress", and the program polls.
#include <algorithm>
#include <cstring>

#include "cuttle/core/error.hpp"
#include "support/nccl_standin/fake_comm.hpp"

using cuttle::AskedReduce;
using cuttle::communicators;
using cuttle::FakeMachine;
using cuttle::Fault;
using cuttle::machine;
using cuttle::open_group;
using State = ncclComm::State;

namespace {

bool usable(ncclComm_t comm, const char* caller) {
  const auto& all = communicators();
  const bool known =
      std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.get() == comm; });
  if (known && comm->alive()) return true;
  machine().report(Fault::kAfterEnd, fmt::format("{} on a communicator that was {}", caller,
                                                 known ? "aborted or destroyed" : "never made"));
  return false;
}

/// Calls outside the poll need a communicator at rest.
ncclResult_t at_rest(ncclComm_t comm, const char* caller) {
  if (!usable(comm, caller)) return ncclInvalidArgument;
  if (comm->error != ncclSuccess) return comm->error;
  if (comm->state == State::kReady) return ncclSuccess;
  return comm->fail(ncclInvalidUsage, Fault::kUnsettled,
                    fmt::format("{} while the communicator is still in progress", caller));
}

/// Hands what one group asked for to its communicators, which launch it when they are polled.
ncclResult_t end_group() {
  for (const AskedReduce& asked : open_group().asked) {
    asked.comm->asked.push_back(asked);
    asked.comm->state = State::kLaunching;
    asked.comm->polls_left = machine().draw(3);
    asked.stream->unsettled = true;
  }
  open_group().asked.clear();
  return ncclInProgress;
}

}  // namespace

extern "C" {

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclInProgress:
      return "NCCL operation in progress";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclUnhandledCudaError:
      return "unhandled cuda error";
    default:
      return "internal error";
  }
}

const char* ncclGetLastError(ncclComm_t comm) {
  return comm == nullptr ? "the stand-in's report says more" : comm->message.c_str();
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  const std::string name = cuttle::RankExchange::create();
  std::memset(id->internal, 0, sizeof id->internal);
  std::memcpy(id->internal, name.data(), name.size());
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int size, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  FakeMachine& fake = machine();
  std::lock_guard lock(fake.mutex);
  if (size < 1 || size > cuttle::RankExchange::kMaxRanks || rank < 0 || rank >= size ||
      config == nullptr || config->magic != 0xcafebeef || config->blocking != 0) {
    return ncclInvalidArgument;  // blocking communicators cannot be given a deadline
  }
  communicators().push_back(
      std::make_unique<ncclComm>(id.internal, rank, size, cuttle::current_device()));
  *comm = communicators().back().get();
  (*comm)->polls_left = fake.draw(4);
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error) {
  std::lock_guard lock(machine().mutex);
  if (!usable(comm, "ncclCommGetAsyncError")) return ncclInvalidArgument;
  if (!open_group().asked.empty()) {
    return *error = comm->fail(ncclInvalidUsage, Fault::kGroup,
                               "polled with a group that was never ended");
  }
  comm->poll();
  const bool busy = comm->state == State::kStarting || comm->state == State::kLaunching ||
                    comm->state == State::kLeaving;
  *error = comm->error != ncclSuccess ? comm->error : busy ? ncclInProgress : ncclSuccess;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  ++open_group().depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  std::lock_guard lock(machine().mutex);
  if (open_group().depth == 0) {
    machine().report(Fault::kGroup, "ncclGroupEnd without ncclGroupStart");
    return ncclInvalidUsage;
  }
  return --open_group().depth == 0 ? end_group() : ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type,
                           ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  FakeMachine& fake = machine();
  std::lock_guard lock(fake.mutex);
  if (const ncclResult_t state = at_rest(comm, "ncclAllReduce"); state != ncclSuccess) return state;
  if (!fake.usable(stream, "ncclAllReduce") || from != to) return ncclInvalidArgument;
  if (stream->device != comm->device) {
    return comm->fail(ncclInvalidUsage, Fault::kDevice,
                      "the stream is on another device than the communicator");
  }
  open_group().asked.push_back({comm, static_cast<char*>(to), count, type, op, stream});
  return open_group().depth > 0 ? ncclSuccess : end_group();
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  std::lock_guard lock(machine().mutex);
  if (const ncclResult_t state = at_rest(comm, "ncclCommFinalize"); state != ncclSuccess)
    return state;
  comm->state = State::kLeaving;
  comm->polls_left = machine().draw(3);
  comm->exchange.set_leaving();
  return ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  std::lock_guard lock(machine().mutex);
  if (!usable(comm, "ncclCommDestroy")) return ncclInvalidArgument;
  if (comm->state != State::kLeft) {
    comm->fail(ncclInvalidUsage, Fault::kUnsettled, "destroyed before it was finalized");
  }
  comm->state = State::kDestroyed;
  comm->cancelled = true;
  machine().changed.notify_all();
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  std::lock_guard lock(machine().mutex);
  if (!usable(comm, "ncclCommAbort")) return ncclInvalidArgument;
  comm->state = State::kAborted;
  comm->cancelled = true;
  for (const AskedReduce& asked : comm->asked) asked.stream->unsettled = false;
  comm->asked.clear();
  comm->exchange.forget_name();
  machine().changed.notify_all();
  return ncclSuccess;
}

}  // extern "C"
