#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "cuttle/kernels/held_conv.hpp"
#include "cuttle/model/block.hpp"
#include "model/pretrained/weights.hpp"

namespace cuttle {

struct ConvShape {
  enum class Padding {
    kCentred,  ///< half a kernel at each side
    kSame      ///< TensorFlow's: what an output of ceil(n / stride) needs, the odd one at the end
  };
  enum class Gate { kNone, kRelu, kRelu6 };

  std::int64_t in, out, kernel = 1, stride = 1;
  Padding padding = Padding::kCentred;
  Gate gate = Gate::kNone;
  bool by_channel = false;  ///< each channel by itself
};

/// Convolution, norm by the running statistics of the weights' own training (which stay), ReLU.
/// Where nothing learns, the norm is part of the convolution, which runs on own kernels.
class FixedNormConv {
 public:
  FixedNormConv(Weights& weights, const std::string& conv, const std::string& norm,
                const ConvShape& shape, double eps, bool learns);
  torch::Tensor forward(const Tensors& p, torch::Tensor x) const;
  bool on_kernels() const { return packed_ != nullptr; }

 private:
  void pack();
  ConvShape shape_;
  Given weight_;
  GivenAffine norm_;
  torch::Tensor mean_, over_deviation_, folded_bias_;
  std::shared_ptr<const kernels::HeldConv> packed_;  ///< null: LibTorch's operations
};

/// [m, C, H, W] -> [m, C].
std::unique_ptr<const Block> make_mean_over_places();

}  // namespace cuttle
