#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cuttle/core/error.hpp"
#include "metrics/json_lines.hpp"
#include "metrics/rows.hpp"

namespace cuttle {
namespace {

using Record = nlohmann::ordered_json;  // keys in the order of writing

void add_values(Record& record, const std::vector<NamedValue>& values) {
  for (const auto& [name, value] : values) {
    CUTTLE_EXPECT(!record.contains(name));
    record[name] = value;
  }
}

/// RUN/metrics.jsonl, whose bytes do not depend on the world size or on resumes, and
/// RUN/timing.jsonl and RUN/ranks.jsonl, whose do. Values that are not finite are written as null.
class JsonlSink final : public Sink {
 public:
  using Options = NoOptions;
  JsonlSink(const SinkRequest& request, const Options&)
      : metrics_(request.run_folder + "/" + kRecordsFile),
        timing_(request.run_folder + "/timing.jsonl"),
        ranks_(request.run_folder + "/ranks.jsonl") {}

  void begin(std::int64_t step) override {
    for (JsonLines* file : {&metrics_, &timing_, &ranks_}) file->truncate_after(step);
  }
  void budget(std::int64_t steps, double step_s, double minutes) override {
    const Record record{
        {"step", 0}, {"steps", steps}, {"measured_step_s", step_s}, {"minutes", minutes}};
    timing_.append(record.dump());
  }
  void step(const StepReport& report) override {
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
  void record(std::string_view kind, std::int64_t step,
              const std::vector<NamedValue>& values) override {
    Record record{{"kind", kind}, {"step", step}};
    add_values(record, values);
    metrics_.append(record.dump());
  }
  /// The slowest rank, and how long it took against the mean of all.
  void ranks(std::int64_t step, std::int64_t steps, const std::vector<RankTime>& ranks) override {
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
  void sync() override {
    for (JsonLines* file : {&metrics_, &timing_, &ranks_}) file->sync();
  }

 private:
  JsonLines metrics_;
  JsonLines timing_;
  JsonLines ranks_;
};

}  // namespace

SinkType row_of_jsonl() {
  auto row = type_of<JsonlSink, SinkType>(
      "metrics.jsonl, timing.jsonl and ranks.jsonl in the run folder: what the other commands read",
      "");
  row.writes = kRecordsFile;
  return row;
}

}  // namespace cuttle
