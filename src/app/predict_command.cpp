#include <fmt/ranges.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <numeric>
#include <optional>

#include "app/adapted_file.hpp"
#include "app/commands.hpp"
#include "app/predictions.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/core/signals.hpp"
#include "cuttle/core/timer.hpp"
#include "cuttle/train/run_data.hpp"

namespace cuttle {
namespace {

/// A line on the terminal, if standard error is one, that says how far it is.
class Counter {
 public:
  explicit Counter(std::int64_t total) : total_(total), shown_(isatty(STDERR_FILENO) == 1) {}
  ~Counter() {
    if (shown_) std::cerr << kClearLine << std::flush;
  }
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;

  void update(std::int64_t done) {
    constexpr double kRefresh = 0.1;  // seconds between two states
    const double now = clock_.seconds();
    if (!shown_ || now - last_s_ < kRefresh) return;
    last_s_ = now;
    const double rate = static_cast<double>(done) / now;
    std::cerr << kClearLine
              << fmt::format("{} of {} samples ({:.0f} %), {:.0f} a second, {:.0f} s left", done,
                             total_,
                             100.0 * static_cast<double>(done) / static_cast<double>(total_), rate,
                             static_cast<double>(total_ - done) / rate)
              << std::flush;
  }

 private:
  static constexpr const char* kClearLine = "\r\x1b[K";
  std::int64_t total_;
  bool shown_;
  Timer clock_;
  double last_s_ = 0;
};

PredictionFormat format_of(const PredictArguments& arguments) {
  if (arguments.out.empty())
    return arguments.json ? PredictionFormat::kJsonLines : PredictionFormat::kTabs;
  const auto ending = std::filesystem::path(arguments.out).extension().string();
  CUTTLE_VALIDATE(ending == ".csv" || ending == ".jsonl",
                  "--out: '{}' says no format (the ending tells it); end it in .csv or .jsonl",
                  arguments.out);
  return ending == ".csv" ? PredictionFormat::kCsv : PredictionFormat::kJsonLines;
}

/// In how many batches `samples` are asked about. Where they stand apart one by one: what is
/// computed beside a sample may change how its numbers are rounded. Elsewhere by as many as in an
/// episode of evaluation, about: that is what was measured.
std::int64_t batches_of(const AdaptedModel& model, std::int64_t samples) {
  if (model.parts.learner->samples_apart()) return samples;
  const EpisodeOptions episode = evaluation_episodes(model.to.config);
  const auto way = static_cast<std::int64_t>(model.to.classes.size());
  const std::int64_t measured = episode.query * std::max<std::int64_t>(1, way);
  return std::min(samples, std::max<std::int64_t>(1, (samples + measured / 2) / measured));
}

/// Where the answers go: standard output, or a file that is there when it is whole.
class Answers {
 public:
  explicit Answers(const std::string& path) {
    if (!path.empty()) file_.emplace(path);
  }
  void write(const std::string& text) {
    if (file_) return file_->write(text);
    CUTTLE_REQUIRE(std::cout << text,
                   "cannot write to standard output (is its disk full?); the answers so far are "
                   "not all there are");
  }
  void finish() {
    if (file_) file_->finish();  // standard output is checked where the program ends
  }

 private:
  std::optional<UnfinishedFile> file_;
};

/// Reads, answers and writes a batch at a time, so that memory does not grow with the samples.
/// Gives how many have nothing to look at and get no answer. Error when it is interrupted.
std::int64_t answer_all(const AdaptedModel& model, const Dataset& data, PredictionFormat format,
                        Answers& answers) {
  const auto total = static_cast<std::int64_t>(data.samples().size());
  const std::int64_t batches = batches_of(model, total);
  const PredictionText text(format, model.to.classes, model.outputs);
  answers.write(text.header());
  Counter counter(total);
  SignalWatch signals;
  std::int64_t blind = 0;
  for (std::int64_t b = 0; b < batches; ++b) {
    const std::int64_t first = b * total / batches, end = (b + 1) * total / batches;
    std::vector<std::int64_t> samples(static_cast<std::size_t>(end - first));
    std::iota(samples.begin(), samples.end(), first);
    const Batch batch = model.parts.model->prepare(read_batch(data, samples), model.outputs);
    const auto outputs = model.adapted->predict(batch).contiguous();
    const auto seen = have_senses(batch);
    for (const std::int64_t i : samples) {
      const bool blank = !seen[static_cast<std::size_t>(i - first)];
      blind += blank;
      answers.write(blank ? text.no_answer(data.sample_name(i))
                          : text.line(data.sample_name(i), outputs[i - first]));
    }
    counter.update(end);
    CUTTLE_REQUIRE(signals.take() != SignalRequest::kStop,
                   "interrupted after {} of {} samples (a file of answers is not left, those on "
                   "standard output are not all there are)",
                   end, total);
  }
  return blind;
}

}  // namespace

ExitCode predict_command(const PredictArguments& arguments, const Extensions& extensions) {
  expect_one_process("predict");
  const PredictionFormat format = format_of(arguments);
  if (!arguments.out.empty()) check_output(arguments.out, {arguments.file, arguments.shard});
  const AdaptedModel model = read_adapted(arguments.file, extensions);
  const auto data = open_for(model.to.inputs.modalities, one_shard(arguments.shard));
  warn_if_transductive(model.parts, model.to.config);
  // One sample gives threads nothing to do, and sums may be rounded by how many there are.
  if (model.parts.learner->samples_apart()) torch::set_num_threads(1);
  Answers answers(arguments.out);
  const std::int64_t blind = answer_all(model, *data, format, answers);
  answers.finish();
  if (blind > 0)
    log_warning(
        "{} of {} samples have none of the model's senses ({}), and have no answer; their lines "
        "say so",
        blind, data->samples().size(), fmt::join(names_of(model.to.inputs.modalities), ", "));
  if (!arguments.out.empty())
    log_info("answers to {} samples: {}", data->samples().size(), arguments.out);
  return ExitCode::kDone;
}

}  // namespace cuttle
