// What a run shows while it trains, as the loop tells it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "metrics/sink_support.hpp"

namespace cuttle {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kCleared = "\r\x1b[K";

/// Steps 1 to 5 and the run's last one, without a terminal.
std::string plain_lines(const Section& section) {
  std::ostringstream out;
  const auto sink = make_sink(section, "", {&out, false});
  sink->begin(0);
  for (const std::int64_t step : {1, 2, 3, 4, 5, 1000}) sink->step(report_of(step));
  return out.str();
}

TEST(ConsoleSink, PlainLinesComeEverySoManySeconds) {
  const auto lines = [](const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
  };
  const std::string usual = plain_lines("console");  // this takes no 10 seconds
  EXPECT_EQ(lines(usual), 2) << usual;
  EXPECT_THAT(usual, HasSubstr("step    1/1000  loss 1.0000  query accuracy 50.00 %\n"));
  EXPECT_THAT(usual, HasSubstr("\nstep 1000/1000"));
  EXPECT_EQ(lines(plain_lines(Section("console", {{"every_s", "0"}}))), 6);
}

TEST(ConsoleSink, ATerminalsLineGoesBeforeTheLoopSaysSomething) {
  std::ostringstream out;
  {
    const auto sink = make_sink("console", "", {&out, true});
    sink->begin(0);
    sink->step(report_of(1));
    EXPECT_THAT(out.str(), EndsWith("accuracy 50.00 %"));
    sink->record("validation", 1, {{"accuracy", 0.25}});
    EXPECT_THAT(out.str(), EndsWith(kCleared));
    StepReport skipped = report_of(1000);
    skipped.skipped = 2;  // a warning follows
    sink->step(skipped);
    EXPECT_THAT(out.str(), HasSubstr("step 1000/1000"));
    EXPECT_THAT(out.str(), EndsWith(kCleared));
    sink->ranks(1000, 1000, {{"n0", 1.0}});
    sink->sync();
  }
  EXPECT_THAT(out.str(), Not(HasSubstr("\n")));
}

TEST(ConsoleSink, WithoutAConsoleNothingIsShown) {
  const TempFolder run;
  const auto sink = make_sink("console", run.path());
  sink->begin(0);
  EXPECT_NO_THROW(run_steps(*sink, 1, 4));
  EXPECT_TRUE(std::filesystem::is_empty(run.path()));
}

}  // namespace
}  // namespace cuttle
