#include "cuttle/model/encoder.hpp"

#include <torch/types.h>

#include <algorithm>

#include "cuttle/core/error.hpp"
#include "cuttle/model/linear_stack.hpp"

namespace cuttle {

Feature Encoder::forward(const Tensors& parameters, const ModalityInput& input,
                         const Context& context, bool tokens) const {
  Feature feature;
  Signal signal{input.values, input.mask};
  const bool as_one = stacked();
  if (as_one) signal.values = linear_stack(stack_, parameters, input.values);
  for (std::size_t i = 0; !as_one; ++i) {
    if (tokens && token_width_ > 0 && i == token_blocks_) {
      feature.tokens = as_tokens(signal.values);
      feature.mask = signal.mask;
    }
    if (i == blocks_.size()) break;
    signal = blocks_[i]->forward(parameters, signal, context);
  }
  feature.pooled = signal.values;
  if (tokens && !feature.tokens.defined()) feature.tokens = feature.pooled.unsqueeze(1);
  return feature;
}

bool Encoder::stacked() const {
  return may_be_packed(stack_);
}

torch::Tensor Encoder::as_tokens(const torch::Tensor& values) const {
  return values.flatten(2).transpose(1, 2);
}

torch::Tensor Encoder::prepare_row(const std::uint8_t*, std::int64_t) const {
  throw Error("this encoder has no rows that are dear to make");
}

bool Encoder::samples_apart() const {
  return std::all_of(blocks_.begin(), blocks_.end(),
                     [](const auto& block) { return block->samples_apart(); });
}

}  // namespace cuttle
