// The sink that every run has: the bytes of metrics.jsonl, timing.jsonl and ranks.jsonl.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <fstream>
#include <limits>

#include "cuttle/core/error.hpp"
#include "metrics/sink_support.hpp"

namespace cuttle {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::unique_ptr<Sink> jsonl(const TempFolder& run) {
  return make_sink("jsonl", run.path());
}

TEST(Jsonl, OneLineAStepThatAnyJsonReaderUnderstands) {
  const TempFolder run;
  const auto file = jsonl(run);
  file->step(report_of(4, 2.0));
  file->record("validation", 4, {{"accuracy", 0.25}});
  EXPECT_EQ(read_text(run / "metrics.jsonl"),
            "{\"kind\":\"train\",\"step\":4,\"applied\":true,\"tasks\":16,\"skipped\":0,\"gradient_"
            "norm\":0.1,"
            "\"outer_lr\":0.001,\"loss\":0.25,\"accuracy\":0.5}\n"
            "{\"kind\":\"validation\",\"step\":4,\"accuracy\":0.25}\n");
  EXPECT_EQ(read_text(run / "timing.jsonl"),
            "{\"step\":4,\"read_s\":0.0,\"adapt_s\":1.0,\"reduce_s\":0.0,\"step_s\":0.0,"
            "\"total_s\":2.0,\"tasks_per_second\":8.0}\n");
}

TEST(Jsonl, RanksAreComparedAndForgottenOnResume) {
  const TempFolder run;
  const auto file = jsonl(run);
  file->ranks(4, 4, {{"n0", 1.0}, {"n0", 3.0}, {"n1", 2.0}});
  const std::string first =
      "{\"step\":4,\"steps\":4,\"slowest_rank\":1,\"max_over_mean\":1.5,\"busy_s\":[1.0,3.0,2.0],"
      "\"hosts\":[\"n0\",\"n0\",\"n1\"]}\n";
  EXPECT_EQ(read_text(run / "ranks.jsonl"), first);
  file->ranks(6, 2, {{"n0", 0.0}});  // nothing to do: no rank is slower than the others
  EXPECT_THAT(read_text(run / "ranks.jsonl"), HasSubstr("\"max_over_mean\":1.0"));
  file->begin(5);
  EXPECT_EQ(read_text(run / "ranks.jsonl"), first);
}

TEST(Jsonl, DoublesKeepAllTheirBitsAndWhatIsNotFiniteIsNull) {
  const TempFolder run;
  const auto file = jsonl(run);
  file->record("test", 1,
               {{"a", 0.1 + 0.2}, {"b", std::numeric_limits<double>::quiet_NaN()}, {"c", 5e-324}});
  EXPECT_EQ(read_text(run / "metrics.jsonl"),
            "{\"kind\":\"test\",\"step\":1,\"a\":0.30000000000000004,\"b\":null,\"c\":5e-324}\n");
}

TEST(Jsonl, AResumedRunHasTheSameBytes) {
  const TempFolder whole, resumed;
  {
    const auto file = jsonl(whole);
    run_steps(*file, 1, 12, 1.0);
  }
  {
    const auto file = jsonl(resumed);
    run_steps(*file, 1, 9, 1.0);
  }
  append_text(resumed / "metrics.jsonl",
              "{\"kind\":\"train\",\"st");  // killed in step 10; checkpoint of step 6
  append_text(resumed / "timing.jsonl", "{");
  {
    const auto file = jsonl(resumed);
    file->begin(6);
    run_steps(*file, 7, 12, 3.0);
  }
  EXPECT_EQ(read_text(resumed / "metrics.jsonl"), read_text(whole / "metrics.jsonl"));
  EXPECT_NE(read_text(resumed / "timing.jsonl"), read_text(whole / "timing.jsonl"));
}

TEST(Jsonl, ATornLineGoesWhereverItEnds) {
  const TempFolder run;
  const std::string path = run / "metrics.jsonl";
  {
    const auto file = jsonl(run);
    run_steps(*file, 1, 3, 1.0);
  }
  const std::string whole = read_text(path);
  for (std::size_t size = 0; size <= whole.size(); size += 7) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << whole.substr(0, size);
    jsonl(run)->begin(100);
    const std::size_t newline = whole.substr(0, size).rfind('\n');
    ASSERT_EQ(read_text(path), whole.substr(0, newline == std::string::npos ? 0 : newline + 1))
        << size;
  }
}

TEST(Jsonl, TruncateToNothingAndBeyondTheEnd) {
  const TempFolder run;
  const auto file = jsonl(run);
  file->begin(5);
  run_steps(*file, 1, 4, 1.0);
  const std::string whole = read_text(run / "metrics.jsonl");
  file->begin(4);
  EXPECT_EQ(read_text(run / "metrics.jsonl"), whole);
  file->begin(0);
  EXPECT_EQ(read_text(run / "metrics.jsonl"), "");
  EXPECT_EQ(read_text(run / "timing.jsonl"), "");
}

TEST(Jsonl, ADamagedLineInTheMiddleIsNamedAndNothingIsCut) {
  for (const std::string bad :
       {"nonsense", "{\"kind\":\"train\"}", "[1]", "{\"step\":\"3\"}", ""}) {
    const TempFolder run;
    const auto file = jsonl(run);
    run_steps(*file, 1, 1, 1.0);
    append_text(run / "metrics.jsonl", bad + "\n");
    run_steps(*file, 3, 3, 1.0);
    const std::string before = read_text(run / "metrics.jsonl");
    try {
      file->begin(5);
      ADD_FAILURE() << bad;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("metrics.jsonl"), HasSubstr("line 2")));
    }
    EXPECT_EQ(read_text(run / "metrics.jsonl"), before);
  }
}

TEST(Jsonl, AFullDiskIsAnErrorAndTheTornLineGoesOnResume) {
  const TempFolder run;
  const auto file = jsonl(run);
  run_steps(*file, 1, 1, 1.0);
  const std::string good = read_text(run / "metrics.jsonl");
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{good.size() + 10, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(file->record("validation", 1, {{"accuracy", 1.0}}), Error);
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  EXPECT_EQ(read_text(run / "metrics.jsonl").size(), good.size() + 10);
  jsonl(run)->begin(1);
  EXPECT_EQ(read_text(run / "metrics.jsonl"), good);
}

TEST(Jsonl, AFolderThatIsNotThereIsNamed) {
  try {
    make_sink("jsonl", "/nowhere");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("/nowhere/metrics.jsonl"));
  }
}

}  // namespace
}  // namespace cuttle
