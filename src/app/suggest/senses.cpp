#include "app/suggest/senses.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

constexpr std::size_t kLooked = 200;          // samples whose length is looked at
constexpr std::int64_t kLargeImage = 64;      // pixels, and
constexpr std::int64_t kManyImages = 20'000;  // pictures from which the large encoder may pay
constexpr std::int64_t kDetailedImage = 32;

/// In characters, milliseconds, steps, pictures or nodes.
double length_of(const ModalitySpec& spec, const std::vector<std::uint8_t>& raw) {
  const auto bytes = static_cast<double>(raw.size());
  if (spec.kind == ModalityKind::kText)
    return static_cast<double>(std::count_if(
        raw.begin(), raw.end(), [](std::uint8_t byte) { return (byte & 0xC0u) != 0x80u; }));
  if (spec.kind == ModalityKind::kAudio) return 1000 * bytes / 2 / spec.sample_rate;
  if (spec.kind == ModalityKind::kGraph)
    return static_cast<double>(
        view_graph(raw.data(), static_cast<std::int64_t>(raw.size()), spec).nodes);
  auto step = static_cast<double>(spec.element_bytes());
  for (const std::int64_t size : spec.shape) step *= static_cast<double>(size);
  return bytes / step;
}

/// The share of a sample's numbers that are holes.
double holes_of(const std::vector<std::uint8_t>& raw) {
  double holes = 0;
  for (std::size_t at = 0; at + sizeof(float) <= raw.size(); at += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, raw.data() + at, sizeof value);
    holes += std::isnan(value) ? 1 : 0;
  }
  return holes * sizeof(float) / static_cast<double>(std::max<std::size_t>(1, raw.size()));
}

bool has_length(ModalityKind kind) {
  return kind != ModalityKind::kImage && kind != ModalityKind::kVector;
}

const char* unit_of(ModalityKind kind) {
  return kind == ModalityKind::kText    ? "characters"
         : kind == ModalityKind::kAudio ? "ms"
         : kind == ModalityKind::kVideo ? "pictures"
         : kind == ModalityKind::kGraph ? "nodes"
                                        : "steps";
}

std::string describe(const SenseFacts& sense) {
  const ModalitySpec& spec = sense.spec;
  std::string line = fmt::format("{}: {}", spec.name, to_string(spec.kind));
  if (!spec.shape.empty()) line += fmt::format(" {}", fmt::join(spec.shape, " x "));
  if (spec.sample_rate > 0) line += fmt::format(" at {} Hz", spec.sample_rate);
  if (sense.longest > 0)
    line += fmt::format(", {:.0f} {} (19 of 20 samples at most; longest seen {:.0f})",
                        sense.common_length, unit_of(spec.kind), sense.longest);
  if (spec.holes) line += fmt::format(", {:.3g} % holes", 100 * sense.holes);
  const double missing = 100.0 * static_cast<double>(sense.samples - sense.present) /
                         static_cast<double>(std::max<std::int64_t>(1, sense.samples));
  return line + (sense.present == sense.samples ? std::string(", never missing")
                                                : fmt::format(", missing in {:.3g} %", missing));
}

/// What stands for a rare long sample; empty where none is much longer than the others.
std::string cut(const SenseFacts& sense) {
  if (sense.longest <= 2 * sense.common_length) return "";
  return fmt::format(", max_length: {:.0f}", std::ceil(sense.common_length));
}

EncoderChoice image_encoder(const SenseFacts& sense, const std::string& norm) {
  const std::int64_t side = std::min(sense.spec.shape.at(0), sense.spec.shape.at(1));
  if (side >= kLargeImage && sense.present >= kManyImages)
    return {fmt::format("{{type: resnet12, width: 32, {}}}", norm),
            fmt::format("{} pictures of {} pixels and more are enough for a deep network",
                        sense.present, side),
            true};
  const std::int64_t depth = std::clamp<std::int64_t>(
      static_cast<std::int64_t>(std::log2(static_cast<double>(side))), 1, 4);
  const bool detailed = side > kDetailedImage || sense.present >= kManyImages;
  return {fmt::format("{{type: conv4, width: {}, depth: {}, {}}}", detailed ? 64 : 32, depth, norm),
          fmt::format("{} pictures of {} pixels; each block halves them", sense.present, side),
          true};
}

}  // namespace

