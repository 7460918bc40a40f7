#include "model/blocks/fused_block.hpp"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

using kernels::ConvBlockShape;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

/// Dense tensors, channels innermost, of which one block call is made. `real` and `moments` may be
/// undefined.
struct Inputs {
  ConvBlockShape shape;
  torch::Tensor x, weight, scale, shift, real, moments;

  torch::TensorOptions options() const { return x.options().requires_grad(false); }
};

/// What the forward pass leaves behind.
struct Saved {
  torch::Tensor y, mean, inv_std, choice;
};

template <class T>
T* data_of(const torch::Tensor& tensor) {
  return tensor.defined() && tensor.numel() > 0 ? tensor.data_ptr<T>() : nullptr;
}

template <class T>
kernels::BlockInputs<T> pointers(const Inputs& in) {
  return {data_of<T>(in.x),     data_of<T>(in.weight), data_of<T>(in.scale),
          data_of<T>(in.shift), data_of<T>(in.real),   data_of<double>(in.moments)};
}

template <class T>
kernels::BlockSaved<T> pointers(const Saved& saved) {
  return {data_of<T>(saved.y), data_of<T>(saved.mean), data_of<T>(saved.inv_std),
          data_of<std::uint8_t>(saved.choice)};
}

/// Calls body with a value of the tensors' type.
template <class Body>
void with_type(const torch::Tensor& x, const Body& body) {
  x.scalar_type() == torch::kFloat64 ? body(double{}) : body(float{});
}

/// The second derivative's inputs as a context keeps them: shape as integers, the rest as tensors.
void keep(AutogradContext* ctx, const Inputs& in, const Saved& saved,
          const torch::Tensor& gradient) {
  const auto& s = in.shape;
  ctx->saved_data["shape"] =
      std::vector<std::int64_t>{s.images, s.height,         s.width,       s.in,
                                s.out,    s.kernel_height,  s.pool_height, s.pool_width,
                                s.ceil,   s.input_gradient, s.relu,        s.kernel_width};
  ctx->save_for_backward({in.x, in.weight, in.scale, in.shift, in.real, in.moments, saved.y,
                          saved.mean, saved.inv_std, saved.choice, gradient});
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
  const ConvBlockShape shape{s[0], s[1], s[2],      s[3],      s[4],       s[5],
                             s[6], s[7], s[8] != 0, s[9] != 0, s[10] != 0, s[11]};
  return {{shape, t[0], t[1], t[2], t[3], t[4], t[5]}, {t[6], t[7], t[8], t[9]}, t[10]};
}

/// The block's vjp, an operation of its own so that it can be differentiated again.
class BlockGradient : public Function<BlockGradient> {
 public:
  /// Gradients of weight, scale and shift, then of x if the shape has it.
  static variable_list forward(AutogradContext* ctx, const Inputs& in, const Saved& saved,
                               const torch::Tensor& x, const torch::Tensor& weight,
                               const torch::Tensor& scale, const torch::Tensor& gradient) {
    keep(ctx, {in.shape, x, weight, scale, in.shift, in.real, in.moments}, saved, gradient);
    variable_list result{torch::empty_like(weight), torch::empty_like(scale),
                         torch::empty_like(scale)};
    if (in.shape.input_gradient) result.push_back(torch::empty_like(x));
    with_type(x, [&](auto type) {
      using T = decltype(type);
      kernels::backward<T>(in.shape, pointers<T>(in), pointers<T>(saved), data_of<T>(gradient),
                           {in.shape.input_gradient ? data_of<T>(result[3]) : nullptr,
                            data_of<T>(result[0]), data_of<T>(result[1]), data_of<T>(result[2])});
    });
    return result;
  }

