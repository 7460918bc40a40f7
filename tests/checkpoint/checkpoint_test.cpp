#include "cuttle/checkpoint/checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <limits>

#include "checkpoint/sample_content.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/core/timer.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

using namespace testing_checkpoint;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;
using Steps = std::vector<std::int64_t>;

TEST(Checkpoint, WhatIsSavedIsLoaded) {
  const TempFolder run;
  const std::string folder = save_checkpoint(run.path(), sample_content(123), 2, {});
  EXPECT_EQ(folder, run / "checkpoints/step-00000123");
  EXPECT_THAT(names_in(folder), UnorderedElementsAre("manifest.json", "parameters.safetensors",
                                                     "optimizer.safetensors", "state.json",
                                                     "config.yaml", "facts.json"));
  EXPECT_TRUE(equal(load_checkpoint(folder), sample_content(123)));
  const LatestCheckpoint latest = load_latest(run.path());
  ASSERT_TRUE(latest.content);
  EXPECT_TRUE(equal(*latest.content, sample_content(123)));
  EXPECT_EQ(latest.folder, folder);
  EXPECT_TRUE(latest.refused.empty());
}

TEST(Checkpoint, ARunWithoutAnyHasNone) {
  const TempFolder run;
  EXPECT_FALSE(load_latest(run.path()).content);
  EXPECT_TRUE(list_checkpoints(run / "not there").empty());
}

TEST(Checkpoint, KeepsTheNewestAndTheBest) {
  const TempFolder run;
  for (std::int64_t step = 1; step <= 6; ++step) {
    save_checkpoint(run.path(), sample_content(step * 10), 2,
                    step >= 2 ? std::optional<std::int64_t>(20) : std::nullopt);
  }
  EXPECT_EQ(steps_of(run.path()), (Steps{20, 50, 60}));
  save_checkpoint(run.path(), sample_content(70), 1, 70);
  EXPECT_EQ(steps_of(run.path()), (Steps{70}));
  save_checkpoint(run.path(), sample_content(1234567890), 2,
                  {});  // more than eight digits still sort
  EXPECT_EQ(steps_of(run.path()), (Steps{70, 1234567890}));
  EXPECT_EQ(load_latest(run.path()).content->step, 1234567890);
}

TEST(Checkpoint, TheSameStepIsReplaced) {
  const TempFolder run;
  save_checkpoint(run.path(), sample_content(5), 1, {});
  CheckpointContent other = sample_content(5);
  other.state_json = "{\"best\": 0.75}";
  save_checkpoint(run.path(), other, 1, {});
  EXPECT_TRUE(equal(*load_latest(run.path()).content, other));
  EXPECT_THAT(names_in(run / "checkpoints"), ElementsAre("step-00000005"));
}

TEST(Checkpoint, WhatAResumeLeftBehindIsNotCountedAsNewest) {
  const TempFolder run;
  for (const std::int64_t step : {100, 200})
    save_checkpoint(run.path(), sample_content(step), 2, {});
  write_text(run / "checkpoints/step-00000200/state.json", "damaged");
  save_checkpoint(run.path(), sample_content(150), 1, {});  // resumed from 100
  EXPECT_EQ(steps_of(run.path()), (Steps{150, 200}));
  EXPECT_EQ(load_latest(run.path()).content->step, 150);
  save_checkpoint(run.path(), sample_content(200), 1, {});
  EXPECT_EQ(load_latest(run.path()).content->step, 200);
  EXPECT_EQ(steps_of(run.path()), Steps{200});
}

TEST(Checkpoint, LeftoversOfKilledWritersAreSweptOrPutBack) {
  const TempFolder run;
  save_checkpoint(run.path(), sample_content(1), 3, {});
  const std::string parent = run / "checkpoints/";
  std::filesystem::create_directories(parent + ".tmp-new-99/x");
  // Killed between moving step 1 aside and putting its replacement in place:
  std::filesystem::rename(parent + "step-00000001", parent + ".old-step-00000001");
  EXPECT_TRUE(equal(*load_latest(run.path()).content, sample_content(1)));
  save_checkpoint(run.path(), sample_content(2), 3, {});
  EXPECT_THAT(names_in(parent), UnorderedElementsAre("step-00000001", "step-00000002"));
  // Killed after that, before the old one was removed:
  std::filesystem::copy(parent + "step-00000001", parent + ".old-step-00000002");
  EXPECT_EQ(load_latest(run.path()).content->step, 2);
  save_checkpoint(run.path(), sample_content(3), 3, {});
  EXPECT_THAT(names_in(parent),
              UnorderedElementsAre("step-00000001", "step-00000002", "step-00000003"));
}

