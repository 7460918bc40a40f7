#pragma once

#include <torch/types.h>

#include <memory>
#include <vector>

#include "cuttle/task/task_stream.hpp"
#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"
#include "support/tiny_task.hpp"

namespace cuttle {

/// Synthetic shards that the learners of tiny_task.hpp take, and 5 tasks a step in micro-batches of
/// at most 2.
struct TinySteps {
  TinySteps() {
    SyntheticOptions made;
    made.modalities = {"image", "text"};
    made.missing_rate = 0.2;
    DataOptions options;
    options.shards = write_synthetic_shards(folder.path(), made);
    data = Dataset::open(options);
    episode.way = 3;
    episode.query = 2;
    episode.meta_batch_size = 5;
    episode.micro_batch = 2;
    planner = std::make_unique<EpisodePlanner>(*data, Split::kTrain, episode);
  }

  /// Training tasks of `planned` episodes; of `episode`, unless others are given.
  std::unique_ptr<const TaskSource> source(const Model& model, double dropout,
                                           const EpisodeOptions& planned) const {
    const Section section("episodes");
    return builtin_sources()
        .at("episodes")
        .make({section, planned, Split::kTrain, data.get(), model, nullptr, dropout});
  }
  std::unique_ptr<const TaskSource> source(const Model& model, double dropout) const {
    return source(model, dropout, episode);
  }

  /// One task by its name alone, as a stream with this dropout must make it.
  Task task(const Model& model, std::uint64_t step, std::uint32_t slot, double dropout) const {
    const RandomKey key{kSeed, Stream::kTrain, step, slot};
    const Episode read = materialise(*data, planner->plan(key));
    return {drop_modalities(model.prepare(read.support, 3), dropout, key.with(Stream::kModel, 1)),
            drop_modalities(model.prepare(read.query, 3), dropout, key.with(Stream::kModel, 2)),
            key, read.classes};
  }

  static constexpr std::uint64_t kSeed = 11;
  const TempFolder folder;
  std::unique_ptr<Dataset> data;
  EpisodeOptions episode;
  std::unique_ptr<EpisodePlanner> planner;
};

}  // namespace cuttle
