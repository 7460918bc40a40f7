#include "model/blocks/fused_block.hpp"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include <algorithm>

#include "cuttle/core/error.hpp"
#include "cuttle/model/linear_stack.hpp"
#include "model/norms/batch_statistics.hpp"

namespace cuttle {
namespace {

using kernels::ConvBlockShape;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

/// Dense tensors, channels innermost, of which one block call is made. `real`, `moments`, given
/// statistics and the bias may be undefined.
struct Inputs {
  ConvBlockShape shape;
  torch::Tensor x, weight, scale, shift, real, moments, mean, variance, bias;

  bool given() const { return mean.defined(); }
  bool gives() const { return !given() && shape.norm_groups == 0; }  ///< the batch's statistics

  torch::TensorOptions options() const { return x.options().requires_grad(false); }
};

/// What the forward pass leaves behind.
struct Saved {
  torch::Tensor y, mean, inv_std, choice, offset;
};

template <class T>
T* data_of(const torch::Tensor& tensor) {
  return tensor.defined() && tensor.numel() > 0 ? tensor.data_ptr<T>() : nullptr;
}

template <class T>
kernels::BlockInputs<T> pointers(const Inputs& in) {
  return {data_of<T>(in.x),     data_of<T>(in.weight),   data_of<T>(in.scale),
          data_of<T>(in.shift), data_of<T>(in.real),     data_of<double>(in.moments),
          data_of<T>(in.mean),  data_of<T>(in.variance), data_of<T>(in.bias)};
}

template <class T>
kernels::BlockSaved<T> pointers(const Saved& saved) {
  return {data_of<T>(saved.y), data_of<T>(saved.mean), data_of<T>(saved.inv_std),
          data_of<std::uint8_t>(saved.choice), data_of<T>(saved.offset)};
}

std::optional<torch::Tensor> optional_of(const torch::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

/// The second derivative's inputs as a context keeps them: shape as integers, the rest as tensors.
void keep(AutogradContext* ctx, const Inputs& in, const Saved& saved,
          const torch::Tensor& gradient) {
  const auto& s = in.shape;
  ctx->saved_data["shape"] = std::vector<std::int64_t>{
      s.images,        s.height,       s.width,      s.in,   s.out,
      s.kernel_height, s.pool_height,  s.pool_width, s.ceil, s.input_gradient,
      s.relu,          s.kernel_width, s.norm_groups};
  ctx->save_for_backward({in.x, in.weight, in.scale, in.shift, in.real, in.moments, in.mean,
                          in.variance, in.bias, saved.y, saved.mean, saved.inv_std, saved.choice,
                          saved.offset, gradient});
  ctx->set_materialize_grads(false);
}

struct Kept {
  Inputs in;
  Saved saved;
  torch::Tensor gradient;
};

Kept kept(AutogradContext* ctx) {
  const auto s = ctx->saved_data["shape"].toIntVector();
  const auto t = ctx->get_saved_variables();
  const ConvBlockShape shape{s[0], s[1],      s[2],      s[3],       s[4],  s[5], s[6],
                             s[7], s[8] != 0, s[9] != 0, s[10] != 0, s[11], s[12]};
  return {{shape, t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8]},
          {t[9], t[10], t[11], t[12], t[13]},
          t[14]};
}

/// Where a vjp writes; undefined: nowhere.
struct GradientTensors {
  torch::Tensor weight, scale, shift, mean, variance, bias, x;
};

/// The block's vjp, an operation of its own so that it can be differentiated again.
class BlockGradient : public Function<BlockGradient> {
 public:
  /// Gradients of weight, scale and shift; of given mean and variance; of the bias, if there is
  /// one; of x if the shape has it.
  static variable_list forward(AutogradContext* ctx, const Inputs& in, const Saved& saved,
                               const torch::Tensor& x, const torch::Tensor& weight,
                               const torch::Tensor& scale, const torch::Tensor& gradient,
                               const std::optional<torch::Tensor>& bias,
                               const Moments& of_moments) {
    keep(ctx,
         {in.shape, x, weight, scale, in.shift, in.real, in.moments, in.mean, in.variance,
          bias.value_or(torch::Tensor())},
         saved, gradient);
    ctx->saved_data["once"] =
        in.given() || of_moments.mean.defined() || of_moments.variance.defined();
    GradientTensors to;
    to.weight = torch::empty_like(weight);
    to.scale = torch::empty_like(scale);
    to.shift = torch::empty_like(scale);
    variable_list result{to.weight, to.scale, to.shift};
    if (in.given())
      for (auto* tensor : {&to.mean, &to.variance})
        result.push_back(*tensor = torch::empty_like(scale));
    if (in.bias.defined()) result.push_back(to.bias = torch::empty_like(scale));
    if (in.shape.input_gradient) result.push_back(to.x = torch::empty_like(x));
    with_type_of(x, [&](auto type) {
      using T = decltype(type);
      kernels::backward<T>(
          in.shape, pointers<T>(in), pointers<T>(saved), data_of<T>(gradient),
          {data_of<T>(to.x), data_of<T>(to.weight), data_of<T>(to.scale), data_of<T>(to.shift),
           data_of<T>(to.mean), data_of<T>(to.variance), data_of<T>(to.bias)},
          {data_of<T>(of_moments.mean), data_of<T>(of_moments.variance)});
    });
    return result;
  }

