#include <fmt/ranges.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "app/adapted_file.hpp"
#include "app/commands.hpp"
#include "app/given_samples.hpp"
#include "app/predictions.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/core/signals.hpp"
#include "cuttle/metrics/counter.hpp"
#include "cuttle/train/run_data.hpp"

namespace cuttle {
namespace {

PredictionFormat format_of(const PredictArguments& arguments) {
  if (arguments.stream) return PredictionFormat::kJsonLines;
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
class AnswerSink {
 public:
  explicit AnswerSink(const std::string& path) {
    if (!path.empty()) file_.emplace(path);
  }
  void write(const std::string& text) {
    if (file_) return file_->write(text);
    CUTTLE_REQUIRE(std::cout << text,
                   "cannot write to standard output (is its reader gone, or its disk full?); the "
                   "answers so far are not all there are");
  }
  void finish() {
    if (file_) file_->finish();  // standard output is checked where the program ends
  }

 private:
  std::optional<UnfinishedFile> file_;
};

/// What becomes of the samples of a data set.
struct Outcome {
  std::int64_t samples = 0, blind = 0, rejected = 0;
  LabelledAnswers labelled;
  ErrorOfValues error = {};
  FoundLabels found = {};
  FoundLevels levels = {};
};

/// The answer to each sample of a batch, in order.
std::vector<Answer> answers_of(const AdaptedModel& model, const Batch& batch, double reject) {
  const auto given = model.adapted->answer(batch);
  const auto seen = have_senses(batch);
  const AdaptedTo& to = model.to;
  auto outputs = model.parts.kind->in_own_units(given.outputs, model.parts.model->units());
  if (to.calibration) outputs = outputs / to.calibration->temperature;
  if (!to.classes.empty()) outputs = torch::softmax(outputs, 1);
  std::vector<torch::Tensor> beside = model.parts.kind->told_beside(outputs);
  if (model.parts.kind->values()) outputs = model.parts.kind->told(outputs, model.way);
  outputs = outputs.contiguous();
  for (auto& numbers : beside) numbers = numbers.contiguous();
  const auto row_of = [&](const torch::Tensor& from, std::size_t i) {
    const float* row = from.data_ptr<float>() + static_cast<std::int64_t>(i) * model.way;
    return std::vector<float>(row, row + model.way);
  };
  std::vector<float> distances;
  if (to.novelty) distances = to.novelty->distances(given.embedding);
  std::vector<Answer> answers(static_cast<std::size_t>(batch.size));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!seen[i]) continue;
    auto row = row_of(outputs, i);
    // Holes, or values that overflow: no answer.
    if (std::any_of(row.begin(), row.end(), [](float value) { return std::isnan(value); }))
      continue;
    answers[i].outputs = std::move(row);
    for (const auto& numbers : beside) answers[i].beside.push_back(row_of(numbers, i));
    if (!to.novelty) continue;
    const auto [least, most] =
        std::minmax_element(answers[i].outputs.begin(), answers[i].outputs.end());
    // The first class would stand for all of them: nothing that is known tells it from the others.
    answers[i].known = *least == *most ? 0 : to.calibration->known(distances[i]);
    answers[i].rejected = *answers[i].known < reject;
  }
  return answers;
}

/// Reads, answers and writes a batch at a time, so that memory does not grow with the samples,
/// unless they are looked at together. Error when it is interrupted.
Outcome answer_all(const AdaptedModel& model, const Dataset& data, const PredictArguments& wanted,
                   const PredictionText& text, AnswerSink& answers) {
  if (data.target_width() == model.way)
    check_targets(*model.parts.kind, data, wanted.inputs.empty() ? wanted.file : wanted.inputs[0]);
  const auto total = static_cast<std::int64_t>(data.samples().size());
  const std::int64_t batches = wanted.together ? 1 : batches_of(model, total);
  Outcome outcome{total, 0, 0, {model.to.classes, !wanted.confusion.empty()}};
  Counter counter(console_of(0), total, "samples");
  SignalWatch signals;
  for (std::int64_t b = 0; b < batches; ++b) {
    const std::int64_t first = b * total / batches, end = (b + 1) * total / batches;
    std::vector<std::int64_t> samples(static_cast<std::size_t>(end - first));
    std::iota(samples.begin(), samples.end(), first);
    const Batch batch = model.parts.model->prepare(read_batch(data, samples), model.way);
    auto given = answers_of(model, batch, wanted.reject);
    for (const std::int64_t i : samples) {
      Answer& answer = given[static_cast<std::size_t>(i - first)];
      answer.sample = data.sample_name(i);
      outcome.blind += answer.outputs.empty();
      outcome.rejected += answer.rejected;
      const auto label = data.samples()[static_cast<std::size_t>(i)].class_id;
      if (label >= 0 && !model.to.classes.empty())
        outcome.labelled.add(answer, data.class_names()[static_cast<std::size_t>(label)]);
      if (model.to.classes.empty() && data.target_width() == model.way) {
        if (model.parts.kind->labels())
          outcome.found.add(answer, data.target(i));
        else if (model.parts.kind->levels())
          outcome.levels.add(answer, data.target(i));
        else if (model.parts.kind->estimates())
          outcome.error.add(answer, data.target(i), model.parts.kind->uncertain());
      }
      answers.write(text.line(answer));
    }
    counter.update(end);
    CUTTLE_REQUIRE(signals.take() != SignalRequest::kStop,
                   "interrupted after {} of {} samples (a file of answers is not left, those on "
                   "standard output are not all there are)",
                   end, total);
  }
  return outcome;
}

/// Says what the answers do not.
void tell(const Outcome& outcome, const AdaptedModel& model, const PredictArguments& arguments) {
  if (outcome.blind > 0)
    log_warning(
        "{} of {} samples have none of the model's senses ({}), or holes and values that are too "
        "large for it, and have no answer; their lines say so",
        outcome.blind, outcome.samples, fmt::join(names_of(model.to.inputs.modalities), ", "));
  if (arguments.reject > 0)
    log_info(
        "{} of {} samples are rejected: they are farther from every class than {:g} % of "
        "the samples of a class are",
        outcome.rejected, outcome.samples, 100 * (1 - arguments.reject));
  if (arguments.reject > 0 && model.to.calibration->blurred())
    log_warning(
        "--reject goes by distances that say little of this model's classes (AUROC {:.2f} "
        "between samples of a class and of others; 0.5 is chance)",
        model.to.calibration->separation);
  if (!outcome.labelled.empty()) log_info("{}", outcome.labelled.summary());
  if (outcome.error.values > 0) log_info("{}", outcome.error.summary());
  if (outcome.found.samples > 0) log_info("{}", outcome.found.summary());
  if (outcome.levels.samples > 0) log_info("{}", outcome.levels.summary());
  if (!arguments.confusion.empty() && outcome.labelled.empty())
    log_warning("{}: no sample is labelled, so all counts are 0", arguments.confusion);
  if (!arguments.out.empty()) log_info("answers to {} samples: {}", outcome.samples, arguments.out);
}

/// Refuses what the adapted file cannot give.
void check_wishes(const PredictArguments& wanted, const AdaptedModel& model) {
  const AdaptedTo& to = model.to;
  CUTTLE_VALIDATE(wanted.reject >= 0 && wanted.reject <= 1,
                  "--reject: {} is no share of the genuine samples; give 0 to 1, say 0.05",
                  wanted.reject);
  CUTTLE_VALIDATE(wanted.reject == 0 || !to.classes.empty(),
                  "--reject is about classes, and {} has none ({}); leave it out", wanted.file,
                  model.parts.kind->says());
  CUTTLE_VALIDATE(!to.classes.empty() || (wanted.top == 0 && wanted.confusion.empty()),
                  "--top and --confusion are about classes, and {} has none ({}); leave them out",
                  wanted.file, model.parts.kind->says());
  CUTTLE_VALIDATE(wanted.reject == 0 || to.novelty,
                  "--reject: {} does not say how far samples of a class may be (it was adapted "
                  "without validation episodes, or by an older version); make it again "
                  "with cuttle adapt where the run finds its shards",
                  wanted.file);
}

/// One request a line, {"shard": PATH}; its answers as JSON lines, then {"done": samples}, or
/// {"error": TEXT}. Until standard input ends.
void answer_requests(const AdaptedModel& model, const Extensions& extensions,
                     const PredictArguments& wanted, const PredictionText& text,
                     AnswerSink& answers) {
  std::string line;
  while (std::getline(std::cin, line)) {
    try {
      const auto request = nlohmann::json::parse(line, nullptr, false);
      CUTTLE_VALIDATE(
          request.is_object() && request.contains("shard") && request["shard"].is_string(),
          "a request is a line {{\"shard\": PATH}}, not '{}'", line.substr(0, 200));
      const auto data = open_for(model.to.inputs.modalities,
                                 shards_only({request["shard"].get<std::string>()}), extensions);
      const auto outcome = answer_all(model, *data, wanted, text, answers);
      answers.write(nlohmann::json{{"done", outcome.samples}}.dump() + "\n");
    } catch (const UserError& problem) {
      answers.write(nlohmann::json{{"error", problem.what()}}.dump() + "\n");
    }
    std::cout.flush();
  }
}

}  // namespace

