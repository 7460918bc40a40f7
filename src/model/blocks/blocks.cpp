#include <torch/types.h>

#include "cuttle/model/block.hpp"
#include "model/blocks/fused_block.hpp"
#include "model/places.hpp"

namespace cuttle {
namespace {

class ConvBlock final : public Block {
 public:
  ConvBlock(ParameterLayout& layout, const std::string& name, std::int64_t in, std::int64_t out,
            const NormOptions& norm)
      : conv_(layout, name + ".conv", {out, in, 3, 3}),
        norm_(make_norm(layout, name + ".norm", out, norm)),
        fused_(norm.fused && norm_->fuses()) {}
  std::string kind() const override { return "conv_norm_relu_pool"; }
  bool samples_apart() const override { return norm_->samples_apart(); }
  bool uses_support() const override { return norm_->uses_support(); }
  bool trains_apart() const override { return norm_->trains_apart(); }
  bool fused() const override { return fused_; }
  Signal forward(const Tensors& p, const Signal& input, const Context& context) const override {
    if (fused_)
      if (const auto pooled = by_kernels(*norm_, p, input.values,
                                         {at(p, conv_.weight), at(p, conv_.bias)}, {}, {}, context))
        return {*pooled, {}};
    auto x = torch::conv2d(input.values, at(p, conv_.weight), at(p, conv_.bias), 1, 1);
    x = norm_->forward(p, x, {}, context);
    return {torch::max_pool2d(torch::relu(x), 2), {}};
  }

 private:
  Affine conv_;
  std::unique_ptr<const Norm> norm_;
  bool fused_;
};

class SequenceBlock final : public Block {
 public:
  SequenceBlock(ParameterLayout& layout, const std::string& name, std::int64_t in, std::int64_t out,
                const NormOptions& norm, bool pool)
      : conv_(layout, name + ".conv", {out, in, 3}),
        norm_(make_norm(layout, name + ".norm", out, norm)),
        pool_(pool),
        fused_(norm.fused && norm_->fuses()) {}
  std::string kind() const override {
    return pool_ ? "sequence_conv_norm_relu_pool" : "sequence_conv_norm_relu";
  }
  bool samples_apart() const override { return norm_->samples_apart(); }
  bool uses_support() const override { return norm_->uses_support(); }
  bool trains_apart() const override { return norm_->trains_apart(); }
  bool fused() const override { return fused_; }
  Signal forward(const Tensors& p, const Signal& input, const Context& context) const override {
    // ceil_mode keeps an odd last step; values are >= 0 after ReLU and 0 where padded, so padding
    // never wins.
    const auto pooled = [&](const torch::Tensor& x) {
      return torch::max_pool1d(x, 2, 2, 0, 1, true);
    };
    const auto mask = pool_ ? pooled(input.mask.unsqueeze(1)).squeeze(1) : input.mask;
    if (fused_)
      if (const auto values =
              by_kernels(*norm_, p, input.values, {at(p, conv_.weight), at(p, conv_.bias)},
                         input.mask, {0, pool_}, context))
        return {*values, mask};
    auto x = torch::conv1d(input.values, at(p, conv_.weight), at(p, conv_.bias), 1, 1);
    x = torch::relu(norm_->forward(p, x, input.mask, context));
    return {pool_ ? pooled(x) : x, mask};
  }

 private:
  Affine conv_;
  std::unique_ptr<const Norm> norm_;
  bool pool_;
  bool fused_;
};

class LinearBlock final : public Block {
 public:
  LinearBlock(ParameterLayout& layout, const std::string& name, std::int64_t in, std::int64_t out,
              bool relu)
      : LinearBlock(Affine(layout, name, {out, in}), in, out, relu) {}
  std::string kind() const override { return layer_.relu ? "linear_relu" : "linear"; }
  bool samples_apart() const override { return true; }
  const LinearLayer* linear() const override { return &layer_; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    auto x = torch::linear(input.values, at(p, layer_.weight), at(p, layer_.bias));
    return {layer_.relu ? torch::relu(x) : x, {}};
  }

 private:
  LinearBlock(const Affine& places, std::int64_t in, std::int64_t out, bool relu)
      : layer_{places.weight, places.bias, in, out, relu} {}
  LinearLayer layer_;
};

class TokenBlock final : public Block {
 public:
  TokenBlock(ParameterLayout& layout, const std::string& name, std::int64_t tokens,
             std::int64_t width)
      : table_(layout.add({name + ".weight", {tokens, width}, Init::kNormal})) {}
  std::string kind() const override { return "token_rows"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    const auto x = look_up(at(p, table_), input.values).transpose(1, 2);
    return {x * input.mask.unsqueeze(1), input.mask};
  }

 private:
  std::int64_t table_;
};

class FlattenBlock final : public Block {
 public:
  std::string kind() const override { return "flatten"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors&, const Signal& input, const Context&) const override {
    return {input.values.flatten(1), {}};
  }
};

class SequencePoolBlock final : public Block {
 public:
  std::string kind() const override { return "mean_max_over_time"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors&, const Signal& input, const Context&) const override {
    const auto real = input.mask.unsqueeze(1);
    const auto mean = (input.values * real).sum(2) / real.sum(2).clamp_min(1.0);
    const auto most = input.values.masked_fill(real == 0, -1e30).amax(2);
    return {torch::cat({mean, most}, 1), {}};
  }
};

}  // namespace

std::unique_ptr<const Norm> make_norm(ParameterLayout& layout, const std::string& name,
                                      std::int64_t channels, const NormOptions& options) {
  return find_type(options.types, name, options.section.type)
      .make({options.section, layout, name, channels, options.steps});
}

std::unique_ptr<const Block> make_conv_block(ParameterLayout& layout, const std::string& name,
                                             std::int64_t in, std::int64_t out,
                                             const NormOptions& norm) {
  return std::make_unique<ConvBlock>(layout, name, in, out, norm);
}
std::unique_ptr<const Block> make_sequence_block(ParameterLayout& layout, const std::string& name,
                                                 std::int64_t in, std::int64_t out,
                                                 const NormOptions& norm, bool pool) {
  return std::make_unique<SequenceBlock>(layout, name, in, out, norm, pool);
}
std::unique_ptr<const Block> make_linear_block(ParameterLayout& layout, const std::string& name,
                                               std::int64_t in, std::int64_t out, bool relu) {
  return std::make_unique<LinearBlock>(layout, name, in, out, relu);
}
std::unique_ptr<const Block> make_token_block(ParameterLayout& layout, const std::string& name,
                                              std::int64_t tokens, std::int64_t width) {
  return std::make_unique<TokenBlock>(layout, name, tokens, width);
}
std::unique_ptr<const Block> make_flatten_block() {
  return std::make_unique<FlattenBlock>();
}
std::unique_ptr<const Block> make_sequence_pool_block() {
  return std::make_unique<SequencePoolBlock>();
}

torch::Tensor unit_rows(const torch::Tensor& x) {
  return x * (x.square().sum(1, true) + 1e-12).rsqrt();
}

}  // namespace cuttle
