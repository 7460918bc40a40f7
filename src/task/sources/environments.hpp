#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "cuttle/task/environment.hpp"
#include "task/sources/prior.hpp"

namespace cuttle {

/// Sources of environments to act in (episode.target: return). episode.shot is the number of
/// episodes that a step of adaptation sees, episode.query of those that the outer step sees.
class EnvironmentSource : public TaskSource {
 public:
  EnvironmentSource(const SourceRequest& request, std::int64_t horizon)
      : shot_(request.episode.shot), query_(request.episode.query), horizon_(horizon) {}

  EpisodeSize size(const RandomKey&) const override {
    return {1, shot_, shot_ * horizon_, query_ * horizon_};
  }
  Task make(const RandomKey& key) const override {
    Task task;
    task.key = key;
    task.support.environment = task.query.environment = draw(key);
    task.support.size = shot_;
    task.query.size = query_;
    return task;
  }

 private:
  virtual std::shared_ptr<const Environment> draw(const RandomKey& key) const = 0;

  std::int64_t shot_, query_, horizon_;
};

/// The key that they share.
struct HorizonOptions {
  std::int64_t horizon = 10;
  void keys(Keys& keys) { keys.add("horizon", horizon, between(1, 10000), "steps of an episode"); }
};

/// prior_type for them.
template <class Part>
SourceType environment_type(std::string summary, std::string source,
                            std::function<TaskInputs(const Section&)> inputs) {
  auto row = prior_type<Part>(std::move(summary), std::move(source), std::move(inputs));
  row.form = TaskForm::kEnvironment;
  row.protocol = {};
  return row;
}

}  // namespace cuttle
