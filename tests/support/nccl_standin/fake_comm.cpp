#include "support/nccl_standin/fake_comm.hpp"

#include <utility>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

std::string describe(int rank, const Signature& signature) {
  return fmt::format("rank {}: collective {}, {} elements of type {}, operation {}", rank,
                     signature.number, signature.count, signature.type, signature.op);
}

Fault difference(const Signature& a, const Signature& b) {
  const bool count = a.count != b.count, type = a.type != b.type, op = a.op != b.op;
  if (count + type + op != 1) return Fault::kOrder;
  return count ? Fault::kCount : type ? Fault::kType : Fault::kOperation;
}

}  // namespace

std::vector<std::unique_ptr<ncclComm>>& communicators() {
  static auto* all = new std::vector<std::unique_ptr<ncclComm>>;
  return *all;
}

OpenGroup& open_group() {
  thread_local OpenGroup group;
  return group;
}

}  // namespace cuttle

using cuttle::Access;
using cuttle::AskedReduce;
using cuttle::FakeMachine;
using cuttle::Fault;
using cuttle::machine;
using cuttle::RankExchange;
using cuttle::Signature;

ncclResult_t ncclComm::fail(ncclResult_t why, Fault fault, const std::string& what) {
  machine().report(fault, fmt::format("[rank {}] {}", rank, what));
  message = what;
  error = why;
  if (alive()) state = State::kFailed;
  return why;
}

void ncclComm::poll() {
  if (state == State::kStarting) poll_start();
  const bool counting = state == State::kLaunching || state == State::kLeaving;
  if (!counting || (polls_left > 0 && polls_left-- > 0)) return;
  if (state == State::kLaunching) return launch();
  if (running == 0 && exchange.all_leaving()) state = State::kLeft;
}

void ncclComm::poll_start() {
  if (const std::string problem = exchange.problem(); !problem.empty()) {
    fail(ncclInvalidUsage, Fault::kStart, problem);
    return;
  }
  if (!exchange.all_joined()) return;
  exchange.forget_name();
  if (polls_left > 0 && polls_left-- > 0) return;
  state = State::kReady;
  exchange.set_started();
}

void ncclComm::launch() {
  state = State::kReady;
  for (const AskedReduce& reduce : std::exchange(asked, {})) {
    reduce.stream->unsettled = false;
    if (state == State::kReady) launch_one(reduce);
  }
}

void ncclComm::launch_one(const AskedReduce& reduce) {
  if (!exchange.all_started()) {
    fail(ncclInvalidUsage, Fault::kBarrier,
         "a collective is launched while another rank is still starting");
    return;
  }
  FakeMachine& fake = machine();
  const std::uint64_t width = reduce.type == ncclInt64 || reduce.type == ncclUint64 ? 8 : 1;
  const cuttle::FakeMemory* block = fake.find(reduce.data);
  if (block == nullptr || block->device != device) {
    fail(ncclInvalidArgument, Fault::kDevice,
         "a collective with memory that is not on the communicator's device");
    return;
  }
  const Signature signature{++number, reduce.count, reduce.type, reduce.op};
  const Access access{reduce.data, reduce.count * width, true, "an all-reduce"};
  ++running;
  const cudaError_t status = fake.enqueue(
      *reduce.stream, {access},
      [this, reduce, data = fake.inside(reduce.data), signature] { run(reduce, data, signature); });
  if (status == cudaSuccess) return;
  --running;
  error = ncclUnhandledCudaError;
  message = fake.reports.back().message;
  state = State::kFailed;
}

/// On the stream's thread: what the kernel would do. After a fault it hangs until it is aborted, as
/// a kernel would.
void ncclComm::run(const AskedReduce& reduce, char* data, Signature signature) {
  FakeMachine& fake = machine();
  Signature other;
  int other_rank = 0;
  const auto outcome = exchange.compare(signature, cancelled, other, other_rank);
  if (outcome == RankExchange::Outcome::kSame) {
    exchange.reduce(data, reduce.count, reduce.type, reduce.op, cancelled);
  }
  std::unique_lock lock(fake.mutex);
  if (outcome == RankExchange::Outcome::kDiffers) {
    fail(ncclInvalidUsage, cuttle::difference(signature, other),
         "ranks differ: " + cuttle::describe(rank, signature) + "; " +
             cuttle::describe(other_rank, other));
    fake.changed.wait(lock, [&] { return cancelled.load(); });
  }
  --running;
}
