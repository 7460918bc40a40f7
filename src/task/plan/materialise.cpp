#include "cuttle/core/error.hpp"
#include "cuttle/task/episode.hpp"

namespace cuttle {

namespace {

std::vector<float> read_targets(const Dataset& data, const std::vector<std::int64_t>& samples) {
  std::vector<float> targets;
  targets.reserve(samples.size() * static_cast<std::size_t>(data.target_width()));
  for (const std::int64_t sample : samples) {
    const Span<const float> row = data.target(sample);
    targets.insert(targets.end(), row.begin(), row.end());
  }
  return targets;
}

}  // namespace

Episode materialise(const Dataset& data, const EpisodePlan& plan) {
  Episode episode;
  episode.key = plan.key;
  episode.way = static_cast<std::int64_t>(plan.classes.size());
  episode.classes = plan.classes;
  episode.support = read_batch(data, plan.support, plan.key);
  episode.support.labels = plan.support_labels;
  episode.query = read_batch(data, plan.query, plan.key);
  episode.query.labels = plan.query_labels;
  if (plan.values) {
    episode.support.targets = read_targets(data, plan.support);
    episode.query.targets = read_targets(data, plan.query);
  }
  return episode;
}

}  // namespace cuttle
