#include "train/query_outputs.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "cuttle/train/calibration.hpp"

namespace cuttle {
namespace {

/// Places of a batch's samples by label.
std::vector<std::vector<std::int64_t>> rows_by_class(const Batch& batch) {
  std::vector<std::vector<std::int64_t>> rows(static_cast<std::size_t>(batch.way));
  const auto labels = batch.labels.to(torch::kCPU);
  for (std::int64_t i = 0; i < batch.size; ++i)
    rows[static_cast<std::size_t>(labels[i].item<std::int64_t>())].push_back(i);
  return rows;
}

/// The places that are answered together.
std::vector<std::vector<std::int64_t>> rows_at_once(const Batch& query, QueriesAtOnce at_once) {
  if (at_once == QueriesAtOnce::kClass) return rows_by_class(query);
  std::vector<std::vector<std::int64_t>> rows;
  for (std::int64_t i = 0; i < query.size; ++i) rows.push_back({i});
  return rows;
}

}  // namespace

Answered answers_to(const Adapted& adapted, const Batch& batch, QueriesAtOnce at_once,
                    const Novelty* novelty) {
  const auto once = [&](const Batch& part) -> Answered {
    if (novelty == nullptr) return {adapted.predict(part).to(torch::kCPU), {}};
    const auto answers = adapted.answer(part);
    return {answers.outputs.to(torch::kCPU), novelty->distances(answers.embedding)};
  };
  if (at_once == QueriesAtOnce::kAll) return once(batch);
  Tensors outputs;
  std::vector<std::int64_t> places;
  std::vector<float> distances(novelty == nullptr ? 0 : static_cast<std::size_t>(batch.size));
  for (const auto& rows : rows_at_once(batch, at_once)) {
    if (rows.empty()) continue;
    const Answered part = once(select_rows(batch, rows));
    outputs.push_back(part.outputs);
    places.insert(places.end(), rows.begin(), rows.end());
    for (std::size_t i = 0; i < part.distances.size(); ++i)
      distances[static_cast<std::size_t>(rows[i])] = part.distances[i];
  }
  const auto answered = torch::cat(outputs);
  return {
      torch::empty_like(answered).index_copy_(0, torch::tensor(places, torch::kInt64), answered),
      std::move(distances)};
}

torch::Tensor query_outputs(const Learner& learner, const ParameterList& parameters,
                            const Task& task, QueriesAtOnce at_once) {
  const Task there = task.on(learner.model().device());
  const auto adapted = learner.adapt(parameters, there.support, there.key);
  return answers_to(*adapted, there.query, at_once).outputs;
}

std::vector<std::int64_t> unbalanced_counts(std::int64_t way, std::int64_t most,
                                            const RandomKey& key) {
  Random random(key.with(Draw::kShares));
  // Gamma(2) is the sum of two exponentials; shares of Gammas are Dirichlet.
  std::vector<double> weights;
  for (std::int64_t c = 0; c < way; ++c)
    weights.push_back(-std::log1p(-random.uniform()) - std::log1p(-random.uniform()));
  const double largest = *std::max_element(weights.begin(), weights.end());
  std::vector<std::int64_t> counts;
  for (const double weight : weights)
    counts.push_back(
        static_cast<std::int64_t>(std::llround(static_cast<double>(most) * weight / largest)));
  return counts;
}

Batch first_of_classes(const Batch& batch, const std::vector<std::int64_t>& counts) {
  const auto rows = rows_by_class(batch);
  std::vector<std::int64_t> kept;
  for (std::size_t c = 0; c < rows.size(); ++c) {
    const auto count = std::min(rows[c].size(), static_cast<std::size_t>(counts[c]));
    kept.insert(kept.end(), rows[c].begin(), rows[c].begin() + static_cast<std::ptrdiff_t>(count));
  }
  std::sort(kept.begin(), kept.end());
  return select_rows(batch, kept);
}

Batch unbalanced_query(const Task& task) {
  std::size_t most = 0;
  for (const auto& of_class : rows_by_class(task.query)) most = std::max(most, of_class.size());
  return first_of_classes(
      task.query, unbalanced_counts(task.query.way, static_cast<std::int64_t>(most), task.key));
}

}  // namespace cuttle
