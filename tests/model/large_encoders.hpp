#pragma once

#include <torch/torch.h>

#include <cmath>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "cuttle/adapt/learner.hpp"

// Models of one larger encoder, and random samples and tasks for them.
namespace cuttle {

inline constexpr std::int64_t kWay = 3, kSide = 16, kChannels = 2, kHop = 128;
inline constexpr double kRate = 8000.0;  // whose frames are kHop apart, the first one twice as long

struct Sense {
  const char* type;
  ModalityKind kind;
  std::int64_t width, depth;
  const char* norm = "batch";
  bool fused = true;
  const char *frame = nullptr, *over_time = nullptr;  ///< the types inside `frames`
};

inline std::ostream& operator<<(std::ostream& out, const Sense& sense) {
  return out << sense.type << "_" << to_string(sense.kind) << "_" << sense.norm
             << (sense.over_time == nullptr ? "" : sense.over_time)
             << (sense.fused ? "" : "_generic");
}

inline ModalitySpec spec_of(ModalityKind kind, std::int64_t side = kSide,
                            std::int64_t channels = 2) {
  if (kind == ModalityKind::kImage || kind == ModalityKind::kVideo)
    return {"x", kind, {side, side, channels}, 0.0, {}, {}};
  if (kind == ModalityKind::kSeries || kind == ModalityKind::kGraph)
    return {"x", kind, {channels}, 0.0, {}, {}};
  if (kind == ModalityKind::kAudio) return {"x", kind, {}, kRate, {}, {}};
  return {"x", kind, {}, 0.0, {}, {}};
}

/// Keys that the type does not have say nothing; encoders inside it have the same.
inline std::shared_ptr<Model> model_of(const Sense& sense, const ModalitySpec& spec,
                                       std::int64_t max_length = 0) {
  const std::map<std::string, std::string> keys{{"width", std::to_string(sense.width)},
                                                {"depth", std::to_string(sense.depth)},
                                                {"norm", sense.norm},
                                                {"fused", sense.fused ? "true" : "false"},
                                                {"max_length", std::to_string(max_length)}};
  Section section(sense.type, keys);
  if (sense.over_time != nullptr) {
    section.values = {{"frame.type", sense.frame}, {"over_time.type", sense.over_time}};
    for (const auto& [key, value] : keys) section.values["over_time." + key] = value;
    for (const char* key : {"width", "depth", "norm", "fused"})
      section.values[std::string("frame.") + key] = keys.at(key);
  }
  ModelOptions options;
  options.encoders["x"] = section;
  return std::make_shared<Model>(options, std::vector<ModalitySpec>{spec}, kWay, 2,
                                 ModelRegistry{});
}

inline std::shared_ptr<Model> model_of(const Sense& sense) {
  return model_of(sense, spec_of(sense.kind));
}

inline std::unique_ptr<const Learner> learner_of(const std::string& algorithm,
                                                 const char* inner_steps,
                                                 const std::shared_ptr<Model>& model) {
  const Section section(algorithm, {{"inner_steps", inner_steps}, {"inner_lr", "0.02"}});
  const Section target("class");
  return make_learner(builtin_learners(),
                      {section, model, builtin_task_kinds().at("class").make({target}),
                       std::make_shared<const Objectives>(), model->declare()});
}

/// Nodes with random features, and an edge between every two of them by chance.
inline std::vector<std::uint8_t> draw_graph(std::int64_t nodes, double chance, Random& random) {
  std::vector<std::uint8_t> bytes;
  const auto add = [&](auto value) {
    const auto* raw = reinterpret_cast<const std::uint8_t*>(&value);
    bytes.insert(bytes.end(), raw, raw + sizeof value);
  };
  const auto count = static_cast<std::int32_t>(nodes);
  add(count);
  for (std::int64_t i = 0; i < nodes * kChannels; ++i) add(static_cast<float>(random.normal()));
  for (std::int32_t a = 0; a < count; ++a)
    for (std::int32_t b = a; b < count; ++b)
      if (random.uniform() < chance) {
        add(a);
        add(b);
      }
  return bytes;
}

/// `length` letters, frames of sound or video, nodes, or steps of float32 values, that have
/// something to do with the label.
inline std::vector<std::uint8_t> draw_sequence(ModalityKind kind, std::int64_t length,
                                               std::int64_t label, Random& random) {
  if (kind == ModalityKind::kGraph)
    return draw_graph(length, 0.2 + 0.2 * static_cast<double>(label), random);
  std::vector<std::uint8_t> bytes;
  for (std::int64_t i = 0; kind == ModalityKind::kText && i < length; ++i)
    bytes.push_back(
        static_cast<std::uint8_t>('a' + 5 * label + static_cast<std::int64_t>(random.below(7))));
  for (std::int64_t i = 0; kind == ModalityKind::kSeries && i < length * kChannels; ++i) {
    const auto value = static_cast<float>(random.normal() + 0.5 * static_cast<double>(label));
    const auto* raw = reinterpret_cast<const std::uint8_t*>(&value);
    bytes.insert(bytes.end(), raw, raw + sizeof value);
  }
  for (std::int64_t i = 0; kind == ModalityKind::kAudio && i < (length + 1) * kHop; ++i) {
    const double tone = std::sin(0.1 * static_cast<double>((label + 1) * i));
    const auto value = static_cast<std::int16_t>(9000.0 * (tone + 0.3 * random.normal()));
    const auto* raw = reinterpret_cast<const std::uint8_t*>(&value);
    bytes.insert(bytes.end(), raw, raw + sizeof value);
  }
  for (std::int64_t i = 0; kind == ModalityKind::kVideo && i < length * kSide * kSide * kChannels;
       ++i)
    bytes.push_back(
        static_cast<std::uint8_t>((i / 9 % kWay == label ? 90 : 20) + random.below(120)));
  return bytes;
}

inline void append(RawModality& modality, const std::vector<std::uint8_t>& bytes) {
  if (modality.offsets.empty()) modality.offsets.push_back(0);
  modality.bytes.insert(modality.bytes.end(), bytes.begin(), bytes.end());
  modality.offsets.push_back(static_cast<std::int64_t>(modality.bytes.size()));
  modality.present.push_back(1);
}

inline Batch sequences(const Model& model, const std::vector<std::vector<std::uint8_t>>& samples) {
  RawBatch raw;
  raw.size = static_cast<std::int64_t>(samples.size());
  raw.modalities.resize(1);
  for (const auto& sample : samples) append(raw.modalities[0], sample);
  return model.prepare(raw, kWay);
}

inline Batch draw_batch(const Model& model, std::int64_t per_class, Random& random) {
  const auto& spec = model.modalities()[0];
  RawBatch raw;
  raw.size = kWay * per_class;
  raw.modalities.resize(1);
  for (std::int64_t i = 0; i < raw.size; ++i) {
    const std::int64_t label = i / per_class;
    raw.labels.push_back(label);
    std::vector<std::uint8_t> bytes;
    for (std::int64_t j = 0; spec.kind == ModalityKind::kImage && j < kSide * kSide * kChannels;
         ++j)
      bytes.push_back(
          static_cast<std::uint8_t>((j / 9 % kWay == label ? 90 : 20) + random.below(120)));
    if (spec.kind != ModalityKind::kImage)
      bytes =
          draw_sequence(spec.kind, 2 + static_cast<std::int64_t>(random.below(6)), label, random);
    append(raw.modalities[0], bytes);
  }
  return model.prepare(raw, kWay);
}

inline Task draw_task(const Model& model, torch::Dtype dtype) {
  Random random({5, Stream::kTesting, 0, 0});
  Task task;
  task.support = draw_batch(model, 2, random).to(dtype);
  task.query = draw_batch(model, 3, random).to(dtype);
  return task;
}

inline torch::Tensor features(const Model& model, const Tensors& parameters, const Batch& batch) {
  return model.encoder(0).forward(parameters, batch.modalities[0], {}).pooled;
}

inline constexpr Sense kResNet{"resnet12", ModalityKind::kImage, 4, 4};
inline constexpr Sense kResNetGeneric{"resnet12", ModalityKind::kImage, 4, 4, "batch", false};
inline constexpr Sense kResNetPerStep{"resnet12", ModalityKind::kImage, 2, 4, "batch_per_step"};
inline constexpr Sense kResNetBare{"resnet12", ModalityKind::kImage, 2, 4, "none"};
inline constexpr Sense kText{"transformer", ModalityKind::kText, 64, 2};
inline constexpr Sense kSeries{"transformer", ModalityKind::kSeries, 16, 2};
inline constexpr Sense kAudio{"transformer", ModalityKind::kAudio, 8, 1};
inline constexpr Sense kPicture{"transformer", ModalityKind::kImage, 8, 2};
inline constexpr Sense kGruText{"gru", ModalityKind::kText, 12, 1};
inline constexpr Sense kGruSeries{"gru", ModalityKind::kSeries, 6, 2};
inline constexpr Sense kGruAudio{"gru", ModalityKind::kAudio, 5, 1};
inline constexpr Sense kVideoGru{"frames", ModalityKind::kVideo, 4, 2, "layer", true, "conv4",
                                 "gru"};
inline constexpr Sense kVideoConv{"frames", ModalityKind::kVideo, 4, 2, "layer", true,
                                  "conv4",  "series_conv"};
inline constexpr Sense kVideoAttention{"frames",      ModalityKind::kVideo, 8, 1, "none", true,
                                       "transformer", "transformer"};
inline constexpr Sense kVideoAverage{"frames", ModalityKind::kVideo, 4, 2, "layer", true, "conv4",
                                     "average"};
inline constexpr Sense kGraph{"graph_conv", ModalityKind::kGraph, 5, 2, "none"};
inline constexpr Sense kGraphByLayer{"graph_conv", ModalityKind::kGraph, 5, 2, "layer"};

}  // namespace cuttle
