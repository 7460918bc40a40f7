#include "adapt/fast_weights.hpp"

#include <torch/types.h>

#include <utility>

#include "adapt/embed.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

const std::string kNorms = "support_norm.";

}  // namespace

FastWeights::FastWeights(std::shared_ptr<const Model> model, std::shared_ptr<const TaskKind> kind,
                         Tensors theta, const Batch& support, std::int64_t inner_step)
    : model_(std::move(model)),
      kind_(std::move(kind)),
      theta_(std::move(theta)),
      inner_step_(inner_step) {
  const torch::NoGradGuard no_grad;
  given_ = model_->look_at(theta_, support, in_use(inner_step_));
}

FastWeights::FastWeights(std::shared_ptr<const Model> model, std::shared_ptr<const TaskKind> kind,
                         Tensors theta, Statistics given, std::int64_t inner_step)
    : model_(std::move(model)),
      kind_(std::move(kind)),
      theta_(std::move(theta)),
      inner_step_(inner_step),
      given_(std::move(given)) {}

std::unique_ptr<Adapted> FastWeights::restore(std::shared_ptr<const Model> model,
                                              std::shared_ptr<const TaskKind> kind,
                                              const std::map<std::string, torch::Tensor>& state,
                                              std::int64_t inner_step) {
  auto theta = parameters_in(*model, state, "fast_weights");
  return std::unique_ptr<Adapted>(new FastWeights(
      std::move(model), std::move(kind), std::move(theta), statistics_in(state), inner_step));
}

Adapted::Answers FastWeights::answer(const Batch& batch) const {
  const torch::NoGradGuard no_grad;
  Context context = in_use(inner_step_);
  if (model_->uses_support()) context.given = &given_;
  const Embedding embedding = model_->embed(theta_, batch, context);
  return {model_->classify(theta_, embedding, kind_->columns(batch)), embedding};
}

std::map<std::string, torch::Tensor> FastWeights::state() const {
  std::map<std::string, torch::Tensor> state{{"fast_weights", model_->layout()->kept(theta_)}};
  add_statistics(given_, state);
  return state;
}

torch::Tensor state_entry(const std::map<std::string, torch::Tensor>& state,
                          const std::string& name, std::int64_t elements) {
  const auto found = state.find(name);
  CUTTLE_REQUIRE(found != state.end(),
                 "the adapted model has no entry '{}' (made by another algorithm?)", name);
  CUTTLE_REQUIRE(
      elements < 0 || found->second.numel() == elements,
      "the adapted model's entry '{}' has {} elements where the model needs {} (another model?)",
      name, found->second.numel(), elements);
  return found->second;
}

void add_statistics(const Statistics& given, std::map<std::string, torch::Tensor>& state) {
  for (const auto& [norm, moments] : given.moments) {
    const std::string name = kNorms + std::to_string(norm);
    state[name + ".mean"] = moments.mean;
    state[name + ".variance"] = moments.variance;
    state[name + ".samples"] = torch::tensor({moments.samples});
  }
}

Statistics statistics_in(const std::map<std::string, torch::Tensor>& state) {
  Statistics given;
  for (const auto& [name, tensor] : state) {
    if (name.rfind(kNorms, 0) != 0) continue;
    auto& moments = given.moments[std::stoll(name.substr(kNorms.size()))];
    const auto entry = name.substr(name.rfind('.'));
    if (entry == ".mean") moments.mean = tensor;
    if (entry == ".variance") moments.variance = tensor;
    if (entry == ".samples") moments.samples = tensor.item<std::int64_t>();
  }
  return given;
}

}  // namespace cuttle
