// NCCL communicators of processes, on the stand-in (tests/support/nccl_standin). Whatever a test
// does, the stand-in must have nothing to complain about at its end.
#include "comm/nccl_communicator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "comm/conformance.hpp"
#include "cuttle/core/error.hpp"
#include "support/mpi_test_main.hpp"
#include "support/nccl_standin/standin.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;
using Values = std::vector<std::int64_t>;

int my_rank() {
  return test_session().rank();
}
int all_ranks() {
  return test_session().size();
}

/// What rank `rank` brings: of both signs, different everywhere.
Values values_of(int rank, std::size_t count) {
  Values values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = (static_cast<std::int64_t>(i * 7919) - 40000) * (rank % 2 == 0 ? 1 : -3) + rank;
  }
  return values;
}

template <class Fold>
Values folded(std::size_t count, const Fold& fold) {
  Values result = values_of(0, count);
  for (int rank = 1; rank < all_ranks(); ++rank) {
    const Values other = values_of(rank, count);
    for (std::size_t i = 0; i < count; ++i) result[i] = fold(result[i], other[i]);
  }
  return result;
}
Values summed(std::size_t count) {
  return folded(count, [](std::int64_t a, std::int64_t b) { return a + b; });
}

template <class Base>
class OnStandin : public Base {
 protected:
  void SetUp() override { standin_start({}); }

  void open(double deadline_s = 30.0) {
    options_.backend = "mpi";
    options_.deadline_s = deadline_s;
    control_ = test_session().world(options_);
    nccl_ = make_nccl_communicator(*control_, test_session().local_rank(), options_);
  }

  void TearDown() override {
    nccl_.reset();
    standin_check_leaks();
    for (const FaultReport& report : standin_reports()) ADD_FAILURE() << report.message;
  }

  CommOptions options_;
  std::unique_ptr<Communicator> control_;
  std::unique_ptr<Communicator> nccl_;
};

class NcclConformance : public OnStandin<testing::TestWithParam<ConformanceCase>> {};

TEST_P(NcclConformance, Holds) {
  open(GetParam().deadline_s);
  GetParam().check(*nccl_);
}

INSTANTIATE_TEST_SUITE_P(, NcclConformance, testing::ValuesIn(conformance_cases()),
                         [](const auto& tested) { return tested.param.name; });

class NcclCommunicatorTest : public OnStandin<testing::Test> {};

TEST_F(NcclCommunicatorTest, AddsUpAndCompares) {
  open();
  EXPECT_EQ(nccl_->backend(), "nccl");
  EXPECT_EQ(nccl_->rank(), my_rank());
  EXPECT_EQ(nccl_->size(), all_ranks());
  constexpr std::size_t kCount = 1001;
  const Values mine = values_of(my_rank(), kCount);
  EXPECT_EQ(nccl_->all_reduce("sum", mine, ReduceOp::kSum).wait(), summed(kCount));
  EXPECT_EQ(nccl_->all_reduce("max", mine, ReduceOp::kMax).wait(),
            folded(kCount, [](std::int64_t a, std::int64_t b) { return a > b ? a : b; }));
  EXPECT_EQ(nccl_->all_reduce("min", mine, ReduceOp::kMin).wait(),
            folded(kCount, [](std::int64_t a, std::int64_t b) { return a < b ? a : b; }));
}

TEST_F(NcclCommunicatorTest, BytesCompareUnsigned) {
  open();
  std::vector<std::uint8_t> mine(5, static_cast<std::uint8_t>(100 + 50 * my_rank()));
  mine[2] = 7;
  std::vector<std::uint8_t> expected(5, static_cast<std::uint8_t>(100 + 50 * (all_ranks() - 1)));
  expected[2] = 7;
  EXPECT_EQ(nccl_->all_reduce_max("bytes", mine).wait(), expected);
}

TEST_F(NcclCommunicatorTest, StagingGrowsAndShrinks) {
  open();
  for (const std::size_t count : {1, 512, 513, 200003, 3, 0, 70000}) {
    EXPECT_EQ(nccl_->all_reduce("size", values_of(my_rank(), count), ReduceOp::kSum).wait(),
              summed(count));
  }
}

