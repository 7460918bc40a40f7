#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cuttle/config/section.hpp"
#include "cuttle/model/parameter_list.hpp"

namespace cuttle {

struct ContextOptions {
  std::int64_t context = 100;
  std::string context_by = "film";
  std::vector<std::string> context_at = {"*"};
  void keys(Keys& keys);
};

/// Layers of a model's body that a context phi of a few numbers enters (Zintgraf et al. 2019,
/// "conditioning on context parameters"):
///   concat: h = W x + b + U phi, x and phi side by side as one input,
///   film:   h = (1 + S phi) o (W x + b) + U phi,
/// S and U learned, so that phi = 0 is the model itself. Both are the same layer with other weights
/// and biases, or a norm with other scales and shifts, so the model is asked with such parameters
/// and need not know. A convolution's context comes before its pooling, the authors' after it.
class ContextLayers {
 public:
  /// Adds S and U. UserError if the options name no such layer.
  ContextLayers(ParameterLayout& layout, const ContextOptions& options);
  /// The parameters of the model that phi makes of this one.
  Tensors modulated(Tensors theta, const torch::Tensor& phi) const;
  /// By its parameters' places: what the layer does before its ReLU is linear in weight and bias.
  /// `own`: from the context to its scales and shifts, or shifts alone.
  struct Layer {
    std::int64_t weight, bias, own;
  };
  const std::vector<Layer>& layers() const { return layers_; }
  bool film() const { return film_; }

 private:
  bool film_;
  std::vector<Layer> layers_;
};

}  // namespace cuttle
