#pragma once

#include <map>
#include <string>
#include <vector>

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
  std::vector<std::string> fitted = {};  ///< steps of preprocessing, in order: a type and its keys
};

struct ModelOptions {
  Section fusion{"concat"};
  Section completion{"none"};
  Section head{"linear"};
  double modality_dropout =
      0.0;  ///< chance that a present modality of a training sample is hidden (never all of them)
  double dropout = 0.0;   ///< chance that a number of a training sample's embedding is taken away
  std::int64_t lite = 0;  ///< support samples of a task that gradients go through, drawn by its key
                          ///< (LITE; Bronskill et al. 2021); 0: all
  std::map<std::string, EncoderOptions>
      encoders;  ///< by modality name; absent: defaults for its kind
};

}  // namespace cuttle
