#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cuttle/config/type.hpp"
#include "cuttle/metrics/options.hpp"
#include "cuttle/step/step_report.hpp"

namespace cuttle {

/// What a rank did since the last such record.
struct RankTime {
  std::string host;
  double busy_s = 0.0;  ///< reading and adapting: what other ranks may have to wait for
};

/// Where a run's numbers go while it trains. Rank 0 makes those of its config's section `sinks` and
/// tells all of them the same. A sink leaves out what it has no use for; one that cannot write
/// throws Error naming the file, which ends the run.
class Sink {
 public:
  virtual ~Sink() = default;
  /// Once, before all below: the run goes on from `step`, and what came later is forgotten.
  virtual void begin(std::int64_t step);
  /// The run takes `steps` outer steps because one took `step_s` seconds when it began and it has
  /// so many minutes.
  virtual void budget(std::int64_t steps, double step_s, double minutes);
  /// An outer step is done.
  virtual void step(const StepReport& report);
  /// Numbers of another kind ("validation") after `step`.
  virtual void record(std::string_view kind, std::int64_t step,
                      const std::vector<NamedValue>& values);
  /// What each rank did in the `steps` steps up to `step`.
  virtual void ranks(std::int64_t step, std::int64_t steps, const std::vector<RankTime>& ranks);
  /// Before each checkpoint, which counts on it: nothing that was given may be lost with the
  /// machine any more.
  virtual void sync();
};

/// Where rank 0 shows progress.
struct Console {
  std::ostream* out = nullptr;  ///< null: nowhere
  bool terminal = false;  ///< one line that refreshes itself, instead of plain lines now and then
};

/// What a sink is built from, when the run is about to begin: it may open its files.
struct SinkRequest {
  const Section& section;
  std::string run_folder;
  std::int64_t steps = 0;  ///< outer steps of the run
  Console console;
};
struct SinkType : TypeInfo {
  std::function<std::unique_ptr<Sink>(const SinkRequest&)> make;
  /// What it alone may write, such as a file of the run folder: a run has one sink for it. Empty:
  /// there may be several.
  std::string writes;
};

/// What `inspect` and `--resume` read, so that every run has a sink that writes it.
inline constexpr const char* kRecordsFile = "metrics.jsonl";

/// In metrics/sinks, one file each.
std::map<std::string, SinkType> builtin_sinks();

/// UserError if no sink writes kRecordsFile, two write the same, or a type is unknown.
void check_sinks(const std::map<std::string, SinkOptions>& wanted,
                 const std::map<std::string, SinkType>& types);
/// Those that a config asks for, in the order of their names. The folder is there.
std::vector<std::unique_ptr<Sink>> make_sinks(const std::map<std::string, SinkOptions>& wanted,
                                              const std::map<std::string, SinkType>& types,
                                              const std::string& run_folder, std::int64_t steps,
                                              const Console& console);

}  // namespace cuttle
