#include "cuttle/train/assembly.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/sense/augment.hpp"
#include "train/chosen_sources.hpp"

namespace cuttle {

Catalog catalog_of(const Extensions& extensions) {
  return {{"encoder", infos_of(extensions.model.encoders)},
          {"norm", infos_of(extensions.model.norms)},
          {"fusion", infos_of(extensions.model.fusions)},
          {"completion", infos_of(extensions.model.completions)},
          {"head", infos_of(extensions.model.heads)},
          {"learner", infos_of(extensions.learners)},
          {"target", infos_of(extensions.targets)},
          {"source", infos_of(extensions.sources)},
          {"objective", infos_of(extensions.objectives)},
          {"optimizer", infos_of(extensions.optimizers)},
          {"sink", infos_of(extensions.sinks)},
          {"fitted", infos_of(extensions.fitted)}};
}

namespace {

const char* name_of(TaskForm form) {
  return form == TaskForm::kEpisode     ? "episodes"
         : form == TaskForm::kMinibatch ? "minibatches of all classes"
                                        : "environments to act in";
}

/// Source, target and learner must speak of the same kind of task.
void check_tasks(const RunConfig& config, const ChosenSource& chosen, const SourceType& source,
                 const TaskKind& kind, const Demands& demands) {
  const std::string from = chosen.key + ": " + chosen.section->type;
  const auto& target = config.episode.target.type;
  // Who learns nothing takes a model as it came, whatever it was trained with.
  const bool any_form = !demands.learns && source.form != TaskForm::kEnvironment;
  CUTTLE_VALIDATE(any_form || demands.form == source.form,
                  "adapt.algorithm: {} learns from {}, but {} gives {}; choose another of the two "
                  "(cuttle list source)",
                  config.adapt.type, name_of(demands.form), from, name_of(source.form));
  const bool acts = !kind.classes() && !kind.values();
  CUTTLE_VALIDATE(acts == (source.form == TaskForm::kEnvironment),
                  "episode.target: {} does not go with {} ({}); use {}", target, from,
                  acts ? "a return is earned by acting" : "what is earned there is a return",
                  acts ? "class or value" : "return");
  CUTTLE_VALIDATE(!source.inputs || kind.targets_are().empty(),
                  "episode.target: {} takes {}, and {} draws any numbers; use value or gaussian",
                  target, kind.targets_are(), from);
  CUTTLE_VALIDATE(acts || !source.inputs || source.gives_classes || kind.values(),
                  "episode.target: {} needs classes, and {} gives values; use value or gaussian",
                  target, from);
}

void check_sources(const RunConfig& config, const Extensions& extensions, const TaskKind& kind,
                   const Demands& demands) {
  const auto chosen = chosen_sources(config);
  for (const ChosenSource& source : chosen)
    check_tasks(config, source,
                find_type(extensions.sources, source.type_key, source.section->type), kind,
                demands);
  CUTTLE_VALIDATE(demands.form != TaskForm::kMinibatch || chosen.size() == 1,
                  "sources: {} learns the classes of one data set (minibatches of several number "
                  "them alike); keep one, or pack the data sets into one",
                  config.adapt.type);
}

std::unique_ptr<const TaskKind> kind_of(const RunConfig& config, const Extensions& extensions) {
  const Section& target = config.episode.target;
  return find_type(extensions.targets, "episode.target", target.type).make({target});
}

Demands demands_of(const RunConfig& config, const Extensions& extensions) {
  return find_type(extensions.learners, "adapt.algorithm", config.adapt.type).demands(config.adapt);
}

}  // namespace

void check_choices(const RunConfig& config, const Extensions& extensions) {
  const std::string& algorithm = config.adapt.type;
  const Demands demands = demands_of(config, extensions);
  ProblemList problems;
  problems.attempt(
      [&] { check_sources(config, extensions, *kind_of(config, extensions), demands); });
  problems.attempt([&] { check_ways(config, extensions); });
  problems.attempt([&] {
    CUTTLE_VALIDATE(
        demands.head || !demands.learns || config.model.head.type == ModelOptions().head.type,
        "model.head: {} has no head, so {} would do nothing; remove the key", algorithm,
        config.model.head.type);
  });
  problems.attempt([&] {
    CUTTLE_VALIDATE(
        config.model.lite == 0 || (!demands.head && demands.form == TaskForm::kEpisode),
        "model.lite: {} embeds no support set (there is nothing to take gradients of a part of); "
        "remove the key",
        algorithm);
  });
  problems.throw_if_any();
}

Assembly assemble(const RunConfig& config, const TaskInputs& inputs, const Extensions& extensions) {
  check_choices(config, extensions);
  Assembly made;
  assemble_parts(config, inputs, extensions, made);
  return made;
}

void assemble_parts(const RunConfig& config, const TaskInputs& inputs, const Extensions& extensions,
                    Assembly& made) {
  const Section& algorithm = config.adapt;
  const Demands demands = demands_of(config, extensions);
  made.kind = kind_of(config, extensions);
  CUTTLE_VALIDATE(made.kind->in_training_units() == !inputs.units.empty(),
                  "episode.units: is {}, and the values at hand are {} (learned numbers would mean "
                  "something else); leave the key as it was in training",
                  made.kind->in_training_units() ? "training" : "own",
                  inputs.units.empty() ? "in their own" : "in those of training");
  const std::int64_t outputs = made.kind->outputs(config.episode.way, inputs.target_width);
  TaskInputs sized = inputs;
  sized.outputs = outputs;
  sized.support = config.episode.way * std::max(config.episode.shot, config.evaluation.shot);
  const auto model =
      std::make_shared<Model>(config.model, inputs.modalities, demands.head ? outputs : 0,
                              demands.inner_steps, extensions.model, torch::Device(config.device));
  made.model = model;
  model->set_units(inputs.units);
  auto& layout = model->declare();
  ProblemList problems;
  problems.attempt([&] {
    CUTTLE_VALIDATE(config.model.lite == 0 || model->trains_apart(),
                    "model.lite: a norm goes by the batch at hand in training (parts of a support "
                    "set would not be what they are in the whole); use norm: support, layer, "
                    "group, instance, task or none");
  });
  auto objectives = std::make_shared<const Objectives>();
  problems.attempt([&] {
    objectives = std::make_shared<const Objectives>(
        make_objectives(config.objectives, extensions.objectives, *model, *made.kind));
  });
  std::shared_ptr<const Learner> learner;
  problems.attempt([&] {
    learner =
        make_learner(extensions.learners, {algorithm, model, made.kind, objectives, layout, sized});
  });
  problems.throw_if_any();
  CUTTLE_VALIDATE(
      !demands.learns || layout.learned_size() > 0,
      "model.encoders: none has a parameter that learns (they have none, or are frozen) "
      "and {} has no head (nothing is left to learn); train one of them or a head, or "
      "evaluate them as they are by adapt.algorithm=floor",
      algorithm.type);
  made.learner = std::move(learner);
}

void check_held_files(const std::map<std::string, std::string>& entries, const std::string& held,
                      const std::string& file) {
  const auto found = entries.find(kHeldFiles);
  const std::string then = found == entries.end() ? std::string() : found->second;
  CUTTLE_VALIDATE(
      then == held,
      "{}: was made with other weights of encoders or pieces of texts ({} then, {} now; its "
      "answers would mean nothing with these); give the files that it had as "
      "model.encoders.SENSE.weights and .pieces",
      file, then.empty() ? "none" : then, held.empty() ? "none" : held);
}

std::int64_t most_classes(const RunConfig& config, const Extensions& extensions) {
  const Section &target = config.episode.target, &algorithm = config.adapt;
  const auto kind = find_type(extensions.targets, "episode.target", target.type).make({target});
  const Demands demands =
      find_type(extensions.learners, "adapt.algorithm", algorithm.type).demands(algorithm);
  if (!kind->classes()) return 0;
  if (demands.most_way > 0) return demands.most_way;
  return demands.head || demands.class_rows ? config.episode.way : 0;
}

void check_ways(const RunConfig& config, const Extensions& extensions) {
  const std::int64_t most = most_classes(config, extensions);
  CUTTLE_VALIDATE(most <= config.episode.way || config.evaluation.way <= most,
                  "evaluation.way: is {}, and {} has room for {} classes; use that or fewer, or "
                  "give it more room",
                  config.evaluation.way, config.adapt.type, most);
  CUTTLE_VALIDATE(
      most == 0 || config.evaluation.way <= most,
      "evaluation.way: is {}, above episode.way, {}, and {} has parameters of its own for each "
      "class of a task (those of the others would never be trained); use {} or less, train with a "
      "larger episode.way, or take a learner that compares samples, such as protonet or r2d2",
      config.evaluation.way, most, config.adapt.type, most);
}

void check_protocol(const RunConfig& config, const RunConfig& usual, const Extensions& extensions) {
  std::set<std::string> used, names;
  const auto add = [&](const std::string& key, const std::string& type) {
    const SourceType& source = find_type(extensions.sources, key, type);
    used.insert(source.protocol.begin(), source.protocol.end());
    names.insert(type);
  };
  if (config.sources.empty()) add("episode.source", config.episode.source.type);
  for (const auto& [name, options] : config.sources)
    add("sources." + name + ".type", options.source.type);
  ProblemList problems;
  const auto refuse_unused = [&](const char* key, bool changed) {
    problems.attempt([&] {
      CUTTLE_VALIDATE(
          !changed || used.count(key) > 0,
          "{}: has no effect with {} (tasks from there do not go by it); remove the key", key,
          fmt::join(names, ", "));
    });
  };
  const EpisodeOptions &is = config.episode, &was = usual.episode;
  refuse_unused("episode.way_min", is.way_min != was.way_min);
  refuse_unused("episode.shot_min", is.shot_min != was.shot_min);
  refuse_unused("episode.uneven", is.uneven != was.uneven);
  refuse_unused("episode.groups", is.groups != was.groups);
  refuse_unused("episode.complete", is.complete != was.complete);
  refuse_unused("augment.tasks", config.augment.tasks != usual.augment.tasks);
  refuse_unused("model.modality_dropout",
                config.model.modality_dropout != usual.model.modality_dropout);
  refuse_unused("model.dropout", config.model.dropout != usual.model.dropout);
  problems.throw_if_any();
}

void warn_of_idle(const RunConfig& config, const Extensions& extensions) {
  const DataOptions &is = config.data, usual;
  const auto warn = [&](const char* key, bool changed) {
    if (changed && is.missing.empty())
      log_warning("data.{}: has no effect without data.missing (no sense is hidden)", key);
  };
  warn("missing_by", is.missing_by != usual.missing_by);
  warn("missing_splits", is.missing_splits != usual.missing_splits);
  warn("missing_seed", is.missing_seed != usual.missing_seed);
  bool even = !config.episode.uneven;
  for (const ChosenSource& source : chosen_sources(config))  // others may make uneven classes
    even = even && find_type(extensions.sources, source.type_key, source.section->type)
                           .protocol.count("episode.uneven") > 0;
  for (const auto& [name, options] : config.objectives)
    if (even &&
        find_type(extensions.objectives, "objectives." + name + ".type", options.objective.type)
            .of_uneven)
      log_warning(
          "objectives.{}: {} is about classes that have fewer samples than others, and all of a "
          "task have as many here (it does nothing); set episode.uneven: true, and "
          "episode.shot_min below episode.shot, or remove it",
          name, options.objective.type);
}

void check_augmentation(const RunConfig& config, const TaskInputs& inputs) {
  const AugmentOptions &is = config.augment, usual;
  if (is.tasks == "none") return;
  bool changed = false, colours = false;
  std::set<std::string> kinds;
  for (const ModalitySpec& spec : inputs.modalities) {
    changed |= changes(is, spec);
    const bool pictures = spec.kind == ModalityKind::kImage || spec.kind == ModalityKind::kVideo;
    kinds.insert(to_string(pictures ? ModalityKind::kImage : spec.kind));
    colours |= pictures && spec.shape[2] == 3;
  }
  const auto warn_unused = [&](const char* kind, const auto& given, const auto& defaults) {
    if (given.strengths() != defaults.strengths() && kinds.count(kind) == 0)
      log_warning("augment.{}: has no effect (no sense in use is {}, only {})", kind, kind,
                  fmt::join(kinds, ", "));
  };
  warn_unused("image", is.image, usual.image);
  warn_unused("audio", is.audio, usual.audio);
  warn_unused("text", is.text, usual.text);
  warn_unused("series", is.series, usual.series);
  warn_unused("vector", is.vector, usual.vector);
  warn_unused("graph", is.graph, usual.graph);
  if (!colours && kinds.count("image") > 0 && is.image.saturation != usual.image.saturation)
    log_warning("augment.image.saturation: has no effect (no images in use have 3 channels)");
  CUTTLE_VALIDATE(changed,
                  "augment.tasks: is {}, but all strengths of {} are 0 (nothing would change); set "
                  "one in augment.{}, or tasks: none",
                  is.tasks, fmt::join(kinds, ", "), *kinds.begin());
}

EpisodeOptions evaluation_episodes(const RunConfig& config) {
  EpisodeOptions options = config.episode;
  options.way_min = options.shot_min = 0;
  options.uneven = false;
  if (config.evaluation.way > 0) options.way = config.evaluation.way;
  if (config.evaluation.shot > 0) options.shot = config.evaluation.shot;
  if (config.evaluation.query > 0) options.query = config.evaluation.query;
  return options;
}

}  // namespace cuttle