  static variable_list backward(AutogradContext* ctx, variable_list cotangents) {
    // The kernels end here: a third derivative through them would silently lack this part.
    CUTTLE_REQUIRE(!torch::GradMode::is_enabled(),
                   "the fused convolution block has no third derivative; set fused: false for the "
                   "encoder");
    CUTTLE_REQUIRE(!ctx->saved_data["once"].toBool(),
                   "the fused convolution block has no second derivative through statistics of "
                   "another batch; set fused: false for the encoder");
    const Kept k = kept(ctx);
    const bool bias = k.in.bias.defined();  // never with given statistics
    for (auto& cotangent : cotangents)
      if (cotangent.defined()) cotangent = cotangent.contiguous();
    const auto cotangent = [&](std::size_t i) {
      return i < cotangents.size() ? cotangents[i] : torch::Tensor();
    };
    auto of_gradient = torch::empty_like(k.gradient), of_weight = torch::empty_like(k.in.weight),
         of_scale = torch::empty_like(k.in.scale);
    const auto of_bias = bias ? torch::empty_like(k.in.scale) : torch::Tensor();
    const auto of_x = k.in.shape.input_gradient ? torch::empty_like(k.in.x) : torch::Tensor();
    with_type_of(k.in.x, [&](auto type) {
      using T = decltype(type);
      kernels::double_backward<T>(
          k.in.shape, pointers<T>(k.in), pointers<T>(k.saved), data_of<T>(k.gradient),
          {data_of<T>(cotangent(bias ? 4 : 3)), data_of<T>(cotangent(0)), data_of<T>(cotangent(1)),
           data_of<T>(cotangent(2)), bias ? data_of<T>(cotangent(3)) : nullptr},
          {data_of<T>(of_gradient), data_of<T>(of_x), data_of<T>(of_weight), data_of<T>(of_scale),
           data_of<T>(of_bias)});
    });
    return {{}, {}, of_x, of_weight, of_scale, of_gradient, of_bias, {}};
  }
};

class FusedBlock : public Function<FusedBlock> {
 public:
  /// Pooled activations, dense; then mean and variance of the batch, if it was normalised by them.
  static variable_list forward(AutogradContext* ctx, Inputs in, const torch::Tensor& x,
                               const torch::Tensor& weight, const torch::Tensor& scale,
                               const torch::Tensor& shift, const std::optional<torch::Tensor>& mean,
                               const std::optional<torch::Tensor>& variance,
                               const std::optional<torch::Tensor>& bias) {
    const auto& s = in.shape;
    in = {s,
          x,
          weight,
          scale,
          shift,
          in.real,
          in.moments,
          mean.value_or(torch::Tensor()),
          variance.value_or(torch::Tensor()),
          bias.value_or(torch::Tensor())};
    const auto pooled =
        torch::empty({s.images, s.pooled_height(), s.pooled_width(), s.out}, in.options());
    const auto statistics = [&] { return torch::empty({s.norm_elements()}, in.options()); };
    const Saved saved{torch::empty({s.conv_elements()}, in.options()), statistics(), statistics(),
                      torch::empty({s.pooled_elements()}, in.options().dtype(torch::kUInt8)),
                      s.norm_groups > 0 ? statistics() : torch::Tensor()};
    with_type_of(x, [&](auto type) {
      using T = decltype(type);
      if (s.by_patches() && !in.given()) {
        in.moments = torch::empty({s.moment_elements()}, in.options().dtype(torch::kFloat64));
        kernels::patch_moments<T>(s, data_of<T>(x), data_of<T>(in.real),
                                  data_of<double>(in.moments));
      }
      kernels::forward<T>(s, pointers<T>(in), pointers<T>(saved), data_of<T>(pooled));
    });
    keep(ctx, in, saved, {});
    if (!in.gives()) return {pooled};
    return {pooled, saved.mean.clone(), variance_of(saved.inv_std)};
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    variable_list result(8);
    if (std::none_of(gradients.begin(), gradients.end(), [](auto& g) { return g.defined(); }))
      return result;
    const Kept k = kept(ctx);
    Moments of_moments;
    if (k.in.gives()) of_moments = {gradients[1], gradients[2]};
    for (auto* of : {&of_moments.mean, &of_moments.variance})
      if (of->defined()) *of = of->contiguous();
    const auto& s = k.in.shape;
    const auto of_pooled =
        gradients[0].defined()
            ? gradients[0].contiguous()
            : torch::zeros({s.images, s.pooled_height(), s.pooled_width(), s.out}, k.in.options());
    const auto found = BlockGradient::apply(k.in, k.saved, k.in.x, k.in.weight, k.in.scale,
                                            of_pooled, optional_of(k.in.bias), of_moments);
    for (std::size_t i = 0; i < 3; ++i) result[2 + i] = found[i];
    if (k.in.given()) result[5] = found[3], result[6] = found[4];
    if (k.in.bias.defined()) result[7] = found[3];
    if (s.input_gradient) result[1] = found.back();
    return result;
  }

