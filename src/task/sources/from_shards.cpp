#include "task/sources/from_shards.hpp"

#include <torch/types.h>

#include "cuttle/sense/augment.hpp"
#include "task/rows.hpp"

namespace cuttle {

Task make_task(const Model& model, const Episode& episode, SampleCache* kept) {
  return {model.prepare(episode.support, episode.way, kept),
          model.prepare(episode.query, episode.way, kept), episode.key, episode.classes};
}

Task drop_senses(Task task, double rate) {
  task.support = drop_modalities(task.support, rate, task.key.with(Draw::kSupportSenses));
  task.query = drop_modalities(task.query, rate, task.key.with(Draw::kQuerySenses));
  return task;
}

void augment_episode(Episode& episode, const Dataset& data, const AugmentOptions& how) {
  const RandomKey& key = episode.key;
  const auto& senses = data.modalities();
  if (how.support()) augment(episode.support, senses, how, key.with(Draw::kSupportVersions));
  if (how.query()) augment(episode.query, senses, how, key.with(Draw::kQueryVersions));
}

SourceType evaluated_on_episodes(SourceType row) {
  row.make = [train = row.make](const SourceRequest& request) {
    return request.evaluation ? row_of_episodes().make(request) : train(request);
  };
  return row;
}

}  // namespace cuttle
