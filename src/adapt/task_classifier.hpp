#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "cuttle/config/section.hpp"
#include "cuttle/model/parameter_list.hpp"
#include "cuttle/sense/batch.hpp"

// A classifier of features: logits are linear in them, or cosines between them and a weight of each
// class (Chen, Liu, Kira, Wang, Huang 2019, "A closer look at few-shot classification").
namespace cuttle {

struct ClassifierOptions {
  std::string classifier = "linear";
  double scale = 10.0, finetune_lr = 0.1;
  std::int64_t finetune_steps = 100;
  void keys(Keys& keys);
  bool cosine() const { return classifier == "cosine"; }
};

/// Logits; a cosine classifier has no bias.
torch::Tensor classify(const ClassifierOptions& options, const torch::Tensor& features,
                       const torch::Tensor& weight, const torch::Tensor& bias);

/// Where fine-tuning starts: weight and bias, zeros (linear) or the class means (cosine).
Tensors new_classifier(const ClassifierOptions& options, const torch::Tensor& features,
                       const Batch& support);

/// Gradient descent with momentum on a loss of `values`; the first decays.
Tensors fine_tuned(const ClassifierOptions& options, Tensors values,
                   const std::function<torch::Tensor(const Tensors&)>& loss);

}  // namespace cuttle
