#include <torch/torch.h>

#include <algorithm>

#include <fmt/ranges.h>

#include "cuttle/core/error.hpp"
#include "model/encoder_types.hpp"
#include "model/log_mel.hpp"
#include "model/raw.hpp"

namespace cuttle {
namespace {

std::string block_name(const EncoderRequest& request, std::int64_t i) {
  return request.prefix + "." + std::to_string(i);
}

/// Blocks over time, pooled by two while the sequence is long, ending in mean and maximum over
/// time.
std::int64_t add_sequence_blocks(const EncoderRequest& request, Blocks& blocks, std::int64_t in) {
  for (std::int64_t i = 0; i < request.options.depth; ++i) {
    const bool pool = i + 1 < request.options.depth;
    blocks.push_back(make_sequence_block(request.layout, block_name(request, i), in,
                                         request.options.width, norm_of(request), pool));
    in = request.options.width;
  }
  blocks.push_back(make_sequence_pool_block());
  return 2 * request.options.width;
}

/// Image [m, C, H, W], channels-last in memory, standardised; blocks of 3x3 conv, norm, ReLU, pool
/// (Vinyals et al. 2016).
class ConvEncoder final : public Encoder {
 public:
  explicit ConvEncoder(const EncoderRequest& request) : spec_(request.spec) {
    expect_kind(request, {ModalityKind::kImage});
    std::int64_t height = spec_.shape[0], width = spec_.shape[1], in = spec_.shape[2];
    for (std::int64_t i = 0; i < request.options.depth; ++i) {
      CUTTLE_VALIDATE(
          height >= 2 && width >= 2,
          "model.encoders.{}.depth: {} blocks halve a {}x{} image to nothing; use at most {}",
          spec_.name, request.options.depth, spec_.shape[0], spec_.shape[1], i);
      blocks_.push_back(make_conv_block(request.layout, block_name(request, i), in,
                                        request.options.width, norm_of(request)));
      in = request.options.width;
      height /= 2;
      width /= 2;
    }
    blocks_.push_back(make_flatten_block());
    width_ = in * height * width;
  }
  ModalityInput prepare(const RawModality& raw) const override { return image_input(raw, spec_); }

 private:
  ModalitySpec spec_;
};

/// UTF-8 characters: code points hashed to a table, convolutions over time.
class CharEncoder final : public Encoder {
 public:
  explicit CharEncoder(const EncoderRequest& request) : max_length_(request.options.max_length) {
    expect_kind(request, {ModalityKind::kText});
    blocks_.push_back(make_token_block(request.layout, request.prefix + ".table", kTextTokens,
                                       request.options.width));
    width_ = add_sequence_blocks(request, blocks_, request.options.width);
  }
  ModalityInput prepare(const RawModality& raw) const override {
    return text_input(raw, max_length_);
  }

 private:
  std::int64_t max_length_;
};

/// Log-mel frames, convolutions over time with the filters as channels.
class MelEncoder final : public Encoder {
 public:
  explicit MelEncoder(const EncoderRequest& request)
      : mel_(request.spec.sample_rate, kMels),
        max_samples_(static_cast<std::int64_t>(static_cast<double>(request.options.max_length) *
                                               request.spec.sample_rate / 1000.0)) {
    expect_kind(request, {ModalityKind::kAudio});
    width_ = add_sequence_blocks(request, blocks_, kMels);
  }
  ModalityInput prepare(const RawModality& raw) const override {
    std::vector<torch::Tensor> rows;
    for_each_present(raw, [&](const std::uint8_t* bytes, std::int64_t size) {
      rows.push_back(prepare_row(bytes, size));
    });
    return pad_rows(rows);
  }
  bool dear_rows() const override { return true; }
  torch::Tensor prepare_row(const std::uint8_t* bytes, std::int64_t size) const override {
    std::int64_t samples = size / 2;
    if (max_samples_ > 0) samples = std::min(samples, max_samples_);
    return mel_.forward(from_bytes(bytes, samples, torch::kInt16));
  }