ExitCode predict_command(const PredictArguments& arguments, const Extensions& extensions) {
  expect_one_process("predict");
  std::signal(SIGPIPE, SIG_IGN);  // `predict ... | head`: what was packed is removed all the same
  const PredictionFormat format = format_of(arguments);
  std::vector<std::string> read = arguments.inputs;
  read.push_back(arguments.file);
  for (const auto& path : {arguments.out, arguments.confusion})
    if (!path.empty()) check_output(path, read);
  CUTTLE_VALIDATE(arguments.out.empty() || arguments.out != arguments.confusion,
                  "--out and --confusion are one file, {}; name two", arguments.out);
  const AdaptedModel model = read_adapted(arguments.file, extensions, arguments.together);
  check_wishes(arguments, model);
  warn_if_transductive(model.parts);
  // One sample gives threads nothing to do, and sums may be rounded by how many there are.
  if (model.parts.learner->samples_apart()) torch::set_num_threads(1);
  const TaskKind& kind = *model.parts.kind;
  const PredictionText text(
      format, model.to.classes,
      kind.values() ? names_of_targets(model.to.inputs) : std::vector<std::string>(), kind.beside(),
      kind.labels(), arguments.top);
  AnswerSink answers(arguments.out);
  if (arguments.stream) {
    answer_requests(model, extensions, arguments, text, answers);
    return ExitCode::kDone;
  }
  const GivenSamples given(arguments.inputs, arguments.file);
  const auto data =
      open_for(model.to.inputs.modalities, shards_only(given.shards()), extensions, given.name());
  answers.write(text.header());
  const Outcome outcome = answer_all(model, *data, arguments, text, answers);
  answers.finish();
  tell(outcome, model, arguments);
  if (!arguments.confusion.empty())
    write_file_atomically(arguments.confusion, outcome.labelled.to_csv());
  return ExitCode::kDone;
}

}  // namespace cuttle
