#pragma once

#include <map>
#include <memory>
#include <string>

#include "cuttle/adapt/learner.hpp"

namespace cuttle {

/// A small image + text model and tasks made from a random key, without files: for tests of model
/// and adapt.
struct TinySettings {
  std::string algorithm = "maml", fusion = "concat", norm = "batch", inner_optimizer = "sgd";
  std::int64_t inner_steps = 2;
  double inner_lr = 0.1;
  bool fused = true;
  std::int64_t refine = 0, lite = 0, adapter = 0;
  std::string keep = "parameters";
  double part_loss = 0.0;
  bool frozen_text = false;
  std::map<std::string, ObjectiveOptions> objectives;
  std::string device = "cpu";
  std::string late_weights = "learned";
};

std::vector<ModalitySpec> tiny_modalities();
/// Settings that the chosen types have no keys for do nothing.
std::unique_ptr<const Learner> tiny_learner(const TinySettings& settings);
/// The same learner with other keys than the settings name: `values` by key, as YAML.
std::unique_ptr<const Learner> tiny_learner(const TinySettings& settings,
                                            const std::map<std::string, std::string>& values);
/// On the CPU: 3-way 2-shot, 3 queries per class; some samples lack the image, some the text, in
/// support and query.
Task tiny_task(const Model& model, std::uint32_t slot, torch::Dtype dtype);

}  // namespace cuttle
