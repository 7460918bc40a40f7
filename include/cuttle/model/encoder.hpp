#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "cuttle/data/sample.hpp"
#include "cuttle/episode/episode.hpp"
#include "cuttle/model/batch.hpp"
#include "cuttle/model/block.hpp"
#include "cuttle/model/options.hpp"

namespace cuttle {

/// From one modality's raw bytes to features: `prepare` (decode, normalise, pad; no gradient, no
/// randomness), then a chain of blocks.
class Encoder {
 public:
  virtual ~Encoder() = default;
  /// Tensors for the present samples of `raw`; `rows` is filled by the caller.
  virtual ModalityInput prepare(const RawModality& raw) const = 0;
  /// Whether prepare() is much arithmetic for each sample alone, its rows then padded to one
  /// length: prepare_row gives such a row, which may be kept.
  virtual bool dear_rows() const { return false; }
  virtual torch::Tensor prepare_row(const std::uint8_t* bytes, std::int64_t size) const;
  /// The chain, in order; its output is [m, width()].
  const Blocks& blocks() const { return blocks_; }
  std::int64_t width() const { return width_; }
  /// Whether a sample's features are its own, whatever batch it is in.
  bool samples_apart() const;
  torch::Tensor forward(const Tensors& parameters, const ModalityInput& input,
                        const Context& context) const;

 protected:
  Blocks blocks_;
  std::int64_t width_ = 0;
};

/// What a factory gets to build an encoder for one modality.
struct EncoderRequest {
  const ModalitySpec& spec;
  const EncoderOptions& options;
  ParameterLayout& layout;       ///< declare parameters here, names starting with `prefix`
  std::string prefix;            ///< "encoder.<modality>"
  std::int64_t inner_steps = 0;  ///< most inner steps that will be taken
};

using EncoderFactory = std::function<std::unique_ptr<const Encoder>(const EncoderRequest&)>;

/// conv4, char_conv, mel_conv, series_conv, mlp, resnet12, transformer.
std::map<std::string, EncoderFactory> builtin_encoders();

/// The type used when the config names none: image conv4, text char_conv, audio mel_conv, series
/// series_conv, vector mlp.
std::string default_encoder(ModalityKind kind);

}  // namespace cuttle
