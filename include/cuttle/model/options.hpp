#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace cuttle {

/// One modality's encoder. Which fields matter is up to the type.
struct EncoderOptions {
  std::string type;  ///< conv4 | char_conv | mel_conv | series_conv | mlp | resnet12 | transformer;
                     ///< empty: the usual one for the kind
  std::int64_t width = 64;     ///< filters or hidden units per block
  std::int64_t depth = 4;      ///< blocks
  std::string norm = "batch";  ///< batch (statistics of the batch at hand) | batch_per_step (own
                               ///< scale and shift per inner step) | none
  bool fused = true;           ///< own kernels for convolution blocks with a norm, on CPUs; false:
                               ///< LibTorch's operations
  std::int64_t max_length =
      0;  ///< text: characters, audio: milliseconds, series: time steps kept; 0: all
  std::string frozen_from;  ///< run folder or checkpoint whose encoder of this modality is used as
                            ///< it is and never trained; empty: trained
  std::map<std::string, std::string> extra;  ///< for encoders registered by other programs
};

struct ModelOptions {
  std::string fusion = "concat";      ///< concat | gated | late
  std::int64_t embedding = 64;        ///< width that gated fusion projects every modality to
  std::string missing = "embedding";  ///< what stands in for an absent modality in concat: a
                                      ///< learned embedding | zeros
  double modality_dropout =
      0.0;  ///< chance that a present modality of a training sample is hidden (never all of them)
  std::map<std::string, EncoderOptions>
      encoders;  ///< by modality name; absent: defaults for its kind
};

}  // namespace cuttle
