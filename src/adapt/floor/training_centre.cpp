#include "adapt/floor/training_centre.hpp"

#include <string>
#include <utility>

#include "adapt/layers.hpp"

namespace cuttle {

TrainingCentre::TrainingCentre(ParameterLayout& layout, const std::vector<std::int64_t>& widths) {
  const auto own = [&](const std::string& name, std::int64_t width) {
    ParameterSpec spec{"learner." + name, {width}, Init::kZeros, ParameterRole::kLearner};
    spec.section = ParameterSection::kStatistics;
    return layout.add(std::move(spec));
  };
  for (std::size_t i = 0; i < widths.size(); ++i) {
    means_.push_back(own("centre." + std::to_string(i), widths[i]));
    filled_.push_back(own("filled." + std::to_string(i), 1));
  }
}

void TrainingCentre::observe(const Embedding& embedding, Statistics& seen) const {
  for (std::size_t i = 0; i < means_.size(); ++i) {
    const auto has = embedding.mask.narrow(1, static_cast<std::int64_t>(i), 1);
    const auto count = has.sum();
    if (count.item<double>() == 0) continue;
    seen.observe(means_[i], (embedding.parts[i] * has).sum(0) / count);
    seen.observe(filled_[i], torch::ones({1}, has.options()));
  }
}

torch::Tensor TrainingCentre::of_part(const Tensors& parameters, std::size_t part) const {
  const auto mean = parameter_at(parameters, means_[part]);
  const auto filled = parameter_at(parameters, filled_[part]);
  return (mean / filled.masked_fill(filled.eq(0), 1)).to(torch::kCPU, torch::kFloat64);
}

}  // namespace cuttle
