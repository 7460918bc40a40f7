#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "cuttle/task/task.hpp"

namespace cuttle {

/// Sources whose tasks are drawn from a prior over functions: shot samples to adapt to, query
/// samples to predict, of the one modality "x" with one target value; or with classes, so many of
/// each on average.
class PriorSource : public TaskSource {
 public:
  explicit PriorSource(const SourceRequest& request)
      : classes_(!request.episode.of_values),
        way_(classes_ ? request.episode.way : 1),
        way_min_(classes_ ? request.episode.way_min : 0),
        shot_(request.episode.shot),
        shot_min_(request.episode.shot_min),
        query_(request.episode.query),
        features_(request.model.modalities().at(0).shape.at(0)) {}

  EpisodeSize size(const RandomKey& key) const override;
  Task make(const RandomKey& key) const override;

 protected:
  const bool classes_;  ///< y is a class in 0..way-1

 private:
  /// One function, and samples of it, the support first: x [samples, features], y [samples].
  virtual void draw(Random& random, const EpisodeSize& size, float* x, float* y) const = 0;

  std::int64_t way_, way_min_, shot_, shot_min_, query_, features_;
};

/// A modality of vectors that no shard declares.
inline ModalitySpec vector_of(const std::string& name, std::int64_t features) {
  ModalitySpec spec;
  spec.name = name;
  spec.kind = ModalityKind::kVector;
  spec.shape = {features};
  return spec;
}

/// type_of for sources that need no shards.
template <class Part>
SourceType prior_type(std::string summary, std::string source,
                      std::function<TaskInputs(const Section&)> inputs) {
  auto row = type_of<Part, SourceType>(std::move(summary), std::move(source));
  row.inputs = std::move(inputs);
  row.protocol = {"episode.shot_min", "model.dropout"};
  return row;
}

}  // namespace cuttle
