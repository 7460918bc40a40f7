#include "task/value_figures.hpp"

#include <fmt/format.h>

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

FigureTerm term_of(const std::optional<double>& value) {
  return value ? FigureTerm{*value, 1} : FigureTerm{};
}

std::string say_number(std::string_view name, double mean, std::optional<double> half_width) {
  return half_width ? fmt::format("{} {:.4f} +- {:.4f}", name, mean, *half_width)
                    : fmt::format("{} {:.4f}", name, mean);
}

std::string say_share(std::string_view name, double mean, std::optional<double> half_width) {
  return half_width ? fmt::format("{} {:.2f} +- {:.2f} %", name, 100 * mean, 100 * *half_width)
                    : fmt::format("{} {:.2f} %", name, 100 * mean);
}

}  // namespace cuttle
