#include "model/blocks/embedding.hpp"

#include <torch/types.h>

#include <cmath>

#include "model/blocks/attention.hpp"
#include "model/places.hpp"

namespace cuttle {
namespace {

/// x [m, T, W] plus the sinusoids of Vaswani et al. 2017: sines in even columns, cosines in odd
/// ones, wavelengths from 2 pi to 20,000 pi. They need no longest length and no training.
torch::Tensor add_positions(const torch::Tensor& x) {
  const std::int64_t steps = x.size(1), pairs = x.size(2) / 2;
  const auto step = torch::arange(steps, torch::kFloat64).unsqueeze(1);
  const auto rate = torch::exp(torch::arange(pairs, torch::kFloat64) *
                               (-std::log(1e4) / static_cast<double>(pairs)));
  const auto angle = step * rate;
  return x + torch::stack({angle.sin(), angle.cos()}, 2).view({steps, 2 * pairs}).to(x);
}

/// Tokens [m, T] to rows of a table, with positions: [m, T, W].
class TokenEmbedding final : public Block {
 public:
  TokenEmbedding(ParameterLayout& layout, const std::string& name, std::int64_t tokens,
                 std::int64_t width)
      : table_(layout.add({name + ".weight", {tokens, width}, Init::kNormal})) {}
  std::string kind() const override { return "token_embedding"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    return {add_positions(look_up(at(p, table_), input.values)), input.mask};
  }

 private:
  std::int64_t table_;
};

/// Steps [m, C, T] through a linear layer, with positions: [m, T, W].
class StepEmbedding final : public Block {
 public:
  StepEmbedding(ParameterLayout& layout, const std::string& name, std::int64_t channels,
                std::int64_t width)
      : linear_(layout, name, {width, channels}) {}
  std::string kind() const override { return "step_embedding"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    return {add_positions(affine(p, linear_, input.values.transpose(1, 2))), input.mask};
  }

 private:
  Affine linear_;
};

/// The same of several steps at a time.
class StepsEmbedding final : public Block {
 public:
  StepsEmbedding(ParameterLayout& layout, const std::string& name, std::int64_t channels,
                 std::int64_t width, std::int64_t together)
      : together_(together), linear_(layout, name, {width, channels, together}) {}
  std::string kind() const override { return "steps_embedding"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    const std::int64_t steps = input.values.size(2);
    const std::int64_t more = (together_ - steps % together_) % together_;
    const auto x = torch::constant_pad_nd(input.values, {0, more});
    // Real if any of its steps is.
    const auto mask = torch::constant_pad_nd(input.mask, {0, more})
                          .view({input.mask.size(0), -1, together_})
                          .amax(2);
    return {add_positions(pieces_of(x, at(p, linear_.weight), at(p, linear_.bias))), mask};
  }

 private:
  std::int64_t together_;
  Affine linear_;
};

class PictureEmbedding final : public Block {
 public:
  PictureEmbedding(ParameterLayout& layout, const std::string& name,
                   const std::vector<std::int64_t>& shape, std::int64_t width, std::int64_t side)
      : linear_(layout, name, {width, shape[2], side, side}),
        places_(layout.add(
            {name + ".places", {shape[0] / side * (shape[1] / side), width}, Init::kFanIn})) {}
  std::string kind() const override { return "picture_embedding"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    return {pieces_of(input.values, at(p, linear_.weight), at(p, linear_.bias)) + at(p, places_),
            {}};
  }

 private:
  Affine linear_;
  std::int64_t places_;
};

}  // namespace

torch::Tensor pieces_of(const torch::Tensor& x, const torch::Tensor& weight,
                        const torch::Tensor& bias) {
  const auto size = weight.sizes().slice(2);
  const auto map = weight.dim() == 3 ? torch::conv1d(x, weight, bias, size)
                                     : torch::conv2d(x, weight, bias, size);
  return map.flatten(2).transpose(1, 2);
}

std::unique_ptr<const Block> make_token_embedding(ParameterLayout& layout, const std::string& name,
                                                  std::int64_t tokens, std::int64_t width) {
  return std::make_unique<TokenEmbedding>(layout, name, tokens, width);
}
std::unique_ptr<const Block> make_step_embedding(ParameterLayout& layout, const std::string& name,
                                                 std::int64_t channels, std::int64_t width,
                                                 std::int64_t together) {
  if (together > 1)
    return std::make_unique<StepsEmbedding>(layout, name, channels, width, together);
  return std::make_unique<StepEmbedding>(layout, name, channels, width);
}
std::unique_ptr<const Block> make_patch_embedding(ParameterLayout& layout, const std::string& name,
                                                  const std::vector<std::int64_t>& shape,
                                                  std::int64_t width, std::int64_t side) {
  return std::make_unique<PictureEmbedding>(layout, name, shape, width, side);
}

}  // namespace cuttle
