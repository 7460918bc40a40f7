#include <torch/types.h>

#include "cuttle/core/error.hpp"
#include "task/rows.hpp"

namespace cuttle {
namespace {

/// Episodes of the shards' classes (EpisodePlanner): N-way K-shot, or samples of one class with
/// their values.
class EpisodeSource final : public TaskSource {
 public:
  using Options = NoOptions;
  EpisodeSource(const SourceRequest& request, const Options&)
      : data_(*request.data),
        planner_(data_, request.split, request.episode),
        model_(request.model),
        kept_(request.kept),
        dropout_(request.modality_dropout) {}

  EpisodeSize size(const RandomKey& key) const override { return planner_.size(key); }
  Task make(const RandomKey& key) const override {
    Task task = make_task(model_, materialise(data_, planner_.plan(key)), kept_);
    // Draws of support and query come from separate streams of the task's key.
    task.support = drop_modalities(task.support, dropout_, key.with(Stream::kModel, 1));
    task.query = drop_modalities(task.query, dropout_, key.with(Stream::kModel, 2));
    return task;
  }

 private:
  const Dataset& data_;
  EpisodePlanner planner_;
  const Model& model_;
  SampleCache* kept_;
  double dropout_;
};

}  // namespace

Task make_task(const Model& model, const Episode& episode, SampleCache* kept) {
  return {model.prepare(episode.support, episode.way, kept),
          model.prepare(episode.query, episode.way, kept), episode.key, episode.classes};
}

SourceType row_of_episodes() {
  return type_of<EpisodeSource, SourceType>("episodes of the shards' classes",
                                            "Vinyals et al. 2016");
}

}  // namespace cuttle
