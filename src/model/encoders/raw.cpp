#include <torch/types.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "model/encoders/common.hpp"
#include "model/encoders/raw_features.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct RawOptions {
  std::int64_t side = 32, buckets = 2048, steps = 32;
  bool standardise = false;
  void keys(Keys& keys) {
    keys.add("side", side, between(1, 4096),
             "images, video: pixels on a side, by means over areas");
    keys.add("buckets", buckets, between(2, 1 << 20), "text: buckets that n-grams are counted in");
    keys.add("steps", steps, between(1, 65536), "series: steps that each is interpolated to");
    keys.add("standardise", standardise, anything(),
             "series, vectors, graphs: in units of the shards' mean and stddev, where they declare "
             "these");
  }
};

/// Samples as they are, with nothing learned (raw_features.hpp): what every other encoder must
/// beat. It has no blocks and no parameters.
class RawEncoder final : public Encoder {
 public:
  using Options = RawOptions;
  RawEncoder(const EncoderRequest& request, const Options& options)
      : spec_(request.spec), options_(options) {
    const RawOptions usual;
    const auto only = [&](const char* key, bool changed, bool fits, const char* kinds) {
      CUTTLE_VALIDATE(!changed || fits,
                      "model.encoders.{}.{}: is about {}, and {} is {} (it would do nothing); "
                      "remove the key",
                      spec_.name, key, kinds, spec_.name, to_string(spec_.kind));
    };
    const bool video = spec_.kind == ModalityKind::kVideo;
    const bool image = video || spec_.kind == ModalityKind::kImage,
               text = spec_.kind == ModalityKind::kText,
               series = spec_.kind == ModalityKind::kSeries,
               vector = spec_.kind == ModalityKind::kVector,
               graph = spec_.kind == ModalityKind::kGraph;
    only("side", options.side != usual.side, image, "images and video");
    only("buckets", options.buckets != usual.buckets, text, "text");
    only("steps", options.steps != usual.steps, series, "series");
    only("standardise", options.standardise, series || vector || graph,
         "series, vectors and graphs");
    if (spec_.kind == ModalityKind::kAudio) sound_.emplace(spec_.sample_rate);
    width_ = image ? std::min(spec_.shape[0], options.side) *
                         std::min(spec_.shape[1], options.side) * spec_.shape[2]
             : text   ? options.buckets
             : series ? spec_.shape[0] * options.steps
             : vector ? spec_.shape[0]
             : graph  ? 2 * spec_.shape[0] + kDegrees
                      : 2 * RawSound::kBands;
  }
  ModalityInput prepare(const RawModality& raw) const override {
    ModalityInput input;
    if (spec_.kind == ModalityKind::kImage) {
      input.values = raw_images(raw, spec_, options_.side);
    } else if (spec_.kind == ModalityKind::kVector) {
      input.values = in_units(raw_tensor(raw, torch::kFloat32).view({-1, spec_.shape[0]}));
    } else {
      input = pad_each(raw, [&](const std::uint8_t* bytes, std::int64_t size) {
        return prepare_row(bytes, size);
      });
    }
    return input;
  }
  bool dear_rows() const override { return sound_.has_value(); }
  /// Of what is of any length.
  torch::Tensor prepare_row(const std::uint8_t* bytes, std::int64_t size) const override {
    if (sound_) return (*sound_)(from_bytes(bytes, size / 2, torch::kInt16));
    if (spec_.kind == ModalityKind::kText) return raw_text(bytes, size, options_.buckets);
    if (spec_.kind == ModalityKind::kVideo)
      return raw_images(frames_of(bytes, size, spec_), spec_, options_.side).mean(0);
    if (spec_.kind == ModalityKind::kGraph) {
      const GraphView graph = view_graph(bytes, size, spec_);
      const std::int64_t numbers = graph.nodes * spec_.shape[0];
      return raw_graph(in_units(from_bytes(graph.features, numbers, torch::kFloat32)
                                    .view({graph.nodes, spec_.shape[0]})),
                       graph);
    }
    const auto series = from_bytes(bytes, size / 4, torch::kFloat32).view({-1, spec_.shape[0]});
    return raw_series(in_units(series).contiguous(), options_.steps);
  }

 private:
  torch::Tensor in_units(const torch::Tensor& x) const {
    return options_.standardise ? cuttle::standardise(x, spec_) : x;
  }

  ModalitySpec spec_;
  RawOptions options_;
  std::optional<RawSound> sound_;
};

}  // namespace

EncoderType row_of_raw() {
  return type_of<RawEncoder, EncoderType>("any sense as it is, with nothing learned", "");
}

}  // namespace cuttle
