// Solo and Thread ranks: the conformance suite, and what only thread ranks promise.
#include <gmock/gmock.h>

#include <atomic>
#include <tuple>

#include "comm/conformance.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/core/timer.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

CommOptions with_deadline(double seconds) {
  CommOptions options;
  options.deadline_s = seconds;
  return options;
}

class SoloConformance : public testing::TestWithParam<ConformanceCase> {};
TEST_P(SoloConformance, Holds) {
  const auto comm = make_solo_communicator();
  EXPECT_EQ(comm->backend(), "solo");
  GetParam().check(*comm);
}
INSTANTIATE_TEST_SUITE_P(, SoloConformance, testing::ValuesIn(conformance_cases()),
                         [](const auto& tested) { return tested.param.name; });

class ThreadConformance : public testing::TestWithParam<std::tuple<ConformanceCase, int>> {};
TEST_P(ThreadConformance, Holds) {
  const auto& [promise, ranks] = GetParam();
  std::atomic<int> ran{0};
  run_thread_ranks(ranks, with_deadline(promise.deadline_s),
                   [&, &check = promise.check](Communicator& comm) {
                     check(comm);
                     ++ran;
                   });
  EXPECT_EQ(ran, ranks);
}
INSTANTIATE_TEST_SUITE_P(, ThreadConformance,
                         testing::Combine(testing::ValuesIn(conformance_cases()),
                                          testing::Values(1, 2, 3, 4)),
                         [](const auto& tested) {
                           return std::get<0>(tested.param).name +
                                  std::to_string(std::get<1>(tested.param));
                         });

TEST(ThreadRanks, TheCauseIsRethrownAndReleasesTheOthers) {
  const Timer timer;
  std::atomic<int> released{0};
  const auto run = [&] {
    run_thread_ranks(4, with_deadline(60), [&](Communicator& comm) {
      comm.barrier("start");
      if (comm.rank() == 2) throw UserError("rank 2 has a broken shard");
      try {
        comm.barrier("gradient");
      } catch (const PeerLost& lost) {
        EXPECT_THAT(lost.what(), HasSubstr("broken shard"));
        EXPECT_THAT(lost.what(), HasSubstr("'gradient' #2"));
        ++released;
        throw;
      }
    });
  };
  EXPECT_THAT(run, ThrowsMessage<UserError>(HasSubstr("rank 2 has a broken shard")));
  EXPECT_EQ(released, 3);
  EXPECT_LT(timer.seconds(), 20) << "released, not timed out";
}

TEST(ThreadRanks, TheLowestCauseWins) {
  const auto run = [] {
    run_thread_ranks(3, {}, [](Communicator& comm) {
      if (comm.rank() > 0) throw Error("rank " + std::to_string(comm.rank()));
      comm.barrier("alone");
    });
  };
  EXPECT_THAT(run, ThrowsMessage<Error>(testing::StrEq("rank 1")));
}

TEST(ThreadRanks, ARankThatEndsEarlyIsNamedAtOnce) {
  const Timer timer;
  const auto run = [] {
    run_thread_ranks(2, with_deadline(60), [](Communicator& comm) {
      if (comm.rank() == 0) comm.barrier("one too many");
    });
  };
  EXPECT_THAT(run, ThrowsMessage<PeerLost>(
                       testing::AllOf(HasSubstr("rank 1"), HasSubstr("its work ended"))));
  EXPECT_LT(timer.seconds(), 20);
}

TEST(ThreadRanks, WhatAllBroughtIsDeliveredThoughARankFailedSince) {
  std::atomic<int> delivered{0};
  const auto run = [&] {
    run_thread_ranks(2, with_deadline(60), [&](Communicator& comm) {
      auto pending = comm.all_reduce("x", {1}, ReduceOp::kSum);
      if (comm.rank() == 1) throw Error("after handing in");
      delivered = static_cast<int>(pending.wait()[0]);
    });
  };
  EXPECT_THROW(run(), Error);
  EXPECT_EQ(delivered, 2);
}

TEST(ThreadRanks, ImpossibleRequestsAreTheUsers) {
  const auto nothing = [](Communicator&) {};
  EXPECT_THROW(run_thread_ranks(0, {}, nothing), UserError);
  for (const double seconds : {0.0, -1.0, 1e30, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THROW(run_thread_ranks(1, with_deadline(seconds), nothing), UserError) << seconds;
  }
}

}  // namespace
}  // namespace cuttle
