#pragma once

#include "cuttle/model/encoder.hpp"

namespace cuttle {

/// What an encoder was given of each sample, as a row of numbers [m, W]: pictures as the 8 x 8
/// means of each colour (of videos, of the mean frame), series and bands of sounds as the means of
/// 8 equal stretches, texts as how often each of 128 groups of tokens occurs (of length 1), numbers
/// as they are, and 0 where one is not known. No row depends on another or on padding.
torch::Tensor summary_of(const ModalityInput& input);

/// W, for an encoder of this sense.
std::int64_t summary_width(const Encoder& encoder, const ModalitySpec& spec);

}  // namespace cuttle