  static variable_list backward(AutogradContext* ctx, variable_list cotangents) {
    // The kernels end here: a third derivative through them would silently lack this part.
    CUTTLE_REQUIRE(!torch::GradMode::is_enabled(),
                   "the fused convolution block has no third derivative; set fused: false for the "
                   "encoder");
    const Kept k = kept(ctx);
    for (auto& cotangent : cotangents)
      if (cotangent.defined()) cotangent = cotangent.contiguous();
    const auto cotangent = [&](std::size_t i) {
      return i < cotangents.size() ? cotangents[i] : torch::Tensor();
    };
    auto of_gradient = torch::empty_like(k.gradient), of_weight = torch::empty_like(k.in.weight),
         of_scale = torch::empty_like(k.in.scale);
    const auto of_x = k.in.shape.input_gradient ? torch::empty_like(k.in.x) : torch::Tensor();
    with_type(k.in.x, [&](auto type) {
      using T = decltype(type);
      kernels::double_backward<T>(
          k.in.shape, pointers<T>(k.in), pointers<T>(k.saved), data_of<T>(k.gradient),
          {data_of<T>(cotangent(3)), data_of<T>(cotangent(0)), data_of<T>(cotangent(1)),
           data_of<T>(cotangent(2))},
          {data_of<T>(of_gradient), data_of<T>(of_x), data_of<T>(of_weight), data_of<T>(of_scale)});
    });
    return {{}, {}, of_x, of_weight, of_scale, of_gradient};
  }
};

class FusedBlock : public Function<FusedBlock> {
 public:
  /// Pooled activations, dense.
  static torch::Tensor forward(AutogradContext* ctx, Inputs in, const torch::Tensor& x,
                               const torch::Tensor& weight, const torch::Tensor& scale,
                               const torch::Tensor& shift) {
    const auto& s = in.shape;
    in = {s, x, weight, scale, shift, in.real, in.moments};
    const auto pooled =
        torch::empty({s.images, s.pooled_height(), s.pooled_width(), s.out}, in.options());
    const Saved saved{torch::empty({s.conv_elements()}, in.options()),
                      torch::empty({s.out}, in.options()), torch::empty({s.out}, in.options()),
                      torch::empty({s.pooled_elements()}, in.options().dtype(torch::kUInt8))};
    with_type(x, [&](auto type) {
      using T = decltype(type);
      if (s.by_patches()) {
        in.moments = torch::empty({s.moment_elements()}, in.options().dtype(torch::kFloat64));
        kernels::patch_moments<T>(s, data_of<T>(x), data_of<T>(in.real),
                                  data_of<double>(in.moments));
      }
      kernels::forward<T>(s, pointers<T>(in), pointers<T>(saved), data_of<T>(pooled));
    });
    keep(ctx, in, saved, {});
    return pooled;
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    if (!gradients[0].defined()) return variable_list(5);
    const Kept k = kept(ctx);
    const auto result = BlockGradient::apply(k.in, k.saved, k.in.x, k.in.weight, k.in.scale,
                                             gradients[0].contiguous());
    const auto of_x = k.in.shape.input_gradient ? result[3] : torch::Tensor();
    return {{}, of_x, result[0], result[1], result[2]};
  }
};

}  // namespace

torch::Tensor fused_conv_block(const torch::Tensor& x, const torch::Tensor& weight,
                               const torch::Tensor& scale, const torch::Tensor& shift,
                               const torch::Tensor& mask, AfterNorm after) {
  const bool image = x.dim() == 4;
  const auto dense =
      image ? x.permute({0, 2, 3, 1}).contiguous() : x.transpose(1, 2).contiguous().unsqueeze(1);
  Inputs in;
  in.real = mask;
  auto& s = in.shape;
  s.images = dense.size(0), s.height = dense.size(1), s.width = dense.size(2), s.in = dense.size(3);
  s.out = weight.size(0);
  s.kernel_height = image ? weight.size(2) : 1;
  s.kernel_width = weight.size(-1);
  s.pool_height = image && after.pool ? 2 : 1;
  s.pool_width = after.pool ? 2 : 1;
  s.ceil = !image;
  s.relu = after.slope == 0;
  s.input_gradient = x.requires_grad() && torch::GradMode::is_enabled();
  auto pooled =
      FusedBlock::apply(in, dense, weight.contiguous(), scale.contiguous(), shift.contiguous());
  // In place: nobody keeps what came before. It rises with its input, so pooling may come first.
  if (after.slope > 0 && after.slope < 1) torch::leaky_relu_(pooled, after.slope);
  return image ? pooled.permute({0, 3, 1, 2}) : pooled.squeeze(1).transpose(1, 2);
}

bool can_fuse(const torch::Tensor& x) {
  return x.device().is_cpu() &&
         (x.scalar_type() == torch::kFloat32 || x.scalar_type() == torch::kFloat64);
}

}  // namespace cuttle
