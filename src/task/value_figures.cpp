#include "task/value_figures.hpp"

namespace cuttle {

std::vector<Figure> figures_of_values() {
  return {{"mean_absolute_error"}, {"root_mean_squared_error", true}, {"r_squared"}};
}

std::vector<FigureTerm> terms_of_values(const torch::Tensor& estimates,
                                        const torch::Tensor& targets) {
  const auto y = targets.to(torch::kFloat64), error = estimates.to(torch::kFloat64) - y;
  const auto absolute = error.abs().sum(0), squared = error.square().sum(0);
  const auto spread = (y - y.mean(0, true)).square().sum(0);
  const auto n = static_cast<double>(y.size(0));
  return terms_by_target(3, y.size(1), [&](std::int64_t t) -> std::vector<FigureTerm> {
    const auto off = squared[t].item<double>(), all = spread[t].item<double>();
    return {{absolute[t].item<double>(), n}, {off, n}, {all - off, all}};
  });
}

}  // namespace cuttle
