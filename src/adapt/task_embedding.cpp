#include "cuttle/adapt/task_embedding.hpp"

#include <torch/types.h>

#include <cmath>

#include "adapt/embed.hpp"
#include "adapt/fast_weights.hpp"
#include "cuttle/adapt/autograd.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

constexpr double kLeast = 1e-12;     ///< under roots: one sample has no spread, but a gradient
constexpr std::int64_t kDraws = 16;  ///< of labels, by which the Fisher information is estimated
constexpr double kSharpness = 10;    ///< of cosines as logits

torch::Tensor spread_of(const torch::Tensor& variance) {
  return (variance + kLeast).sqrt();
}

/// Mean and spread of the rows of x [n, width] that count (share [n, 1], its sum 1).
torch::Tensor moments_of(const torch::Tensor& x, const torch::Tensor& share) {
  const auto mean = (share * x).sum(0);
  return torch::cat({mean, spread_of((share * (x - mean).square()).sum(0))});
}

/// Labels drawn from probabilities [n, way].
torch::Tensor drawn_from(const torch::Tensor& probabilities, Random& random) {
  std::vector<double> draws;
  for (std::int64_t i = 0; i < probabilities.size(0); ++i) draws.push_back(random.uniform());
  const auto until = probabilities.to(torch::kCPU, torch::kFloat64).cumsum(1).contiguous();
  const auto at = torch::tensor(draws, torch::kFloat64).unsqueeze(1);
  return torch::searchsorted(until, at, false, /*right=*/true)
      .clamp_max(probabilities.size(1) - 1)
      .to(probabilities.device());
}

/// What the Fisher information is of: weights of the body, those of a filter in a row.
std::vector<std::size_t> weights_of(const ParameterLayout& layout) {
  std::vector<std::size_t> places;
  for (const std::int64_t i : layout.with_role(ParameterRole::kBody))
    if (layout.is_learned(i) && layout.spec(i).shape.size() > 1)
      places.push_back(static_cast<std::size_t>(i));
  return places;
}

/// For each of `draws` draws of labels y_i ~ p(y | x_i) the squared gradient of the sum of log
/// p(y_i | x_i): these gradients are independent and have mean 0, so what is expected of the square
/// is the sum of their own squares, which is the Fisher information of the support set.
TaskPoint fisher_point(const Model& model, const Tensors& parameters, const Batch& support,
                       const RandomKey& key) {
  CUTTLE_VALIDATE(support.labels.defined() && !support.targets.defined(),
                  "fisher is about classes, and these tasks have none; use statistics");
  const auto places = weights_of(*model.layout());
  CUTTLE_VALIDATE(!places.empty(),
                  "fisher is about weights that are learned, and this model has none; use "
                  "statistics");
  const torch::AutoGradMode with_grad(true);
  const auto leaves = as_leaves(parameters);
  Statistics given;
  const auto embedding = embed_support(model, leaves, support, in_use(0, key), given, 0);
  const auto members = members_of(support, embedding.mask.options());
  Tensors means = prototypes_of(embedding, members);
  for (auto& mean : means) mean = mean.detach();
  const auto scale = torch::full({}, std::log(kSharpness), embedding.mask.options());
  const auto log_p = torch::log_softmax(
      logits_of(model.fusion(), nearness_to(means, embedding, scale), embedding.weights), 1);
  const auto p = log_p.detach().exp();
  Tensors weights;
  for (const std::size_t place : places) weights.push_back(leaves[place]);
  Tensors sums(weights.size());
  Random random(key.with(Draw::kAnswers));
  for (std::int64_t draw = 0; draw < kDraws; ++draw) {
    const auto score = log_p.gather(1, drawn_from(p, random)).sum();
    const auto slopes = vector_jacobian({score}, weights, {torch::ones_like(score)}, true);
    for (std::size_t w = 0; w < sums.size(); ++w) {
      const auto rows = slopes[w].detach().to(torch::kFloat64).square().flatten(1).mean(1);
      sums[w] = sums[w].defined() ? sums[w] + rows : rows;
    }
  }
  const auto count = static_cast<double>(kDraws * support.size);
  return {{"fisher", (torch::cat(sums) / count).to(torch::kCPU)}};
}

}  // namespace

TaskView task_view_from(const std::string& word) {
  CUTTLE_VALIDATE(word == "statistics" || word == "fisher",
                  "'{}' makes no point of a task; use statistics or fisher", word);
  return word == "fisher" ? TaskView::kFisher : TaskView::kStatistics;
}

std::string to_string(TaskView view) {
  return view == TaskView::kFisher ? "fisher" : "statistics";
}

TaskPoint task_statistics(const Embedding& embedding, const Statistics& given,
                          const Batch& support) {
  TaskPoint point;
  torch::Tensor answers;
  if (support.targets.defined()) {
    answers = support.targets.to(embedding.mask.options());
    const auto all = torch::ones({answers.size(0), 1}, answers.options());
    point["values"] = moments_of(answers, all / answers.size(0));
  }
  for (std::size_t p = 0; p < embedding.parts.size(); ++p) {
    const auto share = embedding.mask.narrow(1, static_cast<std::int64_t>(p), 1);
    const auto count = share.sum();
    if (count.item<double>() == 0) continue;
    const auto& x = embedding.parts[p];
    point["part " + std::to_string(p)] = moments_of(x, share / count);
    if (!answers.defined()) continue;
    const auto centred = x - (share * x).sum(0) / count;
    point["values by part " + std::to_string(p)] =
        (share * answers).t().matmul(centred).flatten() / count;
  }
  for (const auto& [norm, seen] : given.moments) {
    if (seen.of_input) continue;
    const bool by_sample = seen.mean.dim() > 1;
    const auto mean = by_sample ? seen.mean.mean(0) : seen.mean;
    const auto variance = by_sample ? seen.variance.mean(0) : seen.variance;
    point["norm " + std::to_string(norm)] = torch::cat({mean, spread_of(variance)});
  }
  return point;
}

TaskPoint task_point(TaskView view, const Model& model, const Tensors& parameters,
                     const Batch& support, const RandomKey& key) {
  if (view == TaskView::kFisher) return fisher_point(model, parameters, support, key);
  const torch::NoGradGuard no_grad;
  Statistics given;
  const auto embedding =
      embed_support(model, parameters, support, in_use(0, key), given, model.lite());
  TaskPoint point = task_statistics(embedding, given, support);
  for (auto& [name, values] : point) values = values.to(torch::kCPU, torch::kFloat64);
  return point;
}

torch::Tensor block_distances(TaskView view, const torch::Tensor& point,
                              const torch::Tensor& others) {
  if (view == TaskView::kStatistics) return (others - point).square().sum(1);
  const auto sum = (others + point).clamp_min(1e-30);
  const auto a = point / sum, b = others / sum;
  const auto lengths = (a.square().sum(1) * b.square().sum(1)).sqrt();
  return 1 - (a * b).sum(1) / lengths.clamp_min(1e-30);
}

}  // namespace cuttle
