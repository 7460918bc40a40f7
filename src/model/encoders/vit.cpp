#include <torch/types.h>

#include <optional>
#include <string>

#include "cuttle/core/error.hpp"
#include "model/blocks/embedding.hpp"
#include "model/encoders/common.hpp"
#include "model/pretrained/attention.hpp"
#include "model/pretrained/picture.hpp"
#include "model/pretrained/weights.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// What all layers share.
struct VitShape {
  std::int64_t width, heads, inner;
  double eps;
  std::string activation;
};

/// Pictures [m, 3, size, size] to one token for the whole and one for each patch, each with its
/// place, normalised in CLIP: [m, 1 + patches, W].
class PatchEmbedding final : public Block {
 public:
  PatchEmbedding(Weights& weights, const VitShape& shape, std::int64_t patch, std::int64_t patches,
                 bool learns)
      : eps_(shape.eps),
        patches_(weights.affine("patch_embed.proj", {shape.width, 3, patch, patch}, learns)),
        whole_(weights.take("cls_token", {1, 1, shape.width}, learns)),
        places_(weights.take("pos_embed", {1, 1 + patches, shape.width}, learns)) {
    if (weights.flag("sizes", "pre_norm"))
      norm_ = weights.affine("norm_pre", {shape.width}, learns);
  }
  std::string kind() const override { return "patch_embedding"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    const auto patches = pieces_of(input.values, patches_.weight.in(p), patches_.bias.in(p));
    const auto whole = whole_.in(p).expand({patches.size(0), 1, patches.size(2)});
    const auto x = torch::cat({whole, patches}, 1) + places_.in(p);
    return {norm_ ? layer_norm(p, *norm_, x, eps_) : x, {}};
  }

 private:
  double eps_;
  GivenAffine patches_;
  Given whole_, places_;
  std::optional<GivenAffine> norm_;
};

/// Self-attention, then a perceptron; each sees what comes in normalised and is added to it
/// (pre-norm: equations 2 and 3 of the paper).
class VitLayer final : public Block {
 public:
  VitLayer(Weights& weights, const std::string& name, const VitShape& shape, bool learns)
      : shape_(shape),
        norm1_(weights.affine(name + ".norm1", {shape.width}, learns)),
        in_(weights.affine(name + ".attn.qkv", {3 * shape.width, shape.width}, learns)),
        out_(weights.affine(name + ".attn.proj", {shape.width, shape.width}, learns)),
        norm2_(weights.affine(name + ".norm2", {shape.width}, learns)),
        up_(weights.affine(name + ".mlp.fc1", {shape.inner, shape.width}, learns)),
        down_(weights.affine(name + ".mlp.fc2", {shape.width, shape.inner}, learns)) {}
  std::string kind() const override { return "vit_layer"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    const auto all = affine(p, in_, layer_norm(p, norm1_, input.values, shape_.eps)).chunk(3, 2);
    const auto part = [&](std::size_t i) { return in_heads(all[i], shape_.heads); };
    const auto x = input.values + affine(p, out_, attended(part(0), part(1), part(2), {}));
    const auto inner = affine(p, up_, layer_norm(p, norm2_, x, shape_.eps));
    return {x + affine(p, down_, activated(inner, shape_.activation)), {}};
  }

 private:
  VitShape shape_;
  GivenAffine norm1_, in_, out_, norm2_, up_, down_;
};

/// Pictures through a trained vision transformer or the picture side of a CLIP: patches that attend
/// to each other. Tokens are the patches.
class VitEncoder final : public PretrainedEncoder {
 public:
  using Options = PretrainedOptions;
  VitEncoder(const EncoderRequest& request, const Options& options)
      : VitEncoder(request, Weights(request, options, "vit")) {}

  ModalityInput prepare(const RawModality& raw) const override { return picture_.read(raw); }

 private:
  VitEncoder(const EncoderRequest& request, Weights weights) : picture_(request, weights) {
    const VitShape shape{weights.number("sizes", "width"), weights.number("sizes", "heads"),
                         weights.number("sizes", "inner"), weights.real("sizes", "eps"),
                         activation_of(weights)};
    const std::int64_t layers = weights.number("sizes", "layers");
    const std::int64_t patch = weights.number("sizes", "patch");
    const std::int64_t size = weights.number("sizes", "size");
    CUTTLE_VALIDATE(size % patch == 0 && shape.width % shape.heads == 0 && picture_.size() == size,
                    "model.encoders.{}.weights: sizes of the file do not fit each other (pictures "
                    "of {} for places of {}, patches of {}, {} columns for {} heads); make it "
                    "again with cuttle-data weights",
                    request.spec.name, picture_.size(), size, patch, shape.width, shape.heads);
    const std::int64_t side = size / patch;
    blocks_.push_back(std::make_unique<PatchEmbedding>(weights, shape, patch, side * side,
                                                       weights.learns(0, layers + 1)));
    for (std::int64_t i = 0; i < layers; ++i)
      blocks_.push_back(std::make_unique<VitLayer>(weights, "blocks." + std::to_string(i), shape,
                                                   weights.learns(i + 1, layers + 1)));
    blocks_.push_back(make_last_norm(  // equation 4
        weights.affine("norm", {shape.width}, weights.learns(layers, layers + 1)), shape.eps));
    tokens_end_here(shape.width);
    blocks_.push_back(make_token_pool(weights));
    width_ = shape.width;
    holds(weights);
  }
  torch::Tensor as_tokens(const torch::Tensor& values) const override {
    return values.narrow(1, 1, values.size(1) - 1);
  }

  PictureInput picture_;
};

}  // namespace

EncoderType row_of_vit() {
  return type_of<VitEncoder, EncoderType>(
      "images: a trained vision transformer, or CLIP's (weights: FILE)",
      "Dosovitskiy et al. 2021, Radford et al. 2021");
}

}  // namespace cuttle
