#include "cuttle/metrics/sink.hpp"

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

const SinkType& type_of_sink(const std::string& name, const SinkOptions& options,
                             const std::map<std::string, SinkType>& types) {
  return find_type(types, "sinks." + name + ".type", options.sink.type);
}

}  // namespace

void Sink::begin(std::int64_t) {}
void Sink::budget(std::int64_t, double, double) {}
void Sink::step(const StepReport&) {}
void Sink::record(std::string_view, std::int64_t, const std::vector<NamedValue>&) {}
void Sink::ranks(std::int64_t, std::int64_t, const std::vector<RankTime>&) {}
void Sink::sync() {}

void check_sinks(const std::map<std::string, SinkOptions>& wanted,
                 const std::map<std::string, SinkType>& types) {
  std::map<std::string, std::string> writers;
  for (const auto& [name, options] : wanted) {
    const std::string& writes = type_of_sink(name, options, types).writes;
    if (writes.empty()) continue;
    const auto [first, is_new] = writers.emplace(writes, name);
    CUTTLE_VALIDATE(is_new,
                    "sinks.{}: would write {}, as sinks.{} does (their numbers would mix); remove "
                    "one of the two, or change its type",
                    name, writes, first->second);
  }
  CUTTLE_VALIDATE(writers.count(kRecordsFile) > 0,
                  "sinks: none writes {} (--resume, inspect and others read it); give one entry "
                  "type: jsonl, as sinks.records has by itself",
                  kRecordsFile);
}

std::vector<std::unique_ptr<Sink>> make_sinks(const std::map<std::string, SinkOptions>& wanted,
                                              const std::map<std::string, SinkType>& types,
                                              const std::string& run_folder, std::int64_t steps,
                                              const Console& console) {
  std::vector<std::unique_ptr<Sink>> sinks;
  for (const auto& [name, options] : wanted)
    sinks.push_back(
        type_of_sink(name, options, types).make({options.sink, run_folder, steps, console}));
  return sinks;
}

}  // namespace cuttle
