#include "metrics/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <sstream>
#include <thread>

#include "cuttle/metrics/counter.hpp"

namespace cuttle {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

StepReport report_of(std::int64_t step) {
  StepReport report;
  report.step = step;
  report.applied = true;
  report.tasks = 16;
  report.values = {{"loss", 1.23456}, {"accuracy", 0.5}, {"support_loss", 9.0}};
  return report;
}

TEST(Progress, PlainLinesAtIntervalsAndForTheLastStep) {
  std::ostringstream out;
  {
    Progress progress(out, false, 100, 10.0);
    for (int step = 1; step <= 100; ++step)
      progress.update(report_of(step), 0.5 * step);  // 32 tasks/s
  }
  const std::string text = out.str();
  EXPECT_EQ(text,
            "step   1/100  loss 1.2346  query accuracy 50.00 %\n"
            "step  21/100  loss 1.2346  query accuracy 50.00 % (means of 21 steps)  32.0 tasks/s  "
            "40 s left\n"
            "step  41/100  loss 1.2346  query accuracy 50.00 % (means of 41 steps)  32.0 tasks/s  "
            "30 s left\n"
            "step  61/100  loss 1.2346  query accuracy 50.00 % (means of 50 steps)  32.0 tasks/s  "
            "20 s left\n"
            "step  81/100  loss 1.2346  query accuracy 50.00 % (means of 50 steps)  32.0 tasks/s  "
            "10 s left\n"
            "step 100/100  loss 1.2346  query accuracy 50.00 % (means of 50 steps)  32.0 tasks/s  "
            "0 s left\n");
}

TEST(Progress, ATerminalHasOneLineThatIsClearedAndEnded) {
  std::ostringstream out;
  {
    Progress progress(out, true, 1000, 10.0);
    progress.update(report_of(1), 0.0);
    progress.update(report_of(2), 0.05);  // too soon to be seen
    EXPECT_THAT(out.str(), Not(HasSubstr("step    2")));
    progress.update(report_of(3), 0.2);
    EXPECT_THAT(out.str(), HasSubstr("\r\x1b[Kstep    3/1000"));
    EXPECT_THAT(out.str(), HasSubstr("160.0 tasks/s"));
    EXPECT_THAT(out.str(), Not(HasSubstr("\n")));
    progress.clear();
    EXPECT_THAT(out.str(), ::testing::EndsWith("\r\x1b[K"));
    const std::size_t size = out.str().size();
    progress.clear();
    EXPECT_EQ(out.str().size(), size);
    progress.update(report_of(4), 0.4);
  }
  EXPECT_THAT(out.str(), ::testing::EndsWith(" left\n"));
}

TEST(Progress, AResumedRunMeasuresOnlyItsOwnSteps) {
  std::ostringstream out;
  Progress progress(out, false, 100, 1.0);
  progress.update(report_of(51), 7.0);
  progress.update(report_of(52), 9.0);
  EXPECT_THAT(out.str(), HasSubstr("step  52/100  loss 1.2346  query accuracy 50.00 % (means of 2 "
                                   "steps)  8.0 tasks/s  1 min 36 s left\n"));
}

TEST(Progress, ValuesAreMeansSinceAStepsOwnJump) {
  std::ostringstream out;
  Progress progress(out, false, 1000, 0.0);
  for (int step = 1; step <= 1000; ++step) {
    StepReport report = report_of(step);
    report.values = {{"loss", step % 2 ? 1.0 : 3.0}, {"mean_squared_error", 0.25}};
    progress.update(report, step);
  }
  EXPECT_THAT(out.str(), HasSubstr("step    1/1000  loss 1.0000  mean_squared_error 0.2500\n"));
  EXPECT_THAT(out.str(),
              HasSubstr("step    2/1000  loss 2.0000  mean_squared_error 0.2500 (means of "
                        "2 steps)"));
  EXPECT_THAT(out.str(), HasSubstr("step 1000/1000  loss 2.01"));
}

TEST(Progress, ASkippedStepIsSaid) {
  std::ostringstream out;
  Progress progress(out, false, 5, 1.0);
  StepReport report;
  report.step = 1;
  progress.update(report, 0.0);
  EXPECT_EQ(out.str(), "step 1/5  (not applied)\n");
}

TEST(Counter, SaysHowFarItIsToATerminalAlone) {
  EXPECT_EQ(describe_count(12, 48, "episodes", 2.0),
            "12 of 48 episodes (25 %), 6.0 a second, 6 s left");
  EXPECT_EQ(describe_count(5000, 10000, "samples", 50.0),
            "5000 of 10000 samples (50 %), 100 a second, 50 s left");
  for (const bool terminal : {false, true}) {
    std::ostringstream out;
    {
      Counter counter({&out, terminal}, 2, "episodes");
      counter.update(1);  // too soon
      EXPECT_EQ(out.str(), "");
      std::this_thread::sleep_for(std::chrono::milliseconds(150));
      counter.share_of(3)(1);  // three ranks have not done more than all
    }
    if (terminal)
      EXPECT_THAT(out.str(), AllOf(HasSubstr("\r\x1b[K2 of 2 episodes (100 %), "),
                                   ::testing::EndsWith(" 0 s left\r\x1b[K")));
    else
      EXPECT_EQ(out.str(), "");
  }
  Counter({}, 2, "episodes").update(1);
}

TEST(DescribeDuration, PicksTwoUnits) {
  EXPECT_EQ(describe_duration(-1.0), "0 s");
  EXPECT_EQ(describe_duration(59.4), "59 s");
  EXPECT_EQ(describe_duration(59.6), "1 min 00 s");
  EXPECT_EQ(describe_duration(3600.0 * 2 + 61.0), "2 h 01 min");
  EXPECT_EQ(describe_duration(86400.0 * 3 + 3600.0 * 4), "3 d 4 h");
}

}  // namespace
}  // namespace cuttle
