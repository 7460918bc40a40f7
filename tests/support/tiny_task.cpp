#include "support/tiny_task.hpp"

#include <torch/torch.h>

namespace cuttle {
namespace {

constexpr std::int64_t kWay = 3, kSide = 12;

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
  ModelOptions options;
  options.fusion = settings.fusion;
  options.embedding = 6;
  options.encoders["image"] = {"conv4", 4, 2, settings.norm, settings.fused, 0, {}, {}};
  options.encoders["text"] = {"char_conv", 4, 2, settings.norm, settings.fused, 0, {}, {}};
  if (settings.frozen_text) options.encoders["text"].frozen_from = "another run";
  AdaptOptions adapt;
  adapt.algorithm = settings.algorithm;
  adapt.inner_steps = settings.inner_steps;
  adapt.inner_lr = settings.inner_lr;
  adapt.inner_optimizer = settings.inner_optimizer;
  adapt.refine = settings.refine;
  adapt.keep = settings.keep;
  adapt.part_loss = settings.part_loss;
  const auto learners = builtin_learners();
  const std::int64_t way = find_learner(learners, settings.algorithm).head ? kWay : 0;
  auto model = std::make_shared<const Model>(options, tiny_modalities(), way, settings.inner_steps,
                                             ModelRegistry{}, torch::Device(settings.device));
  return make_learner(learners, std::move(model), adapt);
}

Task tiny_task(const Model& model, std::uint32_t slot, torch::Dtype dtype) {
  Random random({7, Stream::kTesting, 0, slot});
  Task task;
  task.key = {7, Stream::kTesting, 0, slot};
  task.support = model.prepare(tiny_batch(2, random), kWay).to(dtype);
  task.query = model.prepare(tiny_batch(3, random), kWay).to(dtype);
  return task;
}

}  // namespace cuttle
