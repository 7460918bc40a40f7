#include "model/encoders/common.hpp"

#include <algorithm>
#include <vector>

#include <fmt/ranges.h>
#include <torch/types.h>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/model/model.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kMels = 40;

}  // namespace

void expect_kind(const EncoderRequest& request, std::initializer_list<ModalityKind> kinds) {
  std::vector<std::string> names;
  for (const ModalityKind kind : kinds) names.emplace_back(to_string(kind));
  CUTTLE_VALIDATE(
      std::find(kinds.begin(), kinds.end(), request.spec.kind) != kinds.end(),
      "model.encoders.{}.type: {} needs a modality of kind {}, but {} is {}; choose another type",
      request.spec.name, request.section.type, fmt::join(names, " or "), request.spec.name,
      to_string(request.spec.kind));
}

void tell_norm(Keys& keys, Section& norm, bool& fused) {
  keys.choose("norm", norm, "norm", "after each convolution");
  keys.add("fused", fused, anything(),
           "own kernels for convolution blocks with a norm, on CPUs; false: LibTorch's operations");
}

void tell_max_length(Keys& keys, std::int64_t& max_length) {
  keys.add("max_length", max_length, at_least(0),
           "text: characters (or pieces), audio: milliseconds, series: time steps kept; 0: all");
}

void tell_hears(Keys& keys, std::string& hears) {
  keys.add(
      "hears", hears, one_of({"mels", "mfcc"}),
      "audio. mels: 40 log-mel bands a frame, mfcc: 13 cepstral coefficients, their changes and "
      "the changes of these");
}

void tell_pieces(Keys& keys, std::string& pieces) {
  keys.add(kPiecesKey, pieces, anything(),
           "text: file of pieces that it is read by: cuttle-data pieces SHARDS --out FILE, or a "
           "byte-pair tokenizer.json; empty: characters",
           Resume::kChange);  // its content may not (check_held_files)
}

void tell_irregular(Keys& keys, bool& irregular) {
  keys.add("irregular", irregular, anything(),
           "series: of each channel the value that was last seen, whether it was seen at this "
           "step, and how long ago it had been; holes (NaN) need no filling then");
}

NormOptions norm_of(const EncoderRequest& request, const Section& norm, bool fused) {
  return {norm, request.registry.norms, request.inner_steps, fused};
}

void BlockOptions::keys(Keys& keys) {
  keys.add("width", width, between(1, 65536), "filters or hidden units per block");
  keys.add("depth", depth, between(1, 64), "blocks");
}

void NormedOptions::keys(Keys& keys) {
  BlockOptions::keys(keys);
  tell_norm(keys, norm, fused);
}

void SequenceOptions::keys(Keys& keys) {
  NormedOptions::keys(keys);
  tell_max_length(keys, max_length);
}

std::string block_name(const EncoderRequest& request, std::int64_t i) {
  return request.prefix + "." + std::to_string(i);
}

torch::Tensor running_mean(const torch::Tensor& values, const torch::Tensor& mask) {
  const auto real = mask.unsqueeze(1);
  return (values * real).cumsum(2).select(2, -1) / real.sum(2).clamp_min(1.0);
}

SequenceReader::SequenceReader(const EncoderRequest& request,
                               std::initializer_list<ModalityKind> kinds, std::int64_t max_length,
                               const std::string& hears, const std::string& pieces, bool irregular)
    : spec_(request.spec), max_length_(max_length), mfcc_(hears == "mfcc"), irregular_(irregular) {
  expect_kind(request, kinds);
  CUTTLE_VALIDATE(!mfcc_ || spec_.kind == ModalityKind::kAudio,
                  "model.encoders.{}.hears: is about audio, and {} is {} (it would do nothing); "
                  "remove it",
                  spec_.name, spec_.name, to_string(spec_.kind));
  CUTTLE_VALIDATE(!irregular_ || spec_.kind == ModalityKind::kSeries,
                  "model.encoders.{}.irregular: is about series, and {} is {} (it would do "
                  "nothing); remove it",
                  spec_.name, spec_.name, to_string(spec_.kind));
  CUTTLE_VALIDATE(pieces.empty() || spec_.kind == ModalityKind::kText,
                  "model.encoders.{}.pieces: is about texts, and {} is {} (it would do nothing); "
                  "remove it",
                  spec_.name, spec_.name, to_string(spec_.kind));
  if (!pieces.empty()) {
    pieces_ = TextPieces::open(expand_variables(pieces), spec_.name);
    held_ = pieces_->sha256();
  }
  if (spec_.kind != ModalityKind::kAudio) return;
  mel_.emplace(spec_.sample_rate, kMels, spec_.centred);
  max_length_ =
      static_cast<std::int64_t>(static_cast<double>(max_length) * spec_.sample_rate / 1e3);
}

std::int64_t SequenceReader::channels() const {
  return mfcc_                                 ? kMfccChannels
         : mel_                                ? kMels
         : irregular_                          ? 3 * spec_.shape[0]
         : spec_.kind == ModalityKind::kSeries ? spec_.shape[0]
                                               : 0;
}

std::optional<std::int64_t> SequenceReader::steps() const {
  return spec_.kind == ModalityKind::kSeries ? std::optional(max_length_) : std::nullopt;
}

ModalityInput SequenceReader::prepare(const RawModality& raw) const {
  if (pieces_)
    return pad_each(raw, [&](const std::uint8_t* bytes, std::int64_t size) {
      return torch::tensor(pieces_->read(
          {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)}, max_length_));
    });
  if (spec_.kind == ModalityKind::kText) return text_input(raw, max_length_);
  if (irregular_) return irregular_input(raw, spec_, max_length_);
  if (spec_.kind == ModalityKind::kSeries) return series_input(raw, spec_, max_length_);
  return pad_each(
      raw, [&](const std::uint8_t* bytes, std::int64_t size) { return prepare_row(bytes, size); });
}

torch::Tensor SequenceReader::prepare_row(const std::uint8_t* bytes, std::int64_t size) const {
  CUTTLE_EXPECT(mel_);
  const std::int64_t samples = max_length_ > 0 ? std::min(size / 2, max_length_) : size / 2;
  const auto bands = mel_->forward(from_bytes(bytes, samples, torch::kInt16));
  return mfcc_ ? mfcc(bands) : bands;
}

void SequenceEncoder::add_sequence_blocks(const EncoderRequest& request,
                                          const SequenceOptions& options, std::int64_t in) {
  const auto norm = norm_of(request, options.norm, options.fused);
  for (std::int64_t i = 0; i < options.depth; ++i) {
    const bool pool = i + 1 < options.depth;
    blocks_.push_back(
        make_sequence_block(request.layout, block_name(request, i), in, options.width, norm, pool));
    in = options.width;
  }
  tokens_end_here(options.width);
  blocks_.push_back(make_sequence_pool_block());
  width_ = 2 * options.width;
}

}  // namespace cuttle
