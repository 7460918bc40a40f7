#include "cuttle/metrics/metrics_file.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

using Record = nlohmann::ordered_json;  // keys in the order of writing

void add_values(Record& record, const std::vector<NamedValue>& values) {
  for (const auto& [name, value] : values) {
    CUTTLE_EXPECT(!record.contains(name));
    record[name] = value;
  }
}

}  // namespace

MetricsFile::MetricsFile(const std::string& run_folder)
    : metrics_(run_folder + "/metrics.jsonl"),
      timing_(run_folder + "/timing.jsonl"),
      ranks_(run_folder + "/ranks.jsonl") {}

void MetricsFile::append(const StepReport& report) {
  Record record{{"kind", "train"},
                {"step", report.step},
                {"applied", report.applied},
                {"tasks", report.tasks},
                {"skipped", report.skipped},
                {"gradient_norm", report.gradient_norm},
                {"outer_lr", report.outer_lr}};
  add_values(record, report.values);
  metrics_.append(record.dump());
  const StepTime& time = report.time;
  const Record timing{{"step", report.step},
                      {"read_s", time.read_s},
                      {"adapt_s", time.adapt_s},
                      {"reduce_s", time.reduce_s},
                      {"step_s", time.step_s},
                      {"total_s", time.total_s},
                      {"tasks_per_second", static_cast<double>(report.tasks) / time.total_s}};
  timing_.append(timing.dump());
}

void MetricsFile::append(std::string_view kind, std::int64_t step,
                         const std::vector<NamedValue>& values) {
  Record record{{"kind", kind}, {"step", step}};
  add_values(record, values);
  metrics_.append(record.dump());
}

void MetricsFile::append(std::int64_t step, std::int64_t steps,
                         const std::vector<RankTime>& ranks) {
  CUTTLE_EXPECT(!ranks.empty());
  std::vector<std::string> hosts;
  std::vector<double> busy;
  for (const auto& rank : ranks) {
    hosts.push_back(rank.host);
    busy.push_back(rank.busy_s);
  }
  const auto slowest = std::max_element(busy.begin(), busy.end());
  const double mean =
      std::accumulate(busy.begin(), busy.end(), 0.0) / static_cast<double>(busy.size());
  const Record record{{"step", step},
                      {"steps", steps},
                      {"slowest_rank", slowest - busy.begin()},
                      {"max_over_mean", mean > 0 ? *slowest / mean : 1.0},
                      {"busy_s", busy},
                      {"hosts", hosts}};
  ranks_.append(record.dump());
}

void MetricsFile::truncate_after(std::int64_t step) {
  metrics_.truncate_after(step);
  timing_.truncate_after(step);
  ranks_.truncate_after(step);
}

void MetricsFile::sync() {
  metrics_.sync();
  timing_.sync();
  ranks_.sync();
}

}  // namespace cuttle
