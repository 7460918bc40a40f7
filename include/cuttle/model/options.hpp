#pragma once

#include <map>
#include <string>

#include "cuttle/config/section.hpp"

namespace cuttle {

/// One modality's encoder.
struct EncoderOptions {
  EncoderOptions() = default;
  EncoderOptions(Section encoder, std::string from = {})
      : network(std::move(encoder)), frozen_from(std::move(from)) {}

  Section network{"auto"};
  std::string frozen_from;  ///< run folder or checkpoint whose encoder of this modality is used as
                            ///< it is and never trained; empty: trained
};

struct ModelOptions {
  Section fusion{"concat"};
  Section head{"linear"};
  double modality_dropout =
      0.0;  ///< chance that a present modality of a training sample is hidden (never all of them)
  std::map<std::string, EncoderOptions>
      encoders;  ///< by modality name; absent: defaults for its kind
};

}  // namespace cuttle
