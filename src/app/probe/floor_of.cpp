#include "app/probe/floor_of.hpp"

#include <fmt/format.h>
#include <torch/types.h>

#include <memory>

#include "app/commands.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/metrics/counter.hpp"
#include "cuttle/train/feature_bank.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kCentreTasks = 100;

/// The senses of runs, whose encoders expect their mean and deviation.
std::vector<ModalitySpec> statistics_of(const BySense& senses) {
  std::vector<ModalitySpec> known;
  for (const auto& [name, candidate] : senses)
    if (candidate.run != nullptr)
      known.push_back(*find_modality(candidate.run->inputs.modalities, name));
  return known;
}

/// What a run learned of the encoder takes the place of initial values. UserError where it is of
/// another shape.
void take(const LoadedRun& run, const std::string& sense, ParameterList& into) {
  const ParameterLayout &from = run.parameters.layout(), &to = into.layout();
  const std::string prefix = "encoder." + sense + ".";
  for (std::int64_t i = 0; i < to.count(); ++i) {
    if (to.spec(i).name.compare(0, prefix.size(), prefix) != 0) continue;
    bool found = false;
    for (std::int64_t j = 0; j < from.count() && !found; ++j) {
      found = from.spec(j).name == to.spec(i).name && from.spec(j).shape == to.spec(i).shape;
      if (found)
        into.tensors()[static_cast<std::size_t>(i)].copy_(
            run.parameters.tensors()[static_cast<std::size_t>(j)]);
    }
    CUTTLE_VALIDATE(found,
                    "{}: its {} is of another shape than these data's (what it learned does not "
                    "fit them: {}); probe it on data like its own",
                    run.folder, sense, to.spec(i).name);
  }
}

/// Statistics of the learner become the means of what the first training tasks show, which is the
/// same on every rank.
void centre(const Assembly& parts, const TaskSource& training, const EvaluationPlan& plan,
            ParameterList& parameters) {
  const ParameterLayout& layout = parameters.layout();
  auto sum = torch::zeros({layout.flat_size()}, torch::kFloat64);
  for (std::int64_t i = 0; i < plan.episodes; ++i)
    sum +=
        parts.learner->meta_gradient(parameters, training.make(evaluation_key(plan, i))).gradient;
  for (std::int64_t i = 0; i < layout.count(); ++i) {
    const ParameterSpec& spec = layout.spec(i);
    if (spec.section != ParameterSection::kStatistics) continue;
    const double times = sum[layout.observed_at(i)].item<double>();
    if (times == 0) continue;
    const auto observed = sum.narrow(0, layout.offset(i), layout.elements(i)) / times;
    parameters.tensors()[static_cast<std::size_t>(i)].copy_(observed.view(spec.shape));
  }
}

}  // namespace

RunConfig floor_config(const RunConfig& usual, const BySense& senses, bool centre_of_training,
                       const Extensions& extensions) {
  RunConfig config = usual;
  std::vector<std::string> encoders;
  for (const auto& [name, candidate] : senses) {
    config.data.modalities.push_back(name);
    if (candidate.run == nullptr)
      encoders.push_back(fmt::format("model.encoders.{}={}", name, candidate.said));
  }
  const auto parsed =
      parse_config(fmt::format("model: {{fusion: late, late_weights: equal}}\n"
                               "adapt: {{algorithm: floor, head: cosine, centre: {}}}",
                               centre_of_training ? "training" : "support"),
                   "probe", encoders, catalog_of(extensions));
  config.model = parsed.model;
  config.adapt = parsed.adapt;
  for (const auto& [name, candidate] : senses) {
    if (candidate.run == nullptr) continue;
    const auto& trained = candidate.run->config.model.encoders;
    if (const auto given = trained.find(name); given != trained.end()) {
      config.model.encoders[name] = given->second;
      config.model.encoders[name].frozen_from.clear();
    }
  }
  return config;
}

EvaluationReport floor_of(Communicator& comm, const RunConfig& config, const BySense& senses,
                          Split split, const Extensions& extensions) {
  std::unique_ptr<RunData> data;
  Assembly parts;
  std::optional<ParameterList> parameters;
  together(comm, "opening the data", [&] {
    const auto statistics = statistics_of(senses);
    data = RunData::open(config, extensions, nullptr, &statistics);
    parts = assemble(config, data->inputs(), extensions);
    parameters = ParameterList::initial(parts.model->layout(), config.seed);
    for (const auto& [name, candidate] : senses)
      if (candidate.run != nullptr) take(*candidate.run, name, *parameters);
  });
  const Console console = console_of(comm.rank());
  auto kept = keep_with_features(comm, config, *data, *parts.model, *parameters, false, console);
  auto plan = evaluation_plan(config, split, config.evaluation.episodes);
  plan.skip_nonfinite = true;
  std::unique_ptr<const TaskSource> episodes;
  together(comm, "planning episodes", [&] {
    if (config.adapt.values.at("centre") != "support")
      centre(parts, *data->source(parts, {Split::kTrain, plan.episode, 0.0, true}, &kept),
             evaluation_plan(config, Split::kTrain, kCentreTasks), *parameters);
    episodes = data->source(parts, {split, plan.episode, 0.0, true}, &kept);
  });
  Counter counter(console, plan.episodes, "episodes");
  auto report = evaluate(comm, *episodes, {}, *parts.learner, *parameters, plan,
                         counter.share_of(comm.size()));
  CUTTLE_VALIDATE(report.skipped == 0,
                  "features of {} of {} episodes are no numbers (holes, or values that are too "
                  "large); fill them, or probe a run whose steps do (model.encoders.SENSE.fitted)",
                  report.skipped, plan.episodes);
  return report;
}

}  // namespace cuttle
