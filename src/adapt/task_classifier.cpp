#include "adapt/task_classifier.hpp"

#include <torch/types.h>

#include <utility>

#include "adapt/embed.hpp"
#include "cuttle/adapt/autograd.hpp"

namespace cuttle {

void ClassifierOptions::keys(Keys& keys) {
  keys.add("classifier", classifier, one_of({"linear", "cosine"}),
           "of the training classes; cosine: Baseline++");
  keys.add("scale", scale, above(0), "cosine: logits are this times the cosine");
  keys.add("finetune_steps", finetune_steps, at_least(1), "of fine-tuning");
  keys.add("finetune_lr", finetune_lr, above(0),
           "their rate, with momentum 0.9; finetune_all wants less, such as 0.01");
}

torch::Tensor classify(const ClassifierOptions& options, const torch::Tensor& features,
                       const torch::Tensor& weight, const torch::Tensor& bias) {
  if (options.cosine())
    return options.scale * torch::linear(unit_rows(features), unit_rows(weight));
  return torch::linear(features, weight, bias);
}

Tensors new_classifier(const ClassifierOptions& options, const torch::Tensor& features,
                       const Batch& support) {
  const auto members = members_of(support, features.options().requires_grad(false));
  auto means = members.matmul(features) / members.sum(1, true).clamp_min(1);
  auto bias = torch::zeros({support.way}, features.options());
  return {options.cosine() ? std::move(means) : torch::zeros_like(means), bias};
}

Tensors fine_tuned(const ClassifierOptions& options, Tensors values,
                   const std::function<torch::Tensor(const Tensors&)>& loss) {
  constexpr double kMomentum = 0.9, kDecay = 1e-3;
  Tensors speed;
  for (const auto& value : values) speed.push_back(torch::zeros_like(value));
  for (std::int64_t k = 0; k < options.finetune_steps; ++k) {
    const auto leaves = as_leaves(values);
    const torch::AutoGradMode graph(true);
    const auto slopes = gradient_of(loss(leaves), leaves, false);
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!slopes[i].defined()) continue;  // a cosine has no bias
      speed[i] = kMomentum * speed[i] + slopes[i];
      if (i == 0) speed[i] = speed[i] + kDecay * values[i];
      values[i] = values[i] - options.finetune_lr * speed[i];
    }
  }
  return values;
}

}  // namespace cuttle
