#include <torch/types.h>

#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/sense/augment.hpp"
#include "task/rows.hpp"
#include "task/sources/from_shards.hpp"

namespace cuttle {
namespace {

struct MinibatchOptions {
  std::int64_t batch = 64;
  bool balanced = false;
  void keys(Keys& keys) {
    keys.add("batch", batch, at_least(1), "labelled samples of a task");
    keys.add("balanced", balanced, anything(),
             "samples of rare classes are drawn more often, each by 1 over the samples of its "
             "class; false: all alike");
  }
};

/// Labelled samples of all training classes, for pretraining: a task's query is a minibatch whose
/// labels are places in the list of training classes; its support is empty.
class MinibatchSource final : public TaskSource {
 public:
  using Options = MinibatchOptions;
  MinibatchSource(const SourceRequest& request, const MinibatchOptions& options)
      : data_(*request.data),
        model_(request.model),
        kept_(request.kept),
        dropout_(request.modality_dropout),
        augment_(request.augment),
        classes_(data_.classes_of(request.split)) {
    for (std::size_t label = 0; label < classes_.size(); ++label)
      for (const std::int64_t sample : data_.samples_of(classes_[label])) {
        if (data_.samples()[static_cast<std::size_t>(sample)].present == 0) continue;
        samples_.push_back(sample);
        labels_.push_back(static_cast<std::int64_t>(label));
      }
    if (options.balanced) weigh_classes_alike();
    size_ = std::min(options.batch, static_cast<std::int64_t>(samples_.size()));
    CUTTLE_VALIDATE(size_ > 0, "split {} has no labelled samples (there is nothing to train on)",
                    to_string(request.split));
    CUTTLE_VALIDATE(augment_.tasks != "support",
                    "augment.tasks: support has no effect with minibatches (they have no support "
                    "set); use query");
  }

  EpisodeSize size(const RandomKey&) const override {
    return {static_cast<std::int64_t>(classes_.size()), 0, 0, size_};
  }
  Task make(const RandomKey& key) const override {
    Random random(key);
    std::vector<std::int64_t> chosen, labels;
    for (const auto i : weights_.empty()
                            ? random.sample(static_cast<std::int64_t>(samples_.size()), size_)
                            : random.sample(weights_, size_)) {
      chosen.push_back(samples_[static_cast<std::size_t>(i)]);
      labels.push_back(labels_[static_cast<std::size_t>(i)]);
    }
    RawBatch raw = read_batch(data_, chosen, key);
    raw.labels = std::move(labels);
    if (augment_.query())
      augment(raw, data_.modalities(), augment_, key.with(Draw::kQueryVersions));
    Task task;
    task.key = key;
    task.classes = classes_;
    const auto way = static_cast<std::int64_t>(classes_.size());
    task.query = model_.prepare(raw, way, kept_);
    task.support = select_rows(task.query, {});
    return drop_senses(std::move(task), dropout_);
  }

 private:
  void weigh_classes_alike() {
    std::vector<double> counts(classes_.size(), 0);
    for (const std::int64_t label : labels_) ++counts[static_cast<std::size_t>(label)];
    for (const std::int64_t label : labels_)
      weights_.push_back(1 / counts[static_cast<std::size_t>(label)]);
  }

  const Dataset& data_;
  const Model& model_;
  SampleCache* kept_;
  double dropout_;
  AugmentOptions augment_;
  std::vector<std::int32_t> classes_;
  std::vector<std::int64_t> samples_, labels_;
  std::vector<double> weights_;  ///< of the samples; empty: all alike
  std::int64_t size_ = 0;
};

}  // namespace

SourceType row_of_minibatches() {
  auto row = evaluated_on_episodes(type_of<MinibatchSource, SourceType>(
      "training: labelled samples of all classes; validation and test: episodes",
      "Chen et al. 2019"));
  row.form = TaskForm::kMinibatch;
  row.protocol = {"episode.groups", "episode.complete", "augment.tasks", "model.modality_dropout",
                  "model.dropout"};
  return row;
}

}  // namespace cuttle
