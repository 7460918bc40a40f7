#include "app/episode_answers.hpp"

#include <torch/types.h>

#include <nlohmann/json.hpp>

#include "app/predictions.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

std::vector<float> row_of(const torch::Tensor& numbers, std::int64_t row) {
  const auto there = numbers[row].to(torch::kFloat32).contiguous();
  return {there.data_ptr<float>(), there.data_ptr<float>() + there.numel()};
}

/// Classes of an episode by label: its support lies class by class.
std::vector<std::string> classes_of(const Dataset& data, const std::vector<std::int64_t>& support) {
  std::vector<std::string> names;
  std::int32_t last = -1;
  for (const std::int64_t sample : support) {
    const std::int32_t id = data.samples()[static_cast<std::size_t>(sample)].class_id;
    if (id != std::exchange(last, id))
      names.push_back(data.class_names()[static_cast<std::size_t>(id)]);
  }
  return names;
}

}  // namespace

std::function<std::string(std::int64_t, const torch::Tensor&)> episode_answers(
    const LoadedRun& run, const Dataset* data, const TaskSource& source,
    const EvaluationPlan& plan) {
  CUTTLE_VALIDATE(data != nullptr && !source.samples(evaluation_key(plan, 0)).empty(),
                  "--per-episode FILE.jsonl names samples, and these tasks are not of samples of "
                  "one data set; give a .csv file, which has their scores");
  CUTTLE_VALIDATE(!plan.unbalanced,
                  "--per-episode FILE.jsonl has all queries of an episode, and --unbalanced leaves "
                  "some out; leave one of them out");
  const TaskKind& kind = *run.parts.kind;
  return [&kind, data, &source, key_plan = plan, names = names_of_targets(run.inputs),
          width = run.inputs.target_width](std::int64_t episode, const torch::Tensor& outputs) {
    const auto samples = source.samples(evaluation_key(key_plan, episode));
    const auto queries = static_cast<std::size_t>(outputs.size(0));
    const std::size_t asked = samples.size() - queries;
    const auto classes =
        kind.classes() ? classes_of(*data, {samples.begin(),
                                            samples.begin() + static_cast<std::ptrdiff_t>(asked)})
                       : std::vector<std::string>();
    const PredictionText text(PredictionFormat::kJsonLines, classes,
                              kind.values() ? names : std::vector<std::string>(), kind.beside(),
                              kind.labels(), 0);
    const auto told = kind.values() ? kind.told(outputs, width)
                                    : torch::softmax(outputs / key_plan.temperature, 1);
    const auto beside = kind.told_beside(outputs);
    std::string lines;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const SampleInfo& info = data->samples()[static_cast<std::size_t>(samples[i])];
      nlohmann::ordered_json json{
          {"episode", episode},
          {"part", i < asked ? "support" : "query"},
          {"sample", data->sample_name(samples[i])},
          {"of", data->class_names()[static_cast<std::size_t>(info.class_id)]}};
      if (kind.values()) {
        const auto truth = data->target(samples[i]);
        json["truth"] = std::vector<float>(truth.begin(), truth.end());
      }
      if (i >= asked) {
        const auto row = static_cast<std::int64_t>(i - asked);
        Answer answer;
        answer.sample = json["sample"];
        answer.outputs = row_of(told, row);
        for (const auto& numbers : beside) answer.beside.push_back(row_of(numbers, row));
        json.update(nlohmann::ordered_json::parse(text.line(answer)));
      }
      lines += json.dump() + "\n";
    }
    return lines;
  };
}

}  // namespace cuttle
