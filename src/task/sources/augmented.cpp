#include <torch/types.h>

#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/sense/augment.hpp"
#include "task/plan/draws.hpp"
#include "task/rows.hpp"
#include "task/sources/from_shards.hpp"

namespace cuttle {
namespace {

struct AugmentedOptions {
  double shift = 0.15, erase = 0.2, noise = 0.1;
  bool flip = false;
  void keys(Keys& keys) {
    keys.add("shift", shift, between(0, 0.5),
             "most that images and recordings move, of their size");
    keys.add("erase", erase, between(0, 0.9), "of images, recordings, characters, features");
    keys.add("noise", noise, between(0, 1), "of brightness, loudness and numbers");
    keys.add("flip", flip, anything(), "images left to right, every second one");
  }
  AugmentOptions strengths() const {
    AugmentOptions how;
    how.image = {shift, 0, 0, flip, noise, noise, 0, erase};
    how.audio = {shift, noise, 0, erase, 0};
    how.text = {erase, 0};
    how.series = {noise, 0, 0, shift, 0, erase};
    how.vector = {noise, 0, erase};
    return how;
  }
};

/// Each sample a class of its own, for learning without labels (UMTRA: Khodadadeh, Boloni, Shah
/// 2019): `way` samples of the split, whatever their class; the first of a class's support samples
/// is the sample itself, the others and all its queries are augmented. episode.groups is for the
/// episodes that evaluate.
class AugmentedSource final : public TaskSource {
 public:
  using Options = AugmentedOptions;
  AugmentedSource(const SourceRequest& request, const Options& options)
      : data_(*request.data),
        episode_(request.episode),
        how_(options.strengths()),
        model_(request.model),
        dropout_(request.modality_dropout) {
    check_episodes(data_, episode_);
    CUTTLE_VALIDATE(!episode_.of_values,
                    "episode.target: value does not go with the source augmented (its classes are "
                    "the samples themselves); use class, or another source");
    samples_ = samples_to_draw(data_, request.split, episode_);
    CUTTLE_VALIDATE(
        static_cast<std::int64_t>(samples_.size()) >= episode_.way,
        "split {} has {} samples, episodes need {} (episode.way: each is a class of its "
        "own); lower it, or use more data",
        to_string(request.split), samples_.size(), episode_.way);
  }

  EpisodeSize size(const RandomKey& key) const override { return size_of_episode(episode_, key); }
  Task make(const RandomKey& key) const override {
    Random random(key);
    const auto shots = draw_shots(episode_, random);
    std::vector<std::int64_t> chosen;
    draw(samples_, static_cast<std::int64_t>(shots.size()), random, chosen);
    Task task;
    task.key = key;
    task.support = batch_of(chosen, shots, true, key);
    task.query =
        batch_of(chosen, std::vector<std::int64_t>(shots.size(), episode_.query), false, key);
    return drop_senses(std::move(task), dropout_);
  }

 private:
  /// As many copies of each, class by class; `first`: the first is as it was recorded.
  Batch batch_of(const std::vector<std::int64_t>& chosen, const std::vector<std::int64_t>& copies,
                 bool first, const RandomKey& task) const {
    std::vector<std::int64_t> samples, labels;
    std::vector<bool> as_recorded;
    for (std::size_t label = 0; label < chosen.size(); ++label)
      for (std::int64_t copy = 0; copy < copies[label]; ++copy) {
        samples.push_back(chosen[label]);
        labels.push_back(static_cast<std::int64_t>(label));
        as_recorded.push_back(first && copy == 0);
      }
    RawBatch raw = read_batch(data_, samples, task);
    augment_in_turn(raw, data_.modalities(), how_,
                    task.with(first ? Draw::kSupportCopies : Draw::kQueryCopies), as_recorded);
    raw.labels = std::move(labels);
    return model_.prepare(raw, static_cast<std::int64_t>(chosen.size()));
  }

  const Dataset& data_;
  EpisodeOptions episode_;
  AugmentOptions how_;
  const Model& model_;
  double dropout_;
  std::vector<std::int64_t> samples_;
};

}  // namespace

SourceType row_of_augmented() {
  auto row = evaluated_on_episodes(type_of<AugmentedSource, SourceType>(
      "training: every sample a class of its own, its augmented versions the queries (no labels); "
      "validation and test: episodes",
      "UMTRA: Khodadadeh, Boloni, Shah 2019"));
  row.protocol.erase("augment.tasks");  // it has strengths of its own
  return row;
}

}  // namespace cuttle
