#include "cuttle/core/log.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace cuttle {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class LogTest : public testing::Test {
 protected:
  static std::string said(const std::function<void()>& body) {
    testing::internal::CaptureStderr();
    body();
    return testing::internal::GetCapturedStderr();
  }
  void TearDown() override { init_log(0, 1); }
};

TEST_F(LogTest, RankZeroSpeaksForAll) {
  init_log(0, 4);
  EXPECT_THAT(said([] { log_info("step {}", 7); }), HasSubstr("info: step 7\n"));
  init_log(1, 4);
  EXPECT_EQ(said([] { log_info("step {}", 7); }), "");
  EXPECT_EQ(said([] { log_warning("slow"); }), "");
}

TEST_F(LogTest, LocalLinesStartWithThePaddedRank) {
  init_log(3, 16);
  const auto line = said([] { log_local(LogLevel::kWarning, "shard {} is short", "a"); });
  EXPECT_THAT(line, StartsWith("[rank  3 on " + whereabouts().host + "] "));
  EXPECT_THAT(line, HasSubstr("warning: shard a is short\n"));
}

TEST_F(LogTest, LocalLinesNameTheStepAtWork) {
  init_log(1, 2);
  set_log_step(40);
  EXPECT_THAT(said([] { log_local(LogLevel::kError, "x"); }), HasSubstr(", step 40] "));
  init_log(0, 2);
  EXPECT_THAT(said([] { log_info("x"); }),
              testing::Not(HasSubstr("step")));  // one voice for all says it itself
  set_log_step(-1);
  EXPECT_THAT(said([] { log_local(LogLevel::kError, "x"); }), testing::Not(HasSubstr("step")));
}

// In a process of its own: where it runs is looked up once.
TEST_F(LogTest, UnderSlurmEveryLineNamesTheJob) {
  const auto in_job = [](const char* array) {
    ::setenv("SLURM_JOB_ID", "19", 1);
    if (array) ::setenv("SLURM_ARRAY_JOB_ID", "17", 1), ::setenv("SLURM_ARRAY_TASK_ID", array, 1);
    log_info("all");
    init_log(0, 2);
    log_local(LogLevel::kInfo, "one");
    ::_exit(0);
  };
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(in_job(nullptr), testing::ExitedWithCode(0),
              testing::ContainsRegex("\\[job 19\\] .*all\n\\[rank 0 on .*, job 19\\] .*one"));
  EXPECT_EXIT(in_job("3"), testing::ExitedWithCode(0),
              testing::ContainsRegex("\\[job 17_3\\] .*all"));
}

TEST_F(LogTest, OneRankAloneHasNoPrefix) {
  init_log(0, 1);
  EXPECT_THAT(said([] { log_local(LogLevel::kError, "x"); }), testing::Not(HasSubstr("rank")));
}

TEST_F(LogTest, WarningsOfSeveralPiecesOfWorkAreToldOnce) {
  WarningsOnce once;
  const auto work = [] {
    log_warning("shard {} is short", "a");
    log_info("opened");
  };
  EXPECT_THAT(said([&] { once.during(work); }), HasSubstr("warning: shard a is short\n"));
  const auto again = said([&] { once.during(work); });
  EXPECT_THAT(again, testing::Not(HasSubstr("short")));
  EXPECT_THAT(again, HasSubstr("info: opened\n"));
  EXPECT_THAT(said([&] { once.during([] { log_warning("shard b is short"); }); }),
              HasSubstr("shard b"));
  EXPECT_THAT(said(work), HasSubstr("shard a"));  // elsewhere
}

TEST_F(LogTest, ThresholdHoldsBack) {
  init_log(0, 1, LogLevel::kWarning);
  EXPECT_EQ(said([] { log_info("x"); }), "");
  EXPECT_EQ(said([] { log_local(LogLevel::kDebug, "x"); }), "");
  EXPECT_NE(said([] { log_warning("x"); }), "");
}

TEST_F(LogTest, BracesInAMessageAreText) {
  EXPECT_THAT(said([] { write_log(LogLevel::kError, false, "file {0}.h5 %n"); }),
              HasSubstr("file {0}.h5 %n\n"));
}

TEST_F(LogTest, ThreadsDoNotMixLines) {
  const auto text = said([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 50; ++i) log_info("one whole line of text");
      });
    }
    for (auto& thread : threads) thread.join();
  });
  std::size_t lines = 0;
  for (std::size_t at = 0;
       (at = text.find("info: one whole line of text\n", at)) != std::string::npos; ++at)
    ++lines;
  EXPECT_EQ(lines, 200u);
}

}  // namespace
}  // namespace cuttle
