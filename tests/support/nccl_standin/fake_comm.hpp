#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/nccl_standin/fake_machine.hpp"
#include "support/nccl_standin/rank_exchange.hpp"

namespace cuttle {

/// An all-reduce that the program asked for, before NCCL puts it on its stream.
struct AskedReduce {
  ncclComm* comm;
  char* data;  // in place
  std::uint64_t count;
  ncclDataType_t type;
  ncclRedOp_t op;
  CUstream_st* stream;
};

}  // namespace cuttle

/// A communicator. Never deleted, so that use after its end is seen. Guarded by the machine's
/// mutex, but for `exchange`, which the stream's thread uses during a collective, and `cancelled`.
///
/// Nothing goes on in the background: starting, launching and leaving advance when the program
/// polls, after a seeded number of polls, so a program that forgets to poll is caught each time.
struct ncclComm {
  enum class State {
    kStarting,
    kReady,
    kLaunching,
    kLeaving,
    kLeft,
    kFailed,
    kAborted,
    kDestroyed
  };

  ncclComm(const std::string& name, int rank_, int size_, int device_)
      : rank(rank_),
        size(size_),
        device(device_),
        exchange(name, rank_, size_, cuttle::machine().options.first_device + device_) {}

  const int rank;
  const int size;
  const int device;
  cuttle::RankExchange exchange;
  State state = State::kStarting;
  std::uint64_t polls_left = 0;
  std::vector<cuttle::AskedReduce> asked;  // group ended, not yet launched
  std::uint64_t number = 0;                // collectives launched
  std::uint64_t running = 0;               // of them, still on the stream
  ncclResult_t error = ncclSuccess;
  std::string message;
  std::atomic<bool> cancelled{false};

  bool alive() const { return state != State::kAborted && state != State::kDestroyed; }
  ncclResult_t fail(ncclResult_t why, cuttle::Fault fault, const std::string& what);
  void poll();

 private:
  void poll_start();
  void launch();
  void launch_one(const cuttle::AskedReduce& asked_reduce);
  void run(const cuttle::AskedReduce& asked_reduce, char* data, cuttle::Signature signature);
};

namespace cuttle {

/// The communicators of this process; guarded by the machine's mutex.
std::vector<std::unique_ptr<ncclComm>>& communicators();
/// The calling thread's open groups and what was asked inside them.
struct OpenGroup {
  int depth = 0;
  std::vector<AskedReduce> asked;
};
OpenGroup& open_group();

}  // namespace cuttle
