#include "cuttle/checkpoint/run_lock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "checkpoint/sample_content.hpp"
#include "cuttle/core/error.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing_checkpoint::read_text;
using testing_checkpoint::write_text;

std::string this_host() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::string content_of(const std::string& host) {
  return R"({"host":")" + host + R"(","pid":4711,"started":"2024-01-02 03:04:05 UTC"})" + "\n";
}

void make_older(const std::string& path, double seconds) {
  const auto now = std::filesystem::file_time_type::clock::now();
  const auto age = std::chrono::duration_cast<std::filesystem::file_time_type::duration>(
      std::chrono::duration<double>(seconds));
  std::filesystem::last_write_time(path, now - age);
}

std::string refusal(const std::string& run) {
  try {
    const RunLock lock(run);
  } catch (const UserError& error) {
    return error.what();
  }
  ADD_FAILURE() << "the lock was given";
  return "";
}

TEST(RunLock, ALiveHolderIsNamed) {
  const TempFolder run;
  const RunLock lock(run.path());
  EXPECT_THAT(read_text(run / "run.lock"), HasSubstr(this_host()));
  EXPECT_THAT(refusal(run.path()),
              AllOf(HasSubstr("run.lock"), HasSubstr("process " + std::to_string(::getpid())),
                    HasSubstr(this_host()), HasSubstr("another --run-dir")));
  lock.require_held();
}

TEST(RunLock, ReleaseLeavesItFree) {
  const TempFolder run;
  for (int i = 0; i < 3; ++i) const RunLock lock(run.path());
  EXPECT_EQ(read_text(run / "run.lock"), "");
}

TEST(RunLock, TheFolderIsMadeIfMissing) {
  const TempFolder parent;
  const RunLock lock(parent / "a/b");
  EXPECT_TRUE(std::filesystem::exists(parent / "a/b/run.lock"));
}

TEST(RunLock, AKilledHolderOnThisHostIsReplacedAtOnce) {
  const TempFolder run;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const RunLock lock(run.path());
    if (::write(ready[1], "x", 1) == 1) ::pause();
    ::_exit(0);
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THAT(refusal(run.path()), HasSubstr("process " + std::to_string(child)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  EXPECT_NE(read_text(run / "run.lock"), "");
  const RunLock lock(run.path());
  EXPECT_THAT(read_text(run / "run.lock"), HasSubstr(std::to_string(::getpid())));
}

TEST(RunLock, AHolderOnAnotherHostCountsUntilItWasSilentForLong) {
  const TempFolder run;
  const std::string path = run / "run.lock";
  write_text(path, content_of("elsewhere"));
  make_older(path, 50.0);
  EXPECT_THAT(refusal(run.path()),
              AllOf(HasSubstr("process 4711 on host elsewhere since 2024-01-02 03:04:05 UTC"),
                    HasSubstr("50 s ago")));
  EXPECT_EQ(read_text(path), content_of("elsewhere"));
  make_older(path, 61.0);
  const RunLock lock(run.path());
  lock.require_held();
}

TEST(RunLock, AHolderOnAnotherHostIsTakenOverOnRequest) {
  const TempFolder run;
  const std::string path = run / "run.lock";
  write_text(path, content_of("elsewhere"));
  EXPECT_THAT(refusal(run.path()), HasSubstr("--take-over"));
  const RunLock lock(run.path(), /*take_over=*/true);
  EXPECT_THAT(read_text(path), HasSubstr(this_host()));
}

TEST(RunLock, ALiveHolderOnThisHostIsNeverTakenOver) {
  const TempFolder run;
  const RunLock lock(run.path());
  EXPECT_THROW(RunLock(run.path(), /*take_over=*/true), UserError);
  EXPECT_THAT(refusal(run.path()), testing::Not(HasSubstr("--take-over")));
  lock.require_held();
}

// In a process of its own: where it runs is looked up once.
TEST(RunLock, ASlurmJobKnowsItsFormerSelf) {
  const TempFolder run;
  write_text(run / "run.lock",
             R"({"host":"elsewhere","pid":4711,"started":"then","slurm_job":"17"})");
  const auto takes_it_as = [&](const char* job) {
    ::setenv("SLURM_JOB_ID", job, 1);
    try {
      const RunLock lock(run.path());
    } catch (const UserError&) {
      ::_exit(2);
    }
    ::_exit(0);
  };
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(takes_it_as("18"), testing::ExitedWithCode(2), "");
  EXPECT_EXIT(takes_it_as("17"), testing::ExitedWithCode(0), "taking over");
}

TEST(RunLock, OnlookersSeeTheHolder) {
  const TempFolder run;
  EXPECT_FALSE(find_holder(run.path()));
  {
    const RunLock lock(run.path());
    const auto holder = find_holder(run.path());
    ASSERT_TRUE(holder);
    EXPECT_THAT(holder->description, HasSubstr("process " + std::to_string(::getpid())));
    EXPECT_FALSE(holder->dead);
  }
  EXPECT_FALSE(find_holder(run.path()));
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  const std::string path = run / "run.lock";
  write_text(path, R"({"host":")" + this_host() + R"(","pid":)" + std::to_string(child) +
                       R"(,"started":"then"})");
  EXPECT_TRUE(find_holder(run.path())->dead);
  write_text(path, content_of("elsewhere"));
  EXPECT_FALSE(find_holder(run.path())->dead);
  make_older(path, 100.0);
  EXPECT_TRUE(find_holder(run.path())->dead);
  EXPECT_NEAR(find_holder(run.path())->silent_s, 100.0, 20.0);
}

TEST(RunLock, AnUnreadableHolderIsTreatedAsOnAnotherHost) {
  const TempFolder run;
  const std::string path = run / "run.lock";
  for (const std::string content : {"{\"host\"", "[[[[", "{\"host\":5,\"pid\":\"x\"}"}) {
    write_text(path, content);
    EXPECT_THAT(refusal(run.path()), HasSubstr("whose name cannot be read"));
  }
  make_older(path, 61.0);
  const RunLock lock(run.path());
}

TEST(RunLock, ItBeats) {
  const TempFolder run;
  RunLock::Timing timing;
  timing.heartbeat_s = 0.01;
  const RunLock lock(run.path(), false, timing);
  const std::string path = run / "run.lock";
  make_older(path, 1000.0);
  const auto old = std::filesystem::last_write_time(path);
  for (int i = 0; i < 500 && std::filesystem::last_write_time(path) == old; ++i) ::usleep(10000);
  EXPECT_GT(std::filesystem::last_write_time(path), old + std::chrono::seconds(900));
}

TEST(RunLock, ALostLockIsNoticedAndNotReleasedForTheOther) {
  const TempFolder run;
  {
    const RunLock lock(run.path());
    write_text(run / "run.lock", content_of("thief"));
    try {
      lock.require_held();
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("process 4711 on host thief"));
    }
  }
  EXPECT_EQ(read_text(run / "run.lock"), content_of("thief"));
}

TEST(RunLock, NoFolderCanBeMadeThere) {
  EXPECT_THROW(RunLock("/proc/no such place"), UserError);
}

}  // namespace
}  // namespace cuttle