 private:
  static constexpr std::int64_t kMels = 40;
  LogMel mel_;
  std::int64_t max_samples_;
};

/// Time series [steps, channels], standardised; convolutions over time.
class SeriesEncoder final : public Encoder {
 public:
  explicit SeriesEncoder(const EncoderRequest& request)
      : spec_(request.spec), max_length_(request.options.max_length) {
    expect_kind(request, {ModalityKind::kSeries});
    width_ = add_sequence_blocks(request, blocks_, spec_.shape[0]);
  }
  ModalityInput prepare(const RawModality& raw) const override {
    return series_input(raw, spec_, max_length_);
  }

 private:
  ModalitySpec spec_;
  std::int64_t max_length_;
};

/// A vector of features, standardised; linear layers with ReLU.
class MlpEncoder final : public Encoder {
 public:
  explicit MlpEncoder(const EncoderRequest& request) : spec_(request.spec) {
    expect_kind(request, {ModalityKind::kVector});
    width_ = spec_.shape[0];
    for (std::int64_t i = 0; i < request.options.depth; ++i) {
      blocks_.push_back(make_linear_block(request.layout, block_name(request, i), width_,
                                          request.options.width, true));
      width_ = request.options.width;
    }
  }
  ModalityInput prepare(const RawModality& raw) const override {
    ModalityInput input;
    input.values = standardise(raw_tensor(raw, torch::kFloat32).view({-1, spec_.shape[0]}), spec_);
    return input;
  }

 private:
  ModalitySpec spec_;
};

template <class Type>
EncoderFactory factory() {
  return [](const EncoderRequest& request) { return std::make_unique<const Type>(request); };
}

}  // namespace

void expect_kind(const EncoderRequest& request, std::initializer_list<ModalityKind> kinds) {
  std::vector<std::string> names;
  for (const ModalityKind kind : kinds) names.emplace_back(to_string(kind));
  CUTTLE_VALIDATE(
      std::find(kinds.begin(), kinds.end(), request.spec.kind) != kinds.end(),
      "model.encoders.{}.type: {} needs a modality of kind {}, but {} is {}; choose another type",
      request.spec.name, request.options.type, fmt::join(names, " or "), request.spec.name,
      to_string(request.spec.kind));
}

NormOptions norm_of(const EncoderRequest& request) {
  return {request.options.norm, request.inner_steps, request.options.fused};
}

torch::Tensor Encoder::forward(const Tensors& parameters, const ModalityInput& input,
                               const Context& context) const {
  Signal signal{input.values, input.mask};
  for (const auto& block : blocks_) signal = block->forward(parameters, signal, context);
  return signal.values;
}

torch::Tensor Encoder::prepare_row(const std::uint8_t*, std::int64_t) const {
  throw Error("this encoder has no rows that are dear to make");
}

bool Encoder::samples_apart() const {
  return std::all_of(blocks_.begin(), blocks_.end(),
                     [](const auto& block) { return block->samples_apart(); });
}

std::map<std::string, EncoderFactory> builtin_encoders() {
  return {{"conv4", factory<ConvEncoder>()},   {"char_conv", factory<CharEncoder>()},
          {"mel_conv", factory<MelEncoder>()}, {"series_conv", factory<SeriesEncoder>()},
          {"mlp", factory<MlpEncoder>()},      {"resnet12", make_resnet12},
          {"transformer", make_transformer}};
}

std::string default_encoder(ModalityKind kind) {
  switch (kind) {
    case ModalityKind::kImage:
      return "conv4";
    case ModalityKind::kText:
      return "char_conv";
    case ModalityKind::kAudio:
      return "mel_conv";
    case ModalityKind::kSeries:
      return "series_conv";
    case ModalityKind::kVector:
      break;
  }
  return "mlp";
}

}  // namespace cuttle