std::vector<SenseFacts> sense_facts(const Dataset& data) {
  std::vector<SenseFacts> all;
  const auto& samples = data.samples();
  for (std::size_t m = 0; m < data.modalities().size(); ++m) {
    SenseFacts sense;
    sense.spec = data.modalities()[m];
    std::vector<std::int64_t> with;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      if (samples[i].split != Split::kTrain || samples[i].class_id < 0) continue;
      ++sense.samples;
      if (samples[i].present >> m & 1u) with.push_back(static_cast<std::int64_t>(i));
    }
    sense.present = static_cast<std::int64_t>(with.size());
    std::vector<double> lengths;
    const std::size_t every = with.size() / kLooked + 1;
    const bool measured = has_length(sense.spec.kind) || sense.spec.holes;
    for (std::size_t i = 0; i < with.size() && measured; i += every) {
      std::vector<std::uint8_t> raw;
      data.read(with[i], m, raw);
      if (has_length(sense.spec.kind)) lengths.push_back(length_of(sense.spec, raw));
      if (sense.spec.holes)
        sense.holes += holes_of(raw) / static_cast<double>((with.size() + every - 1) / every);
    }
    if (!lengths.empty()) {
      std::sort(lengths.begin(), lengths.end());
      sense.common_length = lengths[(lengths.size() - 1) * 19 / 20];
      sense.longest = lengths.back();
    }
    sense.line = describe(sense);
    all.push_back(std::move(sense));
  }
  return all;
}

EncoderChoice choose_encoder(const SenseFacts& sense, const std::string& norm) {
  const std::string limit = cut(sense);
  const std::string reason =
      limit.empty() ? "" : "; max_length cuts the few that are much longer than the others";
  switch (sense.spec.kind) {
    case ModalityKind::kImage:
      return image_encoder(sense, norm);
    case ModalityKind::kText:
      return {fmt::format("{{type: char_conv, width: 64, depth: 2, {}{}}}", norm, limit),
              "characters; type: transformer costs more and wants many texts" + reason, true};
    case ModalityKind::kAudio:
      return {fmt::format("{{type: mel_conv, width: 64, depth: 3, {}{}}}", norm, limit),
              "log-mel frames" + reason, true};
    case ModalityKind::kSeries:
      return {fmt::format("{{type: series_conv, width: 64, depth: 2, {}{}{}}}", norm, limit,
                          sense.spec.holes || sense.spec.clock() >= 0 ? ", irregular: true" : ""),
              (sense.spec.holes ? "steps in time, with holes" : "steps in time") + reason, true};
    case ModalityKind::kVideo: {
      const EncoderChoice frame = image_encoder(sense, norm);
      return {fmt::format("{{type: frames, frame: {}, over_time: {{type: gru, width: 64{}}}}}",
                          frame.keys, limit),
              "each frame as a picture, then frames in their order" + reason, true};
    }
    case ModalityKind::kGraph:
      return {fmt::format("{{type: graph_conv, width: 64, depth: 2, {}}}", norm),
              "each node with those around it, two edges far", true};
    case ModalityKind::kVector:
      if (sense.spec.holes)
        return {"{type: columns, width: 64, depth: 2}", sense.spec.categories.empty()
                                                            ? "numbers, some of them holes"
                                                            : "numbers, categories and holes"};
      return {fmt::format("{{type: mlp, width: {}, depth: 2}}",
                          sense.spec.shape.at(0) > 256 ? 128 : 64),
              fmt::format("{} numbers", sense.spec.shape.at(0))};
  }
  CUTTLE_EXPECT(false);
  return {};
}

}  // namespace cuttle