TEST(Checkpoint, NonFiniteValuesAreRefusedByName) {
  const TempFolder run;
  save_checkpoint(run.path(), sample_content(1), 1, {});
  CheckpointContent bad = sample_content(2);
  bad.files["optimizer"][1] = pack_array<float>(
      "variance", {2}, std::vector<float>{1.0f, std::numeric_limits<float>::quiet_NaN()});
  try {
    save_checkpoint(run.path(), bad, 1, {});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("element 1 of 'variance' in optimizer is nan"));
  }
  bad = sample_content(2);
  bad.files["optimizer"][0] = pack_array<double>(
      "moments", {1}, std::vector<double>{std::numeric_limits<double>::infinity()});
  EXPECT_THROW(save_checkpoint(run.path(), bad, 1, {}), Error);
  EXPECT_THAT(names_in(run / "checkpoints"), ElementsAre("step-00000001"));
}

/// While it lives, files of this process cannot grow beyond `bytes`: writes fail as on a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit small{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  sighandler_t handler_;
  rlimit before_{};
};

TEST(Checkpoint, AFullDiskLeavesNothingHalfWritten) {
  const TempFolder run;
  save_checkpoint(run.path(), sample_content(1), 1, {});
  for (const rlim_t room : {0, 10, 100, 150, 300}) {  // fails in different files
    const FullDisk full(room);
    EXPECT_THROW(save_checkpoint(run.path(), sample_content(2), 1, {}), Error) << room;
  }
  EXPECT_THAT(names_in(run / "checkpoints"), ElementsAre("step-00000001"));
  EXPECT_TRUE(equal(*load_latest(run.path()).content, sample_content(1)));
}

// A child saves step after step, replaces, and removes; it is killed at a random moment. Whatever
// is there must load, be no older than what the child had reported as saved, and nothing may be
// refused.
TEST(Checkpoint, KilledAtAnyMoment) {
  const TempFolder run;
  Timer timer;
  save_checkpoint(run.path(), sample_content(1), 1, {});
  const double pause_us =
      1e6 * timer.seconds() / 10.0;  // so that kills fall into all parts of two writes
  std::int64_t step = 1;
  for (int trial = 0; trial < 20; ++trial) {
    int report[2];
    ASSERT_EQ(::pipe(report), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      for (std::int64_t next = step + 1;; ++next) {
        for (int twice = 0; twice < 2; ++twice)
          save_checkpoint(run.path(), sample_content(next), 1, {});
        if (::write(report[1], &next, sizeof next) != sizeof next) ::_exit(1);
      }
    }
    ::close(report[1]);
    std::int64_t saved = 0;
    ASSERT_EQ(::read(report[0], &saved, sizeof saved), static_cast<ssize_t>(sizeof saved));
    ::usleep(static_cast<useconds_t>(pause_us * trial));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";
    while (::read(report[0], &saved, sizeof saved) == sizeof saved) {
    }
    ::close(report[0]);
    const LatestCheckpoint latest = load_latest(run.path());
    ASSERT_TRUE(latest.content) << "after step " << saved;
    EXPECT_TRUE(latest.refused.empty()) << latest.refused[0];
    EXPECT_GE(latest.content->step, saved);
    EXPECT_TRUE(equal(*latest.content, sample_content(latest.content->step)));
    step = latest.content->step;
  }
}

TEST(Checkpoint, NoPermissionIsSaid) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  const TempFolder run;
  std::filesystem::permissions(
      run.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  EXPECT_THROW(save_checkpoint(run.path(), sample_content(1), 1, {}), UserError);
}

}  // namespace
}  // namespace cuttle
