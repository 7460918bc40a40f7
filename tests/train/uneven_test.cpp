// Episodes whose classes have between one and eight shots: a model that adapts to the plain mean
// hardly ever answers with the classes of which it saw one sample.
#include <gtest/gtest.h>
#include <torch/types.h>

#include <array>
#include <map>

#include "cuttle/train/run_state.hpp"
#include "train/tiny_evaluation.hpp"

namespace cuttle {
namespace {

RunConfig uneven_config(const std::string& folder, const std::string& class_weights) {
  RunConfig config = tiny_config(folder, "maml");
  config.episode.target.values["class_weights"] = class_weights;
  config.episode.way = 5;
  config.episode.shot_min = 1;
  config.episode.shot = 8;
  config.episode.uneven = true;
  config.episode.query = 4;
  config.model = {};
  config.model.encoders["vector"] = Section("mlp", {{"width", "32"}, {"depth", "1"}});
  config.adapt.values = {{"inner_steps", "3"}, {"inner_lr", "0.4"}};
  config.train.steps = 60;
  config.train.validate_every = 0;
  config.train.checkpoint_every = 60;
  return config;
}

/// Recall in test episodes over the classes of one shot, and over those of five and more.
struct Recall {
  double of_few = 0, of_many = 0;
};

Recall recall_of(const RunConfig& config, const std::string& run) {
  const Extensions extensions;
  const auto data = RunData::open(config, extensions);
  const auto parts = assemble(config, data->inputs(), extensions);
  const auto arrays = find_checkpoint(run, false).content->files.at("parameters");
  const auto layout = parts.model->layout();
  const ParameterList parameters(layout, flat_from_arrays(*layout, arrays, run));
  const auto source = data->source(parts, {Split::kTest, config.episode, 0.0, true}, nullptr);
  std::array<double, 2> right{}, all{};
  for (std::uint32_t slot = 0; slot < 100; ++slot) {
    const Task task = source->make({3, Stream::kTest, 0, slot});
    const auto answers =
        parts.learner->adapt(parameters, task.support, task.key)->predict(task.query).argmax(1);
    const auto shots = torch::bincount(task.support.labels, {}, task.support.way);
    for (std::int64_t i = 0; i < task.query.size; ++i) {
      const auto label = task.query.labels[i].item<std::int64_t>();
      const auto count = shots[label].item<std::int64_t>();
      if (count > 1 && count < 5) continue;
      const std::size_t which = count > 1;
      right[which] += answers[i].item<std::int64_t>() == label;
      ++all[which];
    }
  }
  return {right[0] / all[0], right[1] / all[1]};
}

TEST(UnevenSupports, ClassesOfOneShotAreFoundIfClassesCountAlike) {
  init_log(0, 1, LogLevel::kWarning);
  const TempFolder folder;
  SyntheticOptions options;
  options.modalities = {"vector"};
  options.classes = {20, 5, 20};
  options.noise = 0.7;
  write_synthetic_shards(folder.path(), options);
  std::map<std::string, Recall> recall;
  for (const std::string weights : {"none", "balanced"}) {
    const auto config = uneven_config(folder.path(), weights);
    train_on_threads(config, 1, folder / weights);
    recall[weights] = recall_of(config, folder / weights);
  }
  const Recall none = recall["none"], balanced = recall["balanced"];  // 9 and 86 %, 68 and 75 %
  EXPECT_LT(none.of_few, none.of_many - 0.5);
  EXPECT_GT(balanced.of_few, none.of_few + 0.3);
  EXPECT_GT(balanced.of_few + balanced.of_many, none.of_few + none.of_many);
}

}  // namespace
}  // namespace cuttle
