#include "adapt/tuned_model.hpp"

#include <torch/types.h>

#include <utility>

#include "adapt/fast_weights.hpp"

namespace cuttle {

TunedModel::TunedModel(std::shared_ptr<const Model> model, const ClassifierOptions& options,
                       TaskFeatures features)
    : model_(std::move(model)), options_(options), features_(std::move(features)) {}

std::unique_ptr<Adapted> TunedModel::tuned(std::shared_ptr<const Model> model, const TaskKind& kind,
                                           const ClassifierOptions& options, TaskFeatures features,
                                           Tensors parameters, const Batch& support) {
  std::unique_ptr<TunedModel> made(new TunedModel(std::move(model), options, std::move(features)));
  const auto seen_by = [&](const Tensors& p) {
    return made->features_.of(p, made->model_->embed(p, support, in_use()));
  };
  std::vector<std::size_t> places;  // of what moves, behind weight and bias
  Tensors values;
  {
    const torch::NoGradGuard no_grad;
    values = new_classifier(options, seen_by(parameters), support);
  }
  const ParameterLayout& layout = *made->model_->layout();
  for (const std::int64_t i : layout.with_role(ParameterRole::kBody)) {
    if (!layout.is_learned(i)) continue;
    places.push_back(static_cast<std::size_t>(i));
    values.push_back(parameters[places.back()]);
  }
  const auto put = [&](const Tensors& tuned) {
    for (std::size_t j = 0; j < places.size(); ++j) parameters[places[j]] = tuned[j + 2];
  };
  values = fine_tuned(options, std::move(values), [&](const Tensors& p) {
    put(p);
    return kind.support_loss(classify(options, seen_by(parameters), p[0], p[1]), support);
  });
  put(values);
  const torch::NoGradGuard no_grad;
  made->given_ = made->model_->look_at(parameters, support, in_use());
  made->parameters_ = std::move(parameters);
  made->weight_ = values[0];
  made->bias_ = values[1];
  return made;
}

std::unique_ptr<Adapted> TunedModel::restore(std::shared_ptr<const Model> model,
                                             const ClassifierOptions& options,
                                             TaskFeatures features,
                                             const std::map<std::string, torch::Tensor>& state,
                                             std::int64_t way) {
  std::unique_ptr<TunedModel> made(new TunedModel(std::move(model), options, std::move(features)));
  made->parameters_ = parameters_in(*made->model_, state);
  made->weight_ =
      state_entry(state, "classifier.weight", way * width_as_one(made->model_->fusion()));
  made->bias_ = state_entry(state, "classifier.bias", way);
  made->given_ = statistics_in(state);
  return made;
}

Adapted::Answers TunedModel::answer(const Batch& batch) const {
  const torch::NoGradGuard no_grad;
  Context context = in_use();
  if (model_->uses_support()) context.given = &given_;
  const Embedding embedding = model_->embed(parameters_, batch, context);
  return {classify(options_, features_.of(parameters_, embedding), weight_, bias_), embedding};
}

std::map<std::string, torch::Tensor> TunedModel::state() const {
  std::map<std::string, torch::Tensor> state{{"parameters", model_->layout()->kept(parameters_)},
                                             {"classifier.weight", weight_},
                                             {"classifier.bias", bias_}};
  add_statistics(given_, state);
  return state;
}

}  // namespace cuttle
