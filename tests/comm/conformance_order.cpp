#include <gmock/gmock.h>

#include <algorithm>
#include <deque>

#include "comm/conformance.hpp"
#include "cuttle/core/random.hpp"

namespace cuttle {
namespace {

using Integers = std::vector<std::int64_t>;

/// Starts `count` sums named by their number, waits for them in the given order, checks each.
void check_sums_in_flight(Communicator& comm, int count, bool backwards) {
  std::vector<std::pair<int, Pending<Integers>>> flying;
  for (int i = 0; i < count; ++i) {
    flying.emplace_back(
        i, comm.all_reduce("sum " + std::to_string(i), Integers(i % 7, i), ReduceOp::kSum));
  }
  for (int k = 0; k < count; ++k) {
    auto& [i, pending] = flying[backwards ? count - 1 - k : k];
    EXPECT_EQ(pending.wait(), Integers(i % 7, std::int64_t{i} * comm.size()));
  }
}

void waits_forwards(Communicator& comm) {
  check_sums_in_flight(comm, 40, false);
}
void waits_backwards(Communicator& comm) {
  check_sums_in_flight(comm, 40, true);
}
void waits_in_another_order_on_each_rank(Communicator& comm) {
  check_sums_in_flight(comm, 40, comm.rank() % 2 == 1);
}

void kinds_mix_in_flight(Communicator& comm) {
  const std::string mine(comm.rank() + 1, 'x');
  auto sum = comm.all_reduce("sum", {comm.rank()}, ReduceOp::kSum);
  auto texts = comm.all_gather("texts", mine);
  auto text = comm.broadcast("text", mine, comm.size() - 1);
  auto bytes = comm.all_reduce_max("bytes", {static_cast<std::uint8_t>(comm.rank())});
  EXPECT_EQ(bytes.wait()[0], comm.size() - 1);
  EXPECT_EQ(text.wait(), std::string(comm.size(), 'x'));
  EXPECT_EQ(texts.wait()[0], "x");
  EXPECT_EQ(sum.wait()[0], comm.size() * (comm.size() - 1) / 2);
}

void dropped_results_do_not_disturb(Communicator& comm) {
  for (int i = 0; i < 5; ++i) {
    const auto dropped = comm.all_reduce("dropped", {1, 2, 3}, ReduceOp::kSum);
    if (comm.rank() == 0) (void)comm.all_gather("dropped at once", std::string(1000, 'x'));
    if (comm.rank() != 0) comm.all_gather("dropped at once", "").wait();
  }
  EXPECT_EQ(comm.all_reduce("after", {1}, ReduceOp::kSum).wait()[0], comm.size());
}

void results_may_outlive_moves(Communicator& comm) {
  auto pending = comm.all_reduce("moved", {1}, ReduceOp::kSum);
  Pending<Integers> moved = std::move(pending);
  EXPECT_EQ(moved.wait()[0], comm.size());
}

void holds_many_barriers(Communicator& comm) {
  for (int i = 0; i < 300; ++i) comm.barrier("again");
}

/// What rank `rank` brings to the i-th random collective: a pure function of both, so everybody can
/// check it.
Random draws(int i, int rank) {
  RandomKey key;
  key.seed = 77;
  key.step = static_cast<std::uint64_t>(i);
  key.slot = static_cast<std::uint32_t>(rank + 1);
  return Random(key);
}
Integers integers_of(int i, int rank, std::size_t length) {
  Random random = draws(i, rank);
  Integers values(length);
  for (auto& value : values) value = static_cast<std::int64_t>(random.below(1000)) - 500;
  return values;
}
std::string text_of(int i, int rank) {
  Random random = draws(i, rank);
  return std::string(random.below(2000), static_cast<char>(random.below(256)));
}

void random_programs(Communicator& comm) {
  for (int i = 0; i < 150; ++i) {
    Random program = draws(i, -1);  // slot 0: the same on all ranks
    const auto kind = program.below(4);
    const auto length = static_cast<std::size_t>(program.below(500));
    const auto root = static_cast<int>(program.below(comm.size()));
    const auto name = "random " + std::to_string(i);
    if (kind == 0) {
      EXPECT_EQ(comm.broadcast(name, text_of(i, comm.rank()), root).wait(), text_of(i, root));
    } else if (kind == 1) {
      const auto all = comm.all_gather(name, text_of(i, comm.rank())).wait();
      for (int rank = 0; rank < comm.size(); ++rank) EXPECT_EQ(all[rank], text_of(i, rank));
    } else {
      Integers expected = integers_of(i, 0, length);
      for (int rank = 1; rank < comm.size(); ++rank) {
        const auto theirs = integers_of(i, rank, length);
        for (std::size_t k = 0; k < length; ++k) {
          expected[k] = kind == 2 ? expected[k] + theirs[k] : std::min(expected[k], theirs[k]);
        }
      }
      const auto op = kind == 2 ? ReduceOp::kSum : ReduceOp::kMin;
      EXPECT_EQ(comm.all_reduce(name, integers_of(i, comm.rank(), length), op).wait(), expected);
    }
  }
}

}  // namespace

std::vector<ConformanceCase> order_cases() {
  return {{"WaitsForwards", 60, waits_forwards},
          {"WaitsBackwards", 60, waits_backwards},
          {"WaitsInAnotherOrderOnEachRank", 60, waits_in_another_order_on_each_rank},
          {"KindsMixInFlight", 60, kinds_mix_in_flight},
          {"DroppedResultsDoNotDisturb", 60, dropped_results_do_not_disturb},
          {"ResultsMayOutliveMoves", 60, results_may_outlive_moves},
          {"HoldsManyBarriers", 60, holds_many_barriers},
          {"RandomPrograms", 60, random_programs}};
}

std::vector<ConformanceCase> conformance_cases() {
  auto all = value_cases();
  for (const auto& more : {order_cases(), fault_cases()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace cuttle
