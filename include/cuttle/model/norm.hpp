#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "cuttle/config/type.hpp"
#include "cuttle/model/context.hpp"
#include "cuttle/model/parameter_list.hpp"

namespace cuttle {

/// A norm as own kernels compute it, together with its convolution.
struct FusedNorm {
  torch::Tensor scale, shift;    ///< [C]
  std::optional<Moments> given;  ///< [C]; nothing: by the statistics of the batch at hand
  std::int64_t groups = 0;       ///< else by each sample's own, over so many groups of channels
};

/// What follows a convolution: activations to mean 0 and variance 1, then a learned scale and
/// shift. Where the statistics come from is the type's choice. No state: what is averaged over
/// training lives in the layout's statistics section.
class Norm {
 public:
  virtual ~Norm() = default;
  /// values [m, C, ...]; mask [m, T] for [m, C, T] or undefined.
  virtual torch::Tensor forward(const Tensors& parameters, const torch::Tensor& values,
                                const torch::Tensor& mask, const Context& context) const = 0;
  /// Set if own kernels may compute this pass, convolution and norm in one.
  virtual std::optional<FusedNorm> fused(const Tensors&, const Context&) const {
    return std::nullopt;
  }
  /// Whether they ever do.
  virtual bool fuses() const { return false; }
  /// After a pass of theirs by the statistics of the batch at hand: those, of `count` real values a
  /// channel; with graph.
  virtual void saw(const Moments&, double /*count*/, const Context&) const {}
  /// False: it does nothing, and the convolution before it needs its bias.
  virtual bool active() const { return true; }
  /// Whether, in use, what a sample becomes depends on no other sample of its batch.
  virtual bool samples_apart() const = 0;
  /// Whether it takes its statistics from the support set, in every pass of a query.
  virtual bool uses_support() const { return false; }
  /// Whether in training, too, it depends on no other sample but through the support's statistics.
  virtual bool trains_apart() const { return samples_apart() || uses_support(); }
};

/// What a norm is built from.
struct NormRequest {
  const Section& section;
  ParameterLayout& layout;  ///< declare parameters here, names starting with `name`
  std::string name;         ///< as in encoder.image.0.norm
  std::int64_t channels = 0;
  std::int64_t inner_steps = 0;  ///< of training; use may take more
};
using NormType = Type<Norm, NormRequest>;

/// In model/norms, one file each.
std::map<std::string, NormType> builtin_norms();

}  // namespace cuttle
