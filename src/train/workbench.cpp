#include "cuttle/train/workbench.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

ModalityKind kind_from(const std::string& word) {
  for (const auto kind : {ModalityKind::kImage, ModalityKind::kText, ModalityKind::kAudio,
                          ModalityKind::kSeries, ModalityKind::kVector})
    if (word == to_string(kind)) return kind;
  throw UserError("unknown modality kind '" + word + "' (written by a newer version?)");
}

}  // namespace

Workbench make_workbench(const RunConfig& config, const std::vector<ModalitySpec>& modalities,
                         std::int64_t target_width, const Extensions& extensions) {
  const LearnerType& type = find_learner(extensions.learners, config.adapt.algorithm);
  const bool values = config.episode.values();
  CUTTLE_VALIDATE(!values || type.head,
                  "adapt.algorithm: {} compares samples with classes (episode.target: value has "
                  "none); choose one with a head, such as maml",
                  config.adapt.algorithm);
  const std::int64_t outputs =
      values ? target_width : std::max(config.episode.way, config.evaluation.way);
  const std::int64_t steps = std::max(config.adapt.inner_steps, config.adapt.eval_inner_steps);
  Workbench bench;
  bench.model =
      std::make_shared<const Model>(config.model, modalities, type.head ? outputs : 0, steps,
                                    extensions.model, torch::Device(config.device));
  CUTTLE_VALIDATE(bench.model->layout()->learned_size() > 0,
                  "model.encoders: all are frozen and {} has no head (nothing is left to learn); "
                  "evaluate the run that they come from, or leave frozen_from of one empty",
                  config.adapt.algorithm);
  bench.learner = make_learner(extensions.learners, bench.model, config.adapt);
  return bench;
}

EpisodeOptions evaluation_episodes(const RunConfig& config) {
  EpisodeOptions options = config.episode;
  options.way_min = options.shot_min = 0;
  if (config.evaluation.way > 0) options.way = config.evaluation.way;
  if (config.evaluation.shot > 0) options.shot = config.evaluation.shot;
  if (config.evaluation.query > 0) options.query = config.evaluation.query;
  return options;
}

std::string modalities_to_json(const std::vector<ModalitySpec>& modalities) {
  auto list = nlohmann::json::array();
  for (const auto& spec : modalities)
    list.push_back({{"name", spec.name},
                    {"kind", to_string(spec.kind)},
                    {"shape", spec.shape},
                    {"sample_rate", spec.sample_rate},
                    {"mean", spec.mean},
                    {"stddev", spec.stddev}});
  return list.dump();
}

std::vector<ModalitySpec> modalities_from_json(const std::string& text) {
  std::vector<ModalitySpec> modalities;
  try {
    for (const auto& entry : nlohmann::json::parse(text)) {
      ModalitySpec spec;
      spec.name = entry.at("name").get<std::string>();
      spec.kind = kind_from(entry.at("kind").get<std::string>());
      spec.shape = entry.at("shape").get<std::vector<std::int64_t>>();
      spec.sample_rate = entry.at("sample_rate").get<double>();
      spec.mean = entry.at("mean").get<std::vector<float>>();
      spec.stddev = entry.at("stddev").get<std::vector<float>>();
      modalities.push_back(std::move(spec));
    }
  } catch (const nlohmann::json::exception& cause) {
    throw UserError(std::string("the saved modalities cannot be read: ") + cause.what());
  }
  return modalities;
}

}  // namespace cuttle