TEST_F(NcclCommunicatorTest, ManyInFlightEndInAnyOrder) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    standin_start({all_ranks(), 0, seed, 500});
    open();
    std::vector<Pending<Values>> pending;
    for (std::size_t count = 100; count < 108; ++count) {
      pending.push_back(nccl_->all_reduce("flight", values_of(my_rank(), count), ReduceOp::kSum));
    }
    // Each rank waits in an order of its own.
    for (std::size_t i = 0; i < 8; ++i) {
      const std::size_t turn = (my_rank() % 2 == 0 ? i : 7 - i);
      EXPECT_EQ(pending[turn].wait(), summed(100 + turn)) << "seed " << seed;
    }
    nccl_.reset();
    EXPECT_TRUE(standin_reports().empty()) << standin_reports()[0].message;
  }
}

TEST_F(NcclCommunicatorTest, AnotherThreadMayWaitAndStart) {
  open();
  auto pending = nccl_->all_reduce("started here", values_of(my_rank(), 50), ReduceOp::kSum);
  std::thread([&] {
    EXPECT_EQ(pending.wait(), summed(50));
    EXPECT_EQ(nccl_->all_reduce("there", values_of(my_rank(), 9000), ReduceOp::kSum).wait(),
              summed(9000));
  }).join();
}

TEST_F(NcclCommunicatorTest, AnUnclaimedCollectiveDoesNotHoldUpTheNext) {
  open();
  { auto forgotten = nccl_->all_reduce("forgotten", {1}, ReduceOp::kSum); }
  EXPECT_EQ(nccl_->all_reduce("next", {1}, ReduceOp::kSum).wait(), Values{all_ranks()});
}

TEST_F(NcclCommunicatorTest, DifferentLengthsAreRefusedAndForgiven) {
  open();
  if (all_ranks() > 1) {
    const std::size_t count = my_rank() == 0 ? 3 : 5;
    try {
      nccl_->all_reduce("uneven", Values(count, 1), ReduceOp::kSum).wait();
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(dynamic_cast<const PeerLost*>(&error), nullptr);
      EXPECT_THAT(error.what(), HasSubstr("'uneven', sum of 3 int64"));
      EXPECT_THAT(error.what(), HasSubstr("'uneven', sum of 5 int64"));
    }
  }
  EXPECT_EQ(nccl_->all_reduce("even", {2}, ReduceOp::kSum).wait(), Values{2 * all_ranks()});
}

TEST_F(NcclCommunicatorTest, FewerDevicesThanRanksAreRefused) {
  if (all_ranks() == 1) return;
  standin_start({all_ranks() - 1});
  try {
    open();
    ADD_FAILURE() << "no error";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr(fmt::format("ranks 0 and {}", all_ranks() - 1)));
    EXPECT_THAT(error.what(), HasSubstr("comm.backend"));
  }
}

TEST_F(NcclCommunicatorTest, RankWithoutDeviceIsNamed) {
  const int poor = all_ranks() - 1;
  standin_start({my_rank() == poor ? 0 : 4});
  EXPECT_EQ(visible_cuda_devices(), my_rank() == poor ? 0 : 4);
  try {
    open();
    ADD_FAILURE() << "no error";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr(fmt::format("rank {} on", poor)));
    EXPECT_THAT(error.what(), HasSubstr("no CUDA-capable device"));
  }
}

TEST_F(NcclCommunicatorTest, LauncherMayShowEachRankItsOwnDeviceOnly) {
  standin_start({1, my_rank()});
  open();
  EXPECT_EQ(nccl_->all_reduce("bound", {3}, ReduceOp::kSum).wait(), Values{3 * all_ranks()});
}

TEST_F(NcclCommunicatorTest, AutoTakesNcclExactlyIfEveryRankHasADevice) {
  options_.backend = "auto";
  nccl_ = test_session().world(options_);
  EXPECT_EQ(nccl_->backend(), "nccl");
  EXPECT_EQ(nccl_->all_reduce("auto", {1}, ReduceOp::kSum).wait(), Values{all_ranks()});
  nccl_.reset();
  standin_start({my_rank() == 0 ? 0 : 4});
  EXPECT_EQ(test_session().world(options_)->backend(), all_ranks() == 1 ? "solo" : "mpi");
}

}  // namespace
}  // namespace cuttle
