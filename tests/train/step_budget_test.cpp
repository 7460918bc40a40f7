// train.minutes: how many steps fit, and that a run of measured steps is the run of as many given.
#include "train/step_budget.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "cuttle/core/error.hpp"
#include "train/tiny_run.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;

TrainOptions intervals(std::int64_t validate_every, std::int64_t checkpoint_every) {
  TrainOptions options;
  options.validate_every = validate_every;
  options.checkpoint_every = checkpoint_every;
  return options;
}

TEST(StepsWithin, CountsValidationsAndTheCheckpointsAfterThem) {
  // 10 steps of 1 s, two validations of 5 s, three checkpoints (one of them at the end) of 2 s.
  const PartTimes times{1, 5, 2};
  EXPECT_EQ(steps_within(10 + 2 * 5 + 3 * 2, times, intervals(5, 10)), 10);
  EXPECT_EQ(steps_within(10 + 2 * 5 + 3 * 2 - 0.01, times, intervals(5, 10)), 9);
  EXPECT_EQ(steps_within(10 + 2, times, intervals(0, 100)), 10);
  EXPECT_EQ(steps_within(10.5, {1, 0, 0}, intervals(0, 100)), 10);
}

TEST(StepsWithin, NothingFitsWhereAStepAndItsEndDoNot) {
  EXPECT_EQ(steps_within(0.5, {1, 0, 0}, intervals(0, 1)), 0);
  EXPECT_EQ(steps_within(5, {1, 5, 0}, intervals(100, 100)), 0);
  EXPECT_EQ(steps_within(-1, {1, 0, 0}, intervals(0, 1)), 0);
  EXPECT_EQ(steps_within(1e12, {1e-12, 0, 0}, intervals(0, 1)), 1'000'000'000);
}

class StepBudgetTest : public TinyShardsTest {
 protected:
  /// Minutes enough for a busy machine; early stopping ends it long before. The cosine schedule
  /// makes every step a function of how many there are.
  static RunConfig config() {
    RunConfig config = tiny_config(shards_->path(), "protonet");
    config.step.schedule = "cosine";
    config.train.steps = TrainOptions().steps;
    config.train.minutes = 0.5;
    config.train.validate_every = 3;
    config.train.patience = 1;
    return config;
  }
  std::string kept() const { return read_file(run_ + "/config.yaml", 1 << 20); }
  std::int64_t kept_steps() const {
    return parse_saved(kept(), "kept", {}, catalog_of({})).train.steps;
  }

  const TempFolder runs_;
  const std::string run_ = runs_ / "run";
};

TEST_F(StepBudgetTest, ARunOfMinutesIsTheRunOfItsSteps) {
  const Result measured = train_on_threads(config(), 3, run_);
  EXPECT_GE(kept_steps(), 1);
  EXPECT_THAT(read_file(run_ + "/timing.jsonl", 1 << 20),
              testing::StartsWith("{\"step\":0,\"steps\":" + std::to_string(kept_steps()) +
                                  ",\"measured_step_s\":"));
  RunConfig given = config();
  given.train.minutes = 0;
  given.train.steps = kept_steps();
  EXPECT_EQ(train_on_threads(given, 1, runs_ / "given"), measured);
  EXPECT_EQ(read_file(runs_ / "given/config.yaml", 1 << 20), kept());
}

TEST_F(StepBudgetTest, AResumedRunKeepsItsStepsWhateverTheMachine) {
  const Result whole = train_on_threads(config(), 2, run_);
  const std::string before = kept();
  // Killed before its first checkpoint, then resumed with minutes that would give other steps.
  std::filesystem::remove_all(run_ + "/checkpoints");
  RunConfig again = config();
  again.train.minutes = 5;
  EXPECT_EQ(train_on_threads(again, 1, run_, true), whole);
  EXPECT_EQ(kept(), before);
  EXPECT_EQ(train_on_threads(again, 2, run_, true).sha256, whole.sha256);  // nothing is left to do
}

TEST_F(StepBudgetTest, MinutesThatAreTooFewAreRefusedOnAllRanksAndLeaveNothing) {
  RunConfig few = config();
  few.train.minutes = 1e-6;
  try {
    train_on_threads(few, 2, run_);
    ADD_FAILURE();
  } catch (const UserError& problem) {
    EXPECT_THAT(problem.what(), HasSubstr("is too little for one step"));
  }
  EXPECT_FALSE(std::filesystem::exists(run_ + "/config.yaml"));
  EXPECT_TRUE(std::filesystem::is_empty(run_ + "/checkpoints"));
  EXPECT_NO_THROW(train_on_threads(config(), 1, run_));
}

}  // namespace
}  // namespace cuttle
