#include "cuttle/kernels/transformer_layers.hpp"

#include <algorithm>

#include "kernels/attention.hpp"

namespace cuttle::kernels {
namespace {

Mlp<float> linear(std::int64_t in, std::int64_t out) {
  return Mlp<float>({{in, out, false}});
}

/// to [size, out] = x W^T + b; all sizes are whole vectors.
void apply(const Mlp<float>& layer, std::int64_t size, const float* x, const float* packed,
           float* to) {
  Mlp<float>::Point point;
  point.activations = {to};
  layer.forward(size, x, packed, point);
}

}  // namespace

bool PostNormLayer::fits(const PostNormShape& shape) {
  return are_whole_vectors(shape.width, shape.heads, shape.inner);
}

PostNormLayer::PostNormLayer(const PostNormShape& shape,
                             const TransformerWeights<const float>& weights)
    : shape_(shape),
      in_(linear(shape.width, 3 * shape.width)),
      out_(linear(shape.width, shape.width)),
      up_(linear(shape.width, shape.inner)),
      down_(linear(shape.inner, shape.width)) {
  weights_.resize(static_cast<std::size_t>(in_.packed_size() + out_.packed_size() +
                                           up_.packed_size() + down_.packed_size()));
  float* to = weights_.data();
  const auto pack = [&](const Mlp<float>& layer, const MlpWeights<const float>& from) {
    layer.pack({from}, to);
    to += layer.packed_size();
  };
  pack(in_, weights.in);
  pack(out_, weights.out);
  pack(up_, weights.up);
  pack(down_, weights.down);
  for (const auto* values :
       {weights.norm1.weight, weights.norm1.bias, weights.norm2.weight, weights.norm2.bias})
    norms_.insert(norms_.end(), values, values + shape.width);
}

/// Of one text: `all` [length, 3 width] are queries, keys and values; mixed [length, width].
void PostNormLayer::attend(std::int64_t length, const float* all, float* mixed) const {
  const Attention<float> of{length, shape_.heads, shape_.width / shape_.heads, nullptr};
  Scratch scratch;
  float* shares = scratch.take<float>(length * of.stride());
  for (std::int64_t h = 0; h < of.heads; ++h) attend_with_head(of, h, all, shares, mixed);
}

void PostNormLayer::forward(const std::vector<std::int64_t>& lengths, float* x) const {
  const auto& loops = isa<float>();
  std::int64_t size = 0;
  for (const std::int64_t length : lengths) size += length;
  const std::int64_t width = shape_.width, inner = shape_.inner;
  Scratch scratch;
  float* wide = scratch.take<float>(size * std::max(3 * width, inner));
  float* mixed = scratch.take<float>(size * width);
  float* made = scratch.take<float>(size * width);
  const float* packed = weights_.data();
  apply(in_, size, x, packed, wide);
  packed += in_.packed_size();
  std::int64_t first = 0;
  for (const std::int64_t length : lengths) {
    attend(length, wide + first * 3 * width, mixed + first * width);
    first += length;
  }
  apply(out_, size, mixed, packed, made);
  packed += out_.packed_size();
  const float* norms = norms_.data();
  loops.norm({size, width, x, made, x, norms, norms + width, shape_.eps, x, nullptr});
  apply(up_, size, x, packed, wide);
  packed += up_.packed_size();
  const RowStep step = shape_.activation == Activation::kGelu       ? RowStep::kGelu
                       : shape_.activation == Activation::kGeluTanh ? RowStep::kGeluTanh
                                                                    : RowStep::kRelu;
  loops.rows_of({step, wide, size, inner, inner});
  apply(down_, size, wide, packed, made);
  norms += 2 * width;
  loops.norm({size, width, x, made, x, norms, norms + width, shape_.eps, x, nullptr});
}

}  // namespace cuttle::kernels
