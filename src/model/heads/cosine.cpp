#include <torch/types.h>

#include "model/places.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct CosineOptions {
  double scale = 10.0;
  void keys(Keys& keys) {
    keys.add("head_scale", scale, above(0), "logits are this times the cosine");
  }
};

/// scale * cos(x, w): directions alone tell classes apart (Chen et al. 2019, "Baseline++"; Gidaris
/// and Komodakis 2018).
class CosineHead final : public Head {
 public:
  using Options = CosineOptions;
  CosineHead(const HeadRequest& request, const Options& options)
      : scale_(options.scale),
        weight_(request.layout.add(rows_of(request.name + ".weight", {request.rows, request.width},
                                           Init::kFanIn, ParameterRole::kHead))) {}

  torch::Tensor forward(const Tensors& p, const torch::Tensor& features,
                        std::int64_t way) const override {
    return scale_ * torch::linear(unit_rows(features), unit_rows(at(p, weight_).narrow(0, 0, way)));
  }

 private:
  double scale_;
  std::int64_t weight_;
};

}  // namespace

HeadType row_of_cosine() {
  return type_of<CosineHead, HeadType>("scaled cosine to a learned direction per class",
                                       "Chen et al. 2019");
}

}  // namespace cuttle
