#pragma once

#include <utility>

#include "cuttle/task/task.hpp"

// What sources that draw from shards have in common.
namespace cuttle {

/// Hides present senses of a training task's samples at this rate; support and query by streams of
/// their own.
Task drop_senses(Task task, double rate);

/// Changes the samples of a training task's support, query or both, by streams of their own.
void augment_episode(Episode& episode, const Dataset& data, const AugmentOptions& how);

/// A source whose tasks are for training alone: whoever evaluates gets episodes.
SourceType evaluated_on_episodes(SourceType row);

/// Episodes as a planner draws them: made of (data, split, options), it has size(key), plan(key)
/// and left_out().
template <class Planner>
class PlannedEpisodes : public TaskSource {
 public:
  using Options = NoOptions;
  PlannedEpisodes(const SourceRequest& request, const Options&)
      : PlannedEpisodes(request, Planner(*request.data, request.split, request.episode)) {}
  PlannedEpisodes(const SourceRequest& request, Planner planner)
      : data_(*request.data),
        planner_(std::move(planner)),
        model_(request.model),
        kept_(request.kept),
        dropout_(request.modality_dropout),
        augment_(request.augment) {}

  EpisodeSize size(const RandomKey& key) const override { return planner_.size(key); }
  std::string left_out() const override { return planner_.left_out(); }
  std::vector<std::int64_t> samples(const RandomKey& key) const override {
    auto plan = planner_.plan(key);
    plan.support.insert(plan.support.end(), plan.query.begin(), plan.query.end());
    return std::move(plan.support);
  }
  Task make(const RandomKey& key) const override {
    Episode episode = materialise(data_, planner_.plan(key));
    augment_episode(episode, data_, augment_);
    return drop_senses(make_task(model_, episode, kept_), dropout_);
  }

 private:
  const Dataset& data_;
  Planner planner_;
  const Model& model_;
  SampleCache* kept_;
  double dropout_;
  AugmentOptions augment_;
};

}  // namespace cuttle
