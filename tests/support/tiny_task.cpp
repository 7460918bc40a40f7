#include "support/tiny_task.hpp"

#include <fmt/format.h>
#include <torch/types.h>

namespace cuttle {
namespace {

constexpr std::int64_t kWay = 3, kShot = 2, kSide = 12;

void add_image(RawModality& modality, bool present, std::int64_t label, Random& random) {
  for (std::int64_t i = 0; present && i < kSide * kSide; ++i) {
    const bool bright = i / 7 % kWay == label;
    modality.bytes.push_back(static_cast<std::uint8_t>((bright ? 120 : 20) + random.below(100)));
  }
  modality.offsets.push_back(static_cast<std::int64_t>(modality.bytes.size()));
  modality.present.push_back(present);
}

void add_text(RawModality& modality, bool present, std::int64_t label, Random& random) {
  const std::uint64_t length = present ? 3 + random.below(5) : 0;
  for (std::uint64_t i = 0; i < length; ++i)
    modality.bytes.push_back(
        static_cast<std::uint8_t>('a' + 5 * label + static_cast<std::int64_t>(random.below(6))));
  modality.offsets.push_back(static_cast<std::int64_t>(modality.bytes.size()));
  modality.present.push_back(present);
}

RawBatch tiny_batch(std::int64_t per_class, Random& random) {
  RawBatch raw;
  raw.size = kWay * per_class;
  raw.modalities.resize(2);
  for (auto& modality : raw.modalities) modality.offsets.push_back(0);
  for (std::int64_t i = 0; i < raw.size; ++i) {
    const std::int64_t label = i / per_class;
    raw.labels.push_back(label);
    add_image(raw.modalities[0], i % 4 != 1, label, random);
    add_text(raw.modalities[1], i % 4 != 2, label, random);
  }
  return raw;
}

}  // namespace

std::vector<ModalitySpec> tiny_modalities() {
  ModalitySpec image{"image", ModalityKind::kImage, {kSide, kSide, 1}, 0.0, {0.4f}, {0.3f}};
  ModalitySpec text{"text", ModalityKind::kText, {}, 0.0, {}, {}};
  return {image, text};
}

std::unique_ptr<const Learner> tiny_learner(const TinySettings& settings) {
  return tiny_learner(settings, {});
}

std::unique_ptr<const Learner> tiny_learner(const TinySettings& settings,
                                            const std::map<std::string, std::string>& values) {
  ModelOptions options;
  options.fusion = Section(settings.fusion, {{"embedding", "6"},
                                             {"late_weights", settings.late_weights},
                                             {"adapter", std::to_string(settings.adapter)}});
  options.lite = settings.lite;
  const std::map<std::string, std::string> small{{"width", "4"},
                                                 {"depth", "2"},
                                                 {"norm", settings.norm},
                                                 {"norm_groups", "2"},
                                                 {"fused", settings.fused ? "true" : "false"}};
  options.encoders["image"] = Section("conv4", small);
  options.encoders["text"] = Section("char_conv", small);
  if (settings.frozen_text) options.encoders["text"].frozen_from = "another run";
  Section adapt(settings.algorithm, {{"inner_steps", std::to_string(settings.inner_steps)},
                                     {"inner_lr", fmt::format("{}", settings.inner_lr)},
                                     {"inner_optimizer", settings.inner_optimizer},
                                     {"refine", std::to_string(settings.refine)},
                                     {"keep", settings.keep},
                                     {"part_loss", fmt::format("{}", settings.part_loss)}});
  for (const auto& [key, value] : values) adapt.values[key] = value;
  const auto learners = builtin_learners();
  const Demands demands = find_type(learners, "adapt.algorithm", settings.algorithm).demands(adapt);
  const auto model =
      std::make_shared<Model>(options, tiny_modalities(), demands.head ? kWay : 0,
                              demands.inner_steps, ModelRegistry{}, torch::Device(settings.device));
  const Section target("class");
  std::shared_ptr<const TaskKind> kind = builtin_task_kinds().at("class").make({target});
  const auto objectives = std::make_shared<const Objectives>(
      make_objectives(settings.objectives, builtin_objectives(), *model, *kind));
  TaskInputs inputs{tiny_modalities(), 0, 6};
  inputs.outputs = kWay;
  inputs.support = kWay * kShot;
  return make_learner(learners, {adapt, model, kind, objectives, model->declare(), inputs});
}

Task tiny_task(const Model& model, std::uint32_t slot, torch::Dtype dtype) {
  Random random({7, Stream::kTesting, 0, slot});
  Task task;
  task.key = {7, Stream::kTesting, 0, slot};
  task.support = model.prepare(tiny_batch(kShot, random), kWay).to(dtype);
  task.query = model.prepare(tiny_batch(3, random), kWay).to(dtype);
  return task;
}

}  // namespace cuttle
