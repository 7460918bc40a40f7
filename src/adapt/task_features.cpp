#include "adapt/task_features.hpp"

#include <torch/types.h>

#include <utility>

#include "adapt/layers.hpp"

namespace cuttle {

TaskFeatures::TaskFeatures(ParameterLayout& layout, const Fusion& fusion,
                           const std::string& transform)
    : unit_(transform != "none") {
  const auto widths = fusion.part_widths();
  for (std::size_t i = 0; transform == "centred_unit" && i < widths.size(); ++i) {
    ParameterSpec mean{
        "learner.mean." + std::to_string(i), {widths[i]}, Init::kZeros, ParameterRole::kLearner};
    mean.section = ParameterSection::kStatistics;
    means_.push_back(layout.add(std::move(mean)));
  }
}

torch::Tensor TaskFeatures::of(const Tensors& parameters, const Embedding& embedding) const {
  const auto features = as_one(centred(parameters, embedding));
  return unit_ ? unit_rows(features) : features;
}

Embedding TaskFeatures::parts_of(const Tensors& parameters, const Embedding& embedding) const {
  Embedding parts = centred(parameters, embedding);
  if (unit_)
    for (auto& part : parts.parts) part = unit_rows(part);
  return parts;
}

Embedding TaskFeatures::centred(const Tensors& parameters, Embedding embedding) const {
  for (std::size_t i = 0; i < means_.size(); ++i)
    embedding.parts[i] = (embedding.parts[i] - parameter_at(parameters, means_[i])) *
                         embedding.mask.narrow(1, static_cast<std::int64_t>(i), 1);
  return embedding;
}

void TaskFeatures::observe(const Embedding& embedding, Statistics& seen) const {
  for (std::size_t i = 0; i < means_.size(); ++i) {
    const auto has = embedding.mask.narrow(1, static_cast<std::int64_t>(i), 1);
    const auto count = has.sum();
    if (count.item<double>() > 0)
      seen.observe(means_[i], ((embedding.parts[i] * has).sum(0) / count).detach());
  }
}

}  // namespace cuttle
