#include <torch/types.h>

#include "model/places.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// x W^T + b.
class LinearHead final : public Head {
 public:
  using Options = NoOptions;
  LinearHead(const HeadRequest& request, const Options&)
      : layer_{request.layout.add(rows_of(request.name + ".weight", {request.rows, request.width},
                                          Init::kFanIn, ParameterRole::kHead)),
               request.layout.add(rows_of(request.name + ".bias", {request.rows}, Init::kZeros,
                                          ParameterRole::kHead)),
               request.width, request.rows, false} {}

  torch::Tensor forward(const Tensors& p, const torch::Tensor& features,
                        std::int64_t way) const override {
    return torch::linear(features, at(p, layer_.weight).narrow(0, 0, way),
                         at(p, layer_.bias).narrow(0, 0, way));
  }
  const LinearLayer* linear() const override { return &layer_; }

 private:
  LinearLayer layer_;
};

}  // namespace

HeadType row_of_linear() {
  return type_of<LinearHead, HeadType>("one linear layer", "");
}

}  // namespace cuttle
