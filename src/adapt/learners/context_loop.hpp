#pragma once

#include <torch/types.h>

#include <vector>

#include "adapt/context_layers.hpp"
#include "adapt/surface/surface.hpp"
#include "cuttle/adapt/autograd.hpp"

namespace cuttle {

/// Gradient descent of a context phi on a support loss, from 0: the inner loop of CAVIA where a
/// graph is recorded. Nothing else moves.
class ContextLoop {
 public:
  ContextLoop(const LearnerRequest& request, const ContextOptions& options, double rate)
      : layers_(request.layout, options),
        surface_(request, {}),
        numbers_(options.context),
        rate_(rate) {}

  struct Step {
    torch::Tensor phi;    ///< before the step, a leaf
    torch::Tensor slope;  ///< there; after the last step none
  };
  /// Every step, and where the last one leads. `graph`: of the slopes.
  std::vector<Step> descend(const Tensors& theta, const Batch& support, std::int64_t steps,
                            const Context& context, bool graph) const {
    const auto start = torch::zeros({numbers_}, theta[0].options().requires_grad(false));
    std::vector<Step> way{{as_leaves({start})[0], {}}};
    for (std::int64_t k = 0; k < steps; ++k) {
      auto& [phi, slope] = way.back();
      slope = slope_at(theta, phi, support, context, graph);
      way.push_back({as_leaves({phi.detach() - rate_ * slope.detach()})[0], {}});
    }
    return way;
  }

  /// The support loss's gradient with respect to phi, with the graph if asked for.
  torch::Tensor slope_at(const Tensors& theta, const torch::Tensor& phi, const Batch& support,
                         const Context& context, bool graph) const {
    const auto loss = surface_.pass(layers_.modulated(theta, phi), support, context).loss;
    const auto slope = gradient_of(loss, {phi}, graph)[0];
    return slope.defined() ? slope : torch::zeros_like(phi);
  }

  const ContextLayers& layers() const { return layers_; }
  const Surface& surface() const { return surface_; }

 private:
  ContextLayers layers_;
  Surface surface_;
  std::int64_t numbers_;  ///< of phi
  double rate_;
};

}  // namespace cuttle
