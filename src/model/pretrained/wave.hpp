#pragma once

#include <torch/types.h>

#include <cstdint>

#include "model/pretrained/weights.hpp"

// What encoders of sounds with weights of others share.
namespace cuttle {

/// A recording as float32 from -1 to 1, [samples].
torch::Tensor wave_of(const std::uint8_t* bytes, std::int64_t size);
/// UserError where the shards' sample rate is not preprocessing.rate of the weights.
void expect_rate(const EncoderRequest& request, const Weights& weights);

}  // namespace cuttle
