#include "task/objectives/common.hpp"

#include <torch/types.h>

#include "cuttle/core/error.hpp"

namespace cuttle {

void expect_several_senses(const ObjectiveRequest& request, const std::string& type) {
  const auto& modalities = request.model.modalities();
  CUTTLE_VALIDATE(modalities.size() > 1,
                  "objectives: {} compares senses, and there is only {}; remove it", type,
                  modalities.empty() ? "none" : modalities[0].name);
}

const Completion& taught_completion(const ObjectiveRequest& request) {
  const Completion* completion = request.model.completion();
  CUTTLE_VALIDATE(completion != nullptr && !completion->uses_support(),
                  "{}: teaches what model.completion says of a sense (and it is none, or learns "
                  "nothing); use model.completion: predicted or generated, or remove the objective",
                  request.prefix);
  return *completion;
}

Projections::Projections(const ObjectiveRequest& request, std::int64_t width) {
  const auto& modalities = request.model.modalities();
  for (std::size_t m = 0; m < modalities.size(); ++m)
    places.push_back(request.layout.add({request.prefix + "." + modalities[m].name + ".weight",
                                         {width, request.model.encoder(m).width()},
                                         Init::kFanIn,
                                         ParameterRole::kObjective}));
}

torch::Tensor Projections::operator()(const Tensors& p, const Senses& senses, std::size_t sense,
                                      const torch::Tensor& rows) const {
  return torch::linear(senses.pooled[sense].index_select(0, rows), of(p, places[sense]));
}

TwoLayers::TwoLayers(ParameterLayout& layout, const std::string& name, std::int64_t in,
                     std::int64_t hidden, std::int64_t out) {
  const auto add = [&](const char* part, std::vector<std::int64_t> shape, Init init) {
    return layout.add({name + part, std::move(shape), init, ParameterRole::kObjective});
  };
  weight1 = add(".0.weight", {hidden, in}, Init::kFanIn);
  bias1 = add(".0.bias", {hidden}, Init::kZeros);
  weight2 = add(".1.weight", {out, hidden}, Init::kFanIn);
  bias2 = add(".1.bias", {out}, Init::kZeros);
}

torch::Tensor TwoLayers::operator()(const Tensors& p, const torch::Tensor& x) const {
  return torch::linear(torch::gelu(torch::linear(x, of(p, weight1), of(p, bias1))), of(p, weight2),
                       of(p, bias2));
}

torch::Tensor rows_with(const Senses& senses, std::size_t one, std::size_t other) {
  return (senses.present.select(1, static_cast<std::int64_t>(one)) *
          senses.present.select(1, static_cast<std::int64_t>(other)))
      .nonzero()
      .squeeze(1);
}

torch::Tensor rows_told(const Senses& senses, const torch::Tensor& known, std::size_t sense) {
  const auto place = static_cast<std::int64_t>(sense);
  return (senses.present.select(1, place) * known.select(1, place)).nonzero().squeeze(1);
}

torch::Tensor stretch_means(const torch::Tensor& values, const torch::Tensor& mask,
                            std::int64_t stretches) {
  const auto options = values.options().requires_grad(false);
  const std::int64_t steps = values.size(2);
  const auto real = mask.defined() ? mask.to(values.scalar_type())
                                   : torch::ones({values.size(0), steps}, options);
  const auto length = real.sum(1).clamp_min(1).view({-1, 1, 1}) / static_cast<double>(stretches);
  const auto step = torch::arange(steps, options).view({1, steps, 1});
  const auto stretch = torch::arange(stretches, options).view({1, 1, stretches});
  const auto within =
      (torch::minimum(step + 1, (stretch + 1) * length) - torch::maximum(step, stretch * length))
          .clamp_min(0);
  return (values * real.unsqueeze(1)).matmul(within / length);
}

}  // namespace cuttle
