// Each mistake that a backend could make must be caught by the stand-in, or show in what comes out.
#include "comm/nccl_mutants.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "comm/nccl_communicator.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/core/timer.hpp"
#include "support/mpi_test_main.hpp"
#include "support/nccl_standin/standin.hpp"

namespace cuttle {
namespace {

/// A control communicator whose all-reduces do not wait for the others once NCCL starts: neither
/// barrier nor handshake.
class HastyControl final : public Communicator {
 public:
  explicit HastyControl(Communicator& proper) : proper_(proper) {}
  int rank() const override { return proper_.rank(); }
  int size() const override { return proper_.size(); }
  std::string backend() const override { return proper_.backend(); }
  Pending<std::vector<std::int64_t>> all_reduce(std::string_view name,
                                                std::vector<std::int64_t> values,
                                                ReduceOp op) override {
    hasty_ = hasty_ || name == "starting NCCL";
    if (!hasty_) return proper_.all_reduce(name, std::move(values), op);
    return Pending<std::vector<std::int64_t>>([values = std::move(values)] { return values; });
  }
  Pending<std::vector<std::uint8_t>> all_reduce_max(std::string_view name,
                                                    std::vector<std::uint8_t> values) override {
    return proper_.all_reduce_max(name, std::move(values));
  }
  Pending<std::string> broadcast(std::string_view name, std::string bytes, int root) override {
    return proper_.broadcast(name, std::move(bytes), root);
  }
  Pending<std::vector<std::string>> all_gather(std::string_view name, std::string bytes) override {
    return proper_.all_gather(name, std::move(bytes));
  }

 private:
  Communicator& proper_;
  bool hasty_ = false;
};

/// How a mistake shows. Bits, so that ranks can be joined.
constexpr std::int64_t kWrongResult = std::int64_t{1} << 32;
constexpr std::int64_t kThrown = std::int64_t{1} << 33;
std::int64_t bit(Fault fault) {
  return std::int64_t{1} << static_cast<int>(fault);
}

/// Three collectives in flight, twice, on two ranks; whether all results were right.
bool results_are_right(Communicator& comm) {
  const std::int64_t rank = comm.rank();
  bool right = true;
  for (int round = 0; round < 2; ++round) {
    auto sum =
        comm.all_reduce("sum", std::vector<std::int64_t>(100, 5 - 20 * rank), ReduceOp::kSum);
    auto max = comm.all_reduce_max(
        "max", std::vector<std::uint8_t>(37, static_cast<std::uint8_t>(9 + 200 * rank)));
    auto min = comm.all_reduce("min", std::vector<std::int64_t>(60, 7 - 9 * rank), ReduceOp::kMin);
    // The last first: that launches all three before anything is waited for in NCCL.
    right = min.wait() == std::vector<std::int64_t>(60, -2) && right;
    right = max.wait() == std::vector<std::uint8_t>(37, 209) && right;
    right = sum.wait() == std::vector<std::int64_t>(100, -10) && right;
  }
  return right;
}

struct Noticed {
  std::int64_t bits = 0;
  std::string story;
};

/// Makes the mistake on both ranks and returns all that was noticed on either.
Noticed noticed(Mistake mistake, std::uint64_t seed) {
  standin_start({4, 0, seed, 200});
  CommOptions options;
  options.backend = "mpi";
  options.deadline_s = mistake == Mistake::kNone ? 30.0 : 1.0;
  Noticed here;
  const auto proper = test_session().world(options);
  HastyControl hasty(*proper);
  Communicator& control = mistake == Mistake::kMissingBarrier ? hasty : *proper;
  make_mistake(mistake, test_session().rank());
  try {
    const auto comm = make_nccl_communicator(control, test_session().local_rank(), options);
    if (!results_are_right(*comm)) here = {kWrongResult, "wrong results\n"};
  } catch (const Error& error) {
    here.bits |= kThrown;
    here.story += fmt::format("thrown: {}\n", error.what());
  }
  make_mistake(Mistake::kNone, 0);
  standin_check_leaks();
  for (const FaultReport& report : standin_reports()) {
    here.bits |= bit(report.fault);
    here.story += fmt::format("reported: {}\n", report.message);
  }
  Noticed all;
  for (const auto& other :
       test_communicator().all_gather("bits", std::to_string(here.bits)).wait()) {
    all.bits |= std::stoll(other);
  }
  for (const auto& other : test_communicator().all_gather("story", here.story).wait()) {
    all.story += "on a rank:\n" + other;
  }
  return all;
}

struct Case {
  const char* name;
  Mistake mistake;
  std::int64_t must_show;  // all of these bits
};

class NcclMutantsTest : public testing::TestWithParam<Case> {};

TEST_P(NcclMutantsTest, IsCaught) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    const Noticed all = noticed(GetParam().mistake, seed);
    EXPECT_EQ(all.bits & GetParam().must_show, GetParam().must_show)
        << "seed " << seed << ", " << all.story;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, NcclMutantsTest,
    testing::Values(
        Case{"WrongCount", Mistake::kWrongCount, bit(Fault::kCount) | kThrown},
        Case{"WrongType", Mistake::kWrongType, bit(Fault::kType) | kThrown},
        Case{"WrongOperation", Mistake::kWrongOperation, bit(Fault::kOperation) | kThrown},
        Case{"WrongOrder", Mistake::kWrongOrder, bit(Fault::kOrder) | kThrown},
        Case{"CollectiveLeftOut", Mistake::kCollectiveLeftOut, bit(Fault::kOrder) | kThrown},
        Case{"WrongRankNumber", Mistake::kWrongRankNumber, bit(Fault::kStart) | kThrown},
        Case{"SharedDevice", Mistake::kSharedDevice, bit(Fault::kStart) | kThrown},
        Case{"DeviceChanges", Mistake::kDeviceChanges, bit(Fault::kDevice) | kThrown},
        Case{"MissingBarrier", Mistake::kMissingBarrier, bit(Fault::kBarrier) | kThrown},
        Case{"MissingGroupEnd", Mistake::kMissingGroupEnd, bit(Fault::kGroup) | kThrown},
        Case{"MissingGroupStart", Mistake::kMissingGroupStart, bit(Fault::kGroup) | kThrown},
        Case{"MissingPoll", Mistake::kMissingPoll, bit(Fault::kUnsettled) | kThrown},
        Case{"MissingEventWait", Mistake::kMissingEventWait, bit(Fault::kRace) | kThrown},
        Case{"MissingEventRecord", Mistake::kMissingEventRecord, bit(Fault::kRace) | kThrown},
        Case{"HostReadsEarly", Mistake::kHostReadsEarly, bit(Fault::kHostAccess)},
        Case{"HostWritesEarly", Mistake::kHostWritesEarly, bit(Fault::kHostAccess)},
        Case{"UseAfterAbort", Mistake::kUseAfterAbort, bit(Fault::kAfterEnd) | kThrown},
        Case{"UseAfterDestroy", Mistake::kUseAfterDestroy, bit(Fault::kAfterEnd) | kThrown},
        Case{"DefaultStream", Mistake::kDefaultStream, bit(Fault::kDevice) | kThrown},
        Case{"FreeInFlight", Mistake::kFreeInFlight, bit(Fault::kFreedInUse)},
        Case{"CopyTooLong", Mistake::kCopyTooLong, bit(Fault::kMemory) | kThrown},
        Case{"CopyTooShort", Mistake::kCopyTooShort, kWrongResult},
        Case{"CopyInTheWrongDirection", Mistake::kCopyInTheWrongDirection,
             bit(Fault::kMemory) | kThrown},
        Case{"MissingCopyBack", Mistake::kMissingCopyBack, kWrongResult},
        Case{"MissingFinalize", Mistake::kMissingFinalize, bit(Fault::kUnsettled)},
        Case{"MissingDestroy", Mistake::kMissingDestroy, bit(Fault::kLeak)}),
    [](const auto& tested) { return tested.param.name; });

TEST(NcclMutants, WithoutMistakeNothingIsNoticed) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const Noticed all = noticed(Mistake::kNone, seed);
    EXPECT_EQ(all.bits, 0) << "seed " << seed << ", " << all.story;
  }
}

