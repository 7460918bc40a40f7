#include "cuttle/core/signals.hpp"

#include <gtest/gtest.h>

#include <csignal>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

TEST(Signals, StopStaysAndCheckpointIsTakenOnce) {
  SignalWatch watch;
  EXPECT_EQ(watch.take(), SignalRequest::kNone);
  std::raise(SIGUSR1);
  std::raise(SIGUSR1);
  EXPECT_EQ(watch.take(), SignalRequest::kCheckpoint);
  EXPECT_EQ(watch.take(), SignalRequest::kNone);
  std::raise(SIGUSR1);
  std::raise(SIGTERM);
  EXPECT_EQ(watch.take(), SignalRequest::kStop) << "the higher request wins";
  EXPECT_EQ(watch.take(), SignalRequest::kStop);
}

TEST(Signals, InterruptStopsToo) {
  SignalWatch watch;
  std::raise(SIGINT);
  EXPECT_EQ(watch.take(), SignalRequest::kStop);
}

TEST(Signals, ANewWatchStartsClean) {
  {
    SignalWatch watch;
    std::raise(SIGTERM);
  }
  SignalWatch watch;
  EXPECT_EQ(watch.take(), SignalRequest::kNone);
}

TEST(Signals, OneAtATime) {
  SignalWatch watch;
  EXPECT_THROW(SignalWatch second, Error);
  std::raise(SIGUSR1);
  EXPECT_EQ(watch.take(), SignalRequest::kCheckpoint) << "the refused one left the handlers alone";
}

TEST(SignalsDeathTest, TheSecondStopEndsTheProcess) {
  const auto stop_twice = [](int second) {
    SignalWatch watch;
    std::raise(SIGTERM);
    std::raise(second);
  };
  EXPECT_EXIT(stop_twice(SIGTERM), testing::ExitedWithCode(128 + SIGTERM), "");
  EXPECT_EXIT(stop_twice(SIGINT), testing::ExitedWithCode(128 + SIGINT), "");
}

TEST(SignalsDeathTest, HandlersAreRestored) {
  const auto outlive = [] {
    { SignalWatch watch; }
    std::raise(SIGTERM);
  };
  EXPECT_EXIT(outlive(), testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace cuttle
