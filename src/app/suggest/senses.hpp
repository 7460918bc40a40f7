#pragma once

#include <string>
#include <vector>

#include "cuttle/data/dataset.hpp"

namespace cuttle {

/// What a data set says of one of its senses.
struct SenseFacts {
  ModalitySpec spec;
  std::int64_t present = 0, samples = 0;  ///< in the split train
  std::string line;                       ///< all of it, for people
  double common_length = 0, longest = 0;  ///< of a few training samples, in the encoder's units:
                                          ///< characters, ms, steps; 0: no length
  double holes = 0;                       ///< share of the numbers of these that are holes
};

/// Of every sense, in the data set's order; reads some samples.
std::vector<SenseFacts> sense_facts(const Dataset& data);

/// The encoder for a sense: keys in one line of YAML, and why.
struct EncoderChoice {
  std::string keys, reason;
  bool norm = false;  ///< it has one
};
/// `norm`: the key of encoders that have one, say "norm: layer".
EncoderChoice choose_encoder(const SenseFacts& sense, const std::string& norm);

}  // namespace cuttle