// A peer that arrives, and then hangs inside NCCL: nobody but the deadline can tell.
TEST(NcclMutants, HangInsideNcclEndsAtTheDeadline) {
  standin_start({});
  CommOptions options;
  options.backend = "mpi";
  const auto control = test_session().world(options);
  options.deadline_s = 1.0;
  auto comm = make_nccl_communicator(*control, test_session().local_rank(), options);
  make_mistake(Mistake::kNothingLaunched, test_session().rank());
  auto pending = comm->all_reduce("gradient", {1}, ReduceOp::kSum);
  if (test_session().rank() == 1) {
    pending.wait();
  } else {
    const Timer timer;
    EXPECT_THAT([&] { pending.wait(); }, testing::ThrowsMessage<PeerLost>(testing::HasSubstr(
                                             "'gradient' #1 (sum of 1 int64) did not end")));
    EXPECT_GE(timer.seconds(), 0.9);
    EXPECT_LT(timer.seconds(), 10.0);
    EXPECT_THROW(comm->barrier("after"), PeerLost);
  }
  make_mistake(Mistake::kNone, 0);
  comm.reset();
  standin_check_leaks();
  for (const FaultReport& report : standin_reports()) ADD_FAILURE() << report.message;
}

// ncclCommAbort itself may never return. Then nothing of the device may be touched any more, but
// the process goes on.
TEST(NcclMutants, AbortThatHangsHoldsUpNobody) {
  const Timer timer;
  const Noticed all = noticed(Mistake::kAbortHangs, 1);
  EXPECT_EQ(all.bits, kThrown | bit(Fault::kDevice) | bit(Fault::kLeak)) << all.story;
  EXPECT_LT(timer.seconds(), 20.0);
  std::this_thread::sleep_for(
      std::chrono::milliseconds(200));  // the abort ends late, before the next test
}

}  // namespace
}  // namespace cuttle
