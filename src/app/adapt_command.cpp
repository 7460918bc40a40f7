#include <fmt/ranges.h>
#include <torch/types.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <numeric>
#include <utility>

#include "app/adapted_file.hpp"
#include "app/calibrate_run.hpp"
#include "app/commands.hpp"
#include "app/describe_adapted.hpp"
#include "app/given_samples.hpp"
#include "app/known_tasks_file.hpp"
#include "app/loaded_run.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/core/signals.hpp"
#include "cuttle/metrics/counter.hpp"

namespace cuttle {
namespace {

/// Every sample of a shard as one batch. Labels: positions in `classes` (the classes that occur),
/// if all are labelled.
struct WholeShard {
  RawBatch raw;
  std::vector<std::string> classes;
};

WholeShard read_all(const Dataset& data) {
  WholeShard whole;
  std::vector<std::int64_t> indices(data.samples().size());
  std::iota(indices.begin(), indices.end(), 0);
  whole.raw = read_batch(data, indices);
  std::map<std::int32_t, std::int64_t> place;  // ascending class id: the order of the names
  bool labelled = true;
  for (const auto& sample : data.samples()) {
    labelled = labelled && sample.class_id >= 0;
    place.emplace(sample.class_id, 0);
  }
  if (!labelled) return whole;
  for (auto& [id, position] : place) {
    position = static_cast<std::int64_t>(whole.classes.size());
    whole.classes.push_back(data.class_names()[static_cast<std::size_t>(id)]);
  }
  for (const auto& sample : data.samples()) whole.raw.labels.push_back(place[sample.class_id]);
  return whole;
}

/// The targets of every sample; UserError if the shard's are none or not as wide as the model's.
std::vector<float> read_targets(const Dataset& data, std::int64_t width, const std::string& path) {
  CUTTLE_VALIDATE(
      data.target_width() == width,
      "{}: its samples have {} target values where the model predicts {} (adapting needs "
      "samples with known values); make the shard as the training data were made",
      path, data.target_width(), width);
  std::vector<float> targets;
  for (std::size_t i = 0; i < data.samples().size(); ++i) {
    const auto target = data.target(static_cast<std::int64_t>(i));
    targets.insert(targets.end(), target.begin(), target.end());
  }
  return targets;
}

/// Refuses a support set that the run's model cannot learn classes from.
void check_classes(const LoadedRun& run, const WholeShard& support, const std::string& path,
                   const Extensions& extensions) {
  const auto way = static_cast<std::int64_t>(support.classes.size());
  CUTTLE_VALIDATE(
      way >= 2, "{}: {} (adapting needs labelled samples of two classes or more)", path,
      way == 0 ? "not all of its samples are labelled" : "all of its samples are of one class");
  const std::int64_t most = most_classes(run.config, extensions);
  CUTTLE_VALIDATE(
      most == 0 || way <= most,
      "{}: it has {} classes, but the model was trained for {} at most (those beyond would be "
      "answered by parameters that never moved); give fewer classes, or train with a larger "
      "episode.way (or a learner that compares samples, such as protonet)",
      path, way, most);
}

/// Values are of one function, patient or machine, as in an episode.
void warn_of_several(const WholeShard& support, const std::string& path) {
  if (support.classes.size() > 1)
    log_warning(
        "{}: its samples are of {} classes, such as '{}' and '{}' (a model of values learned to "
        "adapt to one function, patient or machine at a time); make a shard of each",
        path, support.classes.size(), support.classes[0], support.classes[1]);
}

/// Refuses a class of which there is nothing to look at; names how many samples have nothing.
void check_senses(const Batch& batch, const LoadedRun& run, const WholeShard& support,
                  const std::string& path) {
  const auto seen = have_senses(batch);
  std::vector<bool> known(support.classes.size(), false);
  for (std::size_t i = 0; i < seen.size() && !known.empty(); ++i)
    if (seen[i]) known[static_cast<std::size_t>(support.raw.labels[i])] = true;
  const auto senses = fmt::format("{}", fmt::join(names_of(run.inputs.modalities), ", "));
  for (std::size_t c = 0; c < known.size(); ++c)
    CUTTLE_VALIDATE(known[c],
                    "{}: no sample of class '{}' has any of the model's senses ({}), so nothing "
                    "would be learned of it; give samples that have one, or leave the class out",
                    path, support.classes[c], senses);
  const auto blind = std::count(seen.begin(), seen.end(), false);
  CUTTLE_VALIDATE(blind < batch.size, "{}: no sample has any of the model's senses ({})", path,
                  senses);
  if (blind > 0)
    log_warning("{} of {} samples have none of the model's senses ({}) and teach it nothing", blind,
                batch.size, senses);
}

/// Refuses a lesson that would answer nothing.
void check_learned(const Adapted& adapted, const std::string& path) {
  for (const auto& [name, tensor] : adapted.state())
    CUTTLE_VALIDATE(!tensor.is_floating_point() || !tensor.isnan().any().item<bool>(),
                    "{}: what is learned from these samples is no number ({}: a sample has holes, "
                    "or values that are too large; every answer would be nan); leave such samples "
                    "out, or train with steps that fill holes (model.encoders.SENSE.fitted)",
                    path, name);
}

constexpr std::int64_t kCalibrationQueries = 5;  ///< of a class: more would only take longer

/// Samples of each class; of values, which are of one, all.
std::vector<std::int64_t> shots_of(const Batch& support) {
  if (support.targets.defined()) return {support.size};
  std::vector<std::int64_t> shots(static_cast<std::size_t>(support.way), 0);
  for (std::int64_t i = 0; i < support.size; ++i)
    ++shots[static_cast<std::size_t>(support.labels[i].item<std::int64_t>())];
  return shots;
}

/// What validation episodes of as many classes, shots and the same senses say of the answers.
std::optional<Calibration> calibrated(const LoadedRun& run, const Batch& support,
                                      const std::vector<std::int64_t>& shots, std::int64_t episodes,
                                      const Extensions& extensions, SignalWatch& signals) {
  auto plan = evaluation_plan(run.config, Split::kValidation, episodes);
  if (run.parts.kind->classes()) plan.episode.way = support.way;
  plan.episode.shot = *std::max_element(shots.begin(), shots.end());
  plan.episode.query = std::min(plan.episode.query, kCalibrationQueries);
  for (const ModalityInput& input : support.modalities)
    plan.modalities.push_back(input.rows.numel() > 0);
  const auto parts = assemble(for_use(run.config, false, extensions), run.inputs, extensions);
  Counter counter(console_of(0), episodes, "validation episodes");
  return calibrate_run(run, parts, plan, shots, extensions, [&](std::int64_t done) {
    counter.update(done);
    CUTTLE_REQUIRE(signals.take() != SignalRequest::kStop,
                   "interrupted while the answers were being calibrated; nothing is written");
  });
}

/// One word follows --support, those after it are taken for keys. A folder called like a key's
/// value is not meant.
void check_overrides(const std::vector<std::string>& overrides, const Extensions& extensions) {
  const auto is_key = [&](const std::string& word) {
    if (word.substr(0, word.find('=')).find('.') != word.npos) return word.find('=') != word.npos;
    try {
      parse_config("{}", "", {word}, catalog_of(extensions));
      return true;
    } catch (const UserError&) {
      return false;
    }
  };
  for (const std::string& word : overrides)
    CUTTLE_VALIDATE(is_key(word) || !std::filesystem::exists(word.substr(word.find('=') + 1)),
                    "'{0}' is no key=value (--support takes one word, and further ones are keys); "
                    "write --support {0} for it too, or give a folder, or a pattern in quotes",
                    word);
}

}  // namespace

ExitCode adapt_command(const AdaptArguments& arguments, const Extensions& extensions) {
  expect_one_process("adapt");
  check_output(arguments.out, arguments.support);
  check_overrides(arguments.overrides, extensions);
  // A few samples, and a file for machines that may have no GPU.
  auto overrides = arguments.overrides;
  overrides.push_back("device=cpu");
  overrides.push_back("evaluation.way=0");  // plays no part: the support says how many classes
  const LoadedRun run = load_run(arguments.run, true, overrides, extensions, 0);
  CUTTLE_VALIDATE(run.parts.kind->classes() || run.parts.kind->values(),
                  "{}: its tasks are environments (adapting to a shard needs tasks of labelled "
                  "samples, or of samples with values); use cuttle eval",
                  arguments.run);
  if (arguments.episodes.value_or(0) > 0 && !tells_probabilities(*run.parts.kind))
    log_warning(
        "--calibrate does nothing: it is about probabilities of classes or labels, and answers of "
        "{} are none",
        run.config.episode.target.type);
  std::string name;
  WholeShard support;
  TaskInputs inputs = run.inputs;
  const bool values = !run.parts.kind->classes();
  {
    const GivenSamples given(arguments.support, arguments.run);
    name = given.name();
    const auto data =
        open_for(run.inputs.modalities, shards_only(given.shards()), extensions, name);
    support = read_all(*data);
    inputs.modalities = data->modalities();  // with the names of its columns, for predict
    if (values) {
      support.raw.targets = read_targets(*data, run.inputs.target_width, name);
      check_targets(*run.parts.kind, *data, name);
    }
  }  // what was packed is removed before the long work
  SignalWatch signals;
  if (values) {
    warn_of_several(support, name);
    support.classes.clear();
  } else {
    check_classes(run, support, name, extensions);
  }
  const auto way = static_cast<std::int64_t>(support.classes.size());
  const auto& [kind, model, learner] = run.parts;
  const Batch batch = model->prepare(support.raw, way);
  check_senses(batch, run, support, name);
  const auto adapted =
      learner->adapt(run.parameters, batch, {run.config.seed, Stream::kModel, 0, 0});
  check_learned(*adapted, name);
  AdaptedTo to{run.config, inputs, support.classes, {}, {}};
  to.held_files = run.parts.model->held_files();
  to.stands_alone = arguments.stand_alone;
  const auto shots = shots_of(batch);
  const std::int64_t most = *std::max_element(shots.begin(), shots.end());
  if (const auto place = place_among_known(run, batch, most); !place.is_null())
    to.known_tasks = place.dump();
  const std::int64_t episodes = arguments.episodes.value_or(kCalibrationEpisodes);
  if (tells_probabilities(*kind) && episodes > 0)
    to.calibration = calibrated(run, batch, shots, episodes, extensions, signals);
  if (to.calibration && !to.calibration->distances.empty())
    to.novelty.emplace(adapted->answer(batch).embedding, batch.labels, way);
  CUTTLE_REQUIRE(signals.take() != SignalRequest::kStop, "interrupted; nothing is written");
  write_adapted(arguments.out, to, *adapted, extensions);
  if (!model->samples_apart()) warn_if_transductive(run.parts);
  log_info(
      "adapted to {} from {} samples: {}",
      values ? fmt::format("targets ({})", run.parts.kind->says()) : fmt::format("{} classes", way),
      support.raw.size, arguments.out);
  if (arguments.json)
    std::cout << describe_adapted(
                     arguments.out, to,
                     assemble(for_use(run.config, false, extensions), run.inputs, extensions))
                     .dump(2)
              << std::endl;
  return ExitCode::kDone;
}

}  // namespace cuttle
