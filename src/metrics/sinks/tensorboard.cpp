#include "metrics/event_file.hpp"
#include "metrics/rows.hpp"

namespace cuttle {
namespace {

constexpr const char* kBoardFolder = "tensorboard";

/// Curves in RUN/tensorboard, under KIND/NAME.
class TensorboardSink final : public Sink {
 public:
  struct Options {
    std::int64_t every = 1;
    void keys(Keys& keys) {
      keys.add("every", every, at_least(1), "outer steps between the points of training");
    }
  };
  TensorboardSink(const SinkRequest& request, const Options& options)
      : folder_(request.run_folder + "/" + kBoardFolder), every_(options.every) {}

  void begin(std::int64_t step) override { file_ = std::make_unique<EventFile>(folder_, step); }
  void step(const StepReport& report) override {
    if (report.step % every_ != 0) return;
    auto scalars = tagged("train", report.values);
    scalars.push_back({"train/gradient_norm", report.gradient_norm});
    scalars.push_back({"train/outer_lr", report.outer_lr});
    scalars.push_back(
        {"time/tasks_per_second", static_cast<double>(report.tasks) / report.time.total_s});
    file_->append(report.step, scalars);
  }
  void record(std::string_view kind, std::int64_t step,
              const std::vector<NamedValue>& values) override {
    file_->append(step, tagged(kind, values));
  }
  void sync() override { file_->sync(); }

 private:
  static std::vector<NamedValue> tagged(std::string_view kind, std::vector<NamedValue> values) {
    for (NamedValue& value : values) value.name.insert(0, std::string(kind) + "/");
    return values;
  }

  std::string folder_;
  std::int64_t every_;
  std::unique_ptr<EventFile> file_;
};

}  // namespace

SinkType row_of_tensorboard() {
  auto row = type_of<TensorboardSink, SinkType>(
      "event files in RUN/tensorboard: tensorboard --logdir RUN draws the curves", "");
  row.writes = kBoardFolder;
  return row;
}

}  // namespace cuttle
