#include "task/objectives/mixing.hpp"

namespace cuttle {
namespace {

torch::Tensor places(const std::vector<std::int64_t>& of, const torch::Tensor& like) {
  return torch::tensor(of, torch::kInt64).to(like.device());
}

}  // namespace

Embedding mixed_embedding(const Embedding& embedding, const std::vector<std::int64_t>& first,
                          const std::vector<std::int64_t>& second,
                          const std::vector<double>& share) {
  const auto& like = embedding.mask;
  const auto a = places(first, like), b = places(second, like);
  constexpr double kLeast = 1e-6;  // at 0 or 1 a part that one alone has would be nobody's
  const auto of_first = torch::tensor(share, torch::kFloat64)
                            .clamp(kLeast, 1 - kLeast)
                            .to(like.options())
                            .unsqueeze(1);
  const auto mask_a = like.index_select(0, a), mask_b = like.index_select(0, b);
  auto weight_a = of_first.expand_as(mask_a), weight_b = 1 - weight_a;
  if (!embedding.complete) {
    const auto has_a = mask_a.gt(0).to(like.scalar_type()), has_b = mask_b.gt(0).to(has_a);
    const auto all = (weight_a * has_a + weight_b * has_b).clamp_min(1e-30);  // of neither: 0
    weight_a = weight_a * has_a / all;
    weight_b = weight_b * has_b / all;
  }
  Embedding made = embedding;
  made.mask = embedding.complete ? mask_a : weight_a * mask_a + weight_b * mask_b;
  for (std::size_t i = 0; i < made.parts.size(); ++i) {
    const auto& part = embedding.parts[i];
    const auto at = static_cast<std::int64_t>(i);
    made.parts[i] = weight_a.narrow(1, at, 1) * part.index_select(0, a) +
                    weight_b.narrow(1, at, 1) * part.index_select(0, b);
  }
  return made;
}

Batch asked_of(const Batch& batch, const std::vector<std::int64_t>& samples) {
  Batch asked;
  asked.size = static_cast<std::int64_t>(samples.size());
  asked.way = batch.way;
  if (batch.labels.defined())
    asked.labels = batch.labels.index_select(0, places(samples, batch.labels));
  if (batch.targets.defined())
    asked.targets = batch.targets.index_select(0, places(samples, batch.targets));
  return asked;
}

torch::Tensor answers_to(const Model& model, const TaskKind& kind, const Tensors& parameters,
                         const Pass& pass, const Embedding& embedding, const Batch& batch) {
  if (pass.classify) return pass.classify(embedding);
  return model.classify(parameters, embedding, kind.columns(batch));
}

}  // namespace cuttle
