#include "cuttle/metrics/metrics_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <fstream>
#include <iterator>
#include <limits>

#include "cuttle/core/error.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void append_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::app) << text;
}

StepReport report_of(std::int64_t step, double seconds) {
  StepReport report;
  report.step = step;
  report.applied = true;
  report.tasks = 16;
  report.values = {{"loss", 1.0 / static_cast<double>(step)}, {"accuracy", 0.5}};
  report.gradient_norm = 0.1;
  report.outer_lr = 1e-3;
  report.time.total_s = seconds;
  report.time.adapt_s = seconds / 2;
  return report;
}

/// Steps `first` to `last`, validation after every second.
void run_steps(MetricsFile& file, std::int64_t first, std::int64_t last, double seconds) {
  for (std::int64_t step = first; step <= last; ++step) {
    file.append(report_of(step, seconds));
    if (step % 2 == 0)
      file.append("validation", step, {{"accuracy", 0.25}, {"accuracy_half_width", 0.01}});
  }
}

TEST(MetricsFile, OneLineAStepThatAnyJsonReaderUnderstands) {
  const TempFolder run;
  MetricsFile file(run.path());
  file.append(report_of(4, 2.0));
  file.append("validation", 4, {{"accuracy", 0.25}});
  EXPECT_EQ(read_text(run / "metrics.jsonl"),
            "{\"kind\":\"train\",\"step\":4,\"applied\":true,\"tasks\":16,\"skipped\":0,\"gradient_"
            "norm\":0.1,"
            "\"outer_lr\":0.001,\"loss\":0.25,\"accuracy\":0.5}\n"
            "{\"kind\":\"validation\",\"step\":4,\"accuracy\":0.25}\n");
  EXPECT_EQ(read_text(run / "timing.jsonl"),
            "{\"step\":4,\"read_s\":0.0,\"adapt_s\":1.0,\"reduce_s\":0.0,\"step_s\":0.0,"
            "\"total_s\":2.0,\"tasks_per_second\":8.0}\n");
}

TEST(MetricsFile, RanksAreComparedAndForgottenOnResume) {
  const TempFolder run;
  MetricsFile file(run.path());
  file.append(4, 4, {{"n0", 1.0}, {"n0", 3.0}, {"n1", 2.0}});
  const std::string first =
      "{\"step\":4,\"steps\":4,\"slowest_rank\":1,\"max_over_mean\":1.5,\"busy_s\":[1.0,3.0,2.0],"
      "\"hosts\":[\"n0\",\"n0\",\"n1\"]}\n";
  EXPECT_EQ(read_text(run / "ranks.jsonl"), first);
  file.append(6, 2, {{"n0", 0.0}});  // nothing to do: no rank is slower than the others
  EXPECT_THAT(read_text(run / "ranks.jsonl"), HasSubstr("\"max_over_mean\":1.0"));
  file.truncate_after(5);
  EXPECT_EQ(read_text(run / "ranks.jsonl"), first);
}

TEST(MetricsFile, DoublesKeepAllTheirBitsAndWhatIsNotFiniteIsNull) {
  const TempFolder run;
  MetricsFile file(run.path());
  file.append("test", 1,
              {{"a", 0.1 + 0.2}, {"b", std::numeric_limits<double>::quiet_NaN()}, {"c", 5e-324}});
  EXPECT_EQ(read_text(run / "metrics.jsonl"),
            "{\"kind\":\"test\",\"step\":1,\"a\":0.30000000000000004,\"b\":null,\"c\":5e-324}\n");
}

TEST(MetricsFile, AResumedRunHasTheSameBytes) {
  const TempFolder whole, resumed;
  {
    MetricsFile file(whole.path());
    run_steps(file, 1, 12, 1.0);
  }
  {
    MetricsFile file(resumed.path());
    run_steps(file, 1, 9, 1.0);
  }
  append_text(resumed / "metrics.jsonl",
              "{\"kind\":\"train\",\"st");  // killed in step 10; checkpoint of step 6
  append_text(resumed / "timing.jsonl", "{");
  {
    MetricsFile file(resumed.path());
    file.truncate_after(6);
    run_steps(file, 7, 12, 3.0);
  }
  EXPECT_EQ(read_text(resumed / "metrics.jsonl"), read_text(whole / "metrics.jsonl"));
  EXPECT_NE(read_text(resumed / "timing.jsonl"), read_text(whole / "timing.jsonl"));
}

TEST(MetricsFile, ATornLineGoesWhereverItEnds) {
  const TempFolder run;
  const std::string path = run / "metrics.jsonl";
  {
    MetricsFile file(run.path());
    run_steps(file, 1, 3, 1.0);
  }
  const std::string whole = read_text(path);
  for (std::size_t size = 0; size <= whole.size(); size += 7) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << whole.substr(0, size);
    MetricsFile(run.path()).truncate_after(100);
    const std::size_t newline = whole.substr(0, size).rfind('\n');
    ASSERT_EQ(read_text(path), whole.substr(0, newline == std::string::npos ? 0 : newline + 1))
        << size;
  }
}

TEST(MetricsFile, TruncateToNothingAndBeyondTheEnd) {
  const TempFolder run;
  MetricsFile file(run.path());
  file.truncate_after(5);
  run_steps(file, 1, 4, 1.0);
  const std::string whole = read_text(run / "metrics.jsonl");
  file.truncate_after(4);
  EXPECT_EQ(read_text(run / "metrics.jsonl"), whole);
  file.truncate_after(0);
  EXPECT_EQ(read_text(run / "metrics.jsonl"), "");
  EXPECT_EQ(read_text(run / "timing.jsonl"), "");
}

TEST(MetricsFile, ADamagedLineInTheMiddleIsNamedAndNothingIsCut) {
  for (const std::string bad :
       {"nonsense", "{\"kind\":\"train\"}", "[1]", "{\"step\":\"3\"}", ""}) {
    const TempFolder run;
    MetricsFile file(run.path());
    run_steps(file, 1, 1, 1.0);
    append_text(run / "metrics.jsonl", bad + "\n");
    run_steps(file, 3, 3, 1.0);
    const std::string before = read_text(run / "metrics.jsonl");
    try {
      file.truncate_after(5);
      ADD_FAILURE() << bad;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("metrics.jsonl"), HasSubstr("line 2")));
    }
    EXPECT_EQ(read_text(run / "metrics.jsonl"), before);
  }
}

TEST(MetricsFile, AFullDiskIsAnErrorAndTheTornLineGoesOnResume) {
  const TempFolder run;
  MetricsFile file(run.path());
  run_steps(file, 1, 1, 1.0);
  const std::string good = read_text(run / "metrics.jsonl");
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{good.size() + 10, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(file.append("validation", 1, {{"accuracy", 1.0}}), Error);
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  EXPECT_EQ(read_text(run / "metrics.jsonl").size(), good.size() + 10);
  MetricsFile(run.path()).truncate_after(1);
  EXPECT_EQ(read_text(run / "metrics.jsonl"), good);
}

TEST(MetricsFile, AFolderThatIsNotThereIsNamed) {
  try {
    const MetricsFile file("/nowhere");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("/nowhere/metrics.jsonl"));
  }
}

}  // namespace
}  // namespace cuttle
