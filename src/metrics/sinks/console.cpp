#include "cuttle/core/timer.hpp"
#include "metrics/progress.hpp"
#include "metrics/rows.hpp"

namespace cuttle {
namespace {

/// Shows how the run goes, where rank 0 has a console.
class ConsoleSink final : public Sink {
 public:
  struct Options {
    double every_s = 10.0;
    void keys(Keys& keys) {
      keys.add("every_s", every_s, at_least(0),
               "seconds between plain lines, where the output is no terminal");
    }
  };
  ConsoleSink(const SinkRequest& request, const Options& options) {
    const Console& console = request.console;
    if (console.out != nullptr)
      progress_ = std::make_unique<Progress>(*console.out, console.terminal, request.steps,
                                             options.every_s);
  }

  // The loop logs what follows from skipped tasks and from a validation, so its line has to go.
  void step(const StepReport& report) override {
    if (!progress_) return;
    progress_->update(report, clock_.seconds());
    if (report.skipped > 0) progress_->clear();
  }
  void record(std::string_view, std::int64_t, const std::vector<NamedValue>&) override {
    if (progress_) progress_->clear();
  }

 private:
  Timer clock_;
  std::unique_ptr<Progress> progress_;
};

}  // namespace

SinkType row_of_console() {
  auto row = type_of<ConsoleSink, SinkType>(
      "progress on standard error: a line that refreshes itself, or plain lines now and then", "");
  row.writes = "the console";
  return row;
}

}  // namespace cuttle