 private:
  /// From 1 / std; what that lost of a variance far below the epsilon is lost in its use, too.
  static torch::Tensor variance_of(const torch::Tensor& inv_std) {
    return (inv_std.to(torch::kFloat64).pow(-2) - kNormEpsilon)
        .clamp_min(0)
        .to(inv_std.scalar_type());
  }
};

FusedOutput block_of(const torch::Tensor& x, const Filters& filters, const FusedNorm& norm,
                     const torch::Tensor& mask, AfterNorm after) {
  const auto& weight = filters.weight;
  const bool image = x.dim() == 4;
  const auto dense =
      image ? x.permute({0, 2, 3, 1}).contiguous() : x.transpose(1, 2).contiguous().unsqueeze(1);
  Inputs in;
  in.real = mask;
  auto& s = in.shape;
  s.images = dense.size(0), s.height = dense.size(1), s.width = dense.size(2), s.in = dense.size(3);
  s.out = weight.size(0);
  s.norm_groups = norm.groups;
  s.kernel_height = image ? weight.size(2) : 1;
  s.kernel_width = weight.size(-1);
  s.pool_height = image && after.pool ? 2 : 1;
  s.pool_width = after.pool ? 2 : 1;
  s.ceil = !image;
  s.relu = after.slope == 0;
  s.input_gradient = x.requires_grad() && torch::GradMode::is_enabled();
  const auto result = FusedBlock::apply(
      in, dense, weight.contiguous(), norm.scale.contiguous(), norm.shift.contiguous(),
      norm.given ? std::optional(norm.given->mean.contiguous()) : std::nullopt,
      norm.given ? std::optional(norm.given->variance.contiguous()) : std::nullopt,
      filters.bias.defined() && norm.groups > 0 ? std::optional(filters.bias.contiguous())
                                                : std::nullopt);
  auto pooled = result[0];
  // In place: nobody keeps what came before. It rises with its input, so pooling may come first.
  if (after.slope > 0 && after.slope < 1) torch::leaky_relu_(pooled, after.slope);
  FusedOutput output{image ? pooled.permute({0, 3, 1, 2}) : pooled.squeeze(1).transpose(1, 2), {}};
  if (result.size() > 1) output.moments = {result[1], result[2], s.images};
  return output;
}

/// Images that a block without a graph takes at once.
constexpr std::int64_t kAtOnce = 256;

/// A block without a graph, part by part, so that however many images there are it holds little but
/// its output: twice, if they are normalised by the statistics of all.
FusedOutput in_parts(const torch::Tensor& x, const Filters& filters, FusedNorm norm,
                     AfterNorm after) {
  const auto parts = x.split(kAtOnce);
  FusedOutput output;
  if (!norm.given && norm.groups == 0) {
    Tensors means, variances, shares;
    for (const auto& part : parts) {
      const auto of_part = block_of(part, filters, norm, {}, after).moments;
      means.push_back(of_part.mean.to(torch::kFloat64));
      variances.push_back(of_part.variance.to(torch::kFloat64));
      shares.push_back(torch::full({1}, static_cast<double>(part.size(0)), torch::kFloat64));
    }
    const auto share = torch::stack(shares) / static_cast<double>(x.size(0));
    const auto all = torch::stack(means), mean = (share * all).sum(0);
    const auto variance = (share * (torch::stack(variances) + (all - mean).square())).sum(0);
    output.moments = {mean.to(x.scalar_type()), variance.to(x.scalar_type()), x.size(0)};
    norm.given = output.moments;
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto values = block_of(parts[i], filters, norm, {}, after).values;
    auto sizes = values.sizes().vec();
    sizes[0] = x.size(0);
    if (i == 0) output.values = torch::empty_strided(sizes, values.strides(), values.options());
    output.values.narrow(0, static_cast<std::int64_t>(i) * kAtOnce, values.size(0)).copy_(values);
  }
  return output;
}

/// Whether the operation can take `x`.
bool can_fuse(const torch::Tensor& x) {
  return x.device().is_cpu() &&
         (x.scalar_type() == torch::kFloat32 || x.scalar_type() == torch::kFloat64);
}

}  // namespace

FusedOutput fused_conv_block(const torch::Tensor& x, const Filters& filters, const FusedNorm& norm,
                             const torch::Tensor& mask, AfterNorm after) {
  if (torch::GradMode::is_enabled() || mask.defined() || x.size(0) <= kAtOnce)
    return block_of(x, filters, norm, mask, after);
  return in_parts(x, filters, norm, after);
}

std::optional<torch::Tensor> by_kernels(const Norm& norm, const Tensors& parameters,
                                        const torch::Tensor& x, const Filters& filters,
                                        const torch::Tensor& mask, AfterNorm after,
                                        const Context& context) {
  auto how = norm.fused(parameters, context);
  if (!how || !can_fuse(x)) return std::nullopt;
  if (how->given && filters.bias.defined()) how->given->mean = how->given->mean - filters.bias;
  auto [values, moments] = fused_conv_block(x, filters, *how, mask, after);
  if (moments.mean.defined() && context.record != nullptr) {
    if (filters.bias.defined()) moments.mean = moments.mean + filters.bias;
    norm.saw(moments, real_values(x, mask), context);
  }
  return values;
}

}  // namespace cuttle
