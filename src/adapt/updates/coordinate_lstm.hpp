#pragma once

#include <torch/types.h>

#include <utility>

namespace cuttle {

/// One step of an LSTM that coordinates share, each with a memory of its own: h' and c' [hidden, n]
/// from x [inputs, n], h and c; weights as torch::lstm has them, [4 hidden, inputs], [4 hidden,
/// hidden] and [4 hidden]. On the CPU by own kernels (cuttle/kernels/lstm.hpp), which keep no gates
/// for the way back; that can be gone once only.
std::pair<torch::Tensor, torch::Tensor> coordinate_lstm(
    const torch::Tensor& x, const torch::Tensor& h, const torch::Tensor& c,
    const torch::Tensor& from_x, const torch::Tensor& from_hidden, const torch::Tensor& bias);

}  // namespace cuttle
