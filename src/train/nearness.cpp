#include "cuttle/train/known_tasks.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

class SetBySet final : public TaskSource {
 public:
  SetBySet(const Dataset& data, SampleSets sets, const Model& model, std::int64_t shot,
           std::int64_t draws, bool values)
      : data_(data),
        sets_(std::move(sets)),
        model_(model),
        shot_(shot),
        draws_(draws),
        values_(values) {}

  EpisodeSize size(const RandomKey&) const override { return {1, shot_, shot_, 0}; }
  Task make(const RandomKey& key) const override {
    const auto& set = sets_.at(static_cast<std::size_t>(key.slot / draws_));
    const auto count = static_cast<std::int64_t>(set.size());
    EpisodePlan plan;
    plan.key = key;
    plan.values = values_;
    for (const std::int64_t i : Random(key).sample(count, std::min(count, shot_)))
      plan.support.push_back(set[static_cast<std::size_t>(i)]);
    plan.support_labels.assign(plan.support.size(), 0);
    Task task;
    task.key = key;
    task.support = model_.prepare(materialise(data_, plan).support, 1);
    return task;
  }

 private:
  const Dataset& data_;
  SampleSets sets_;
  const Model& model_;
  std::int64_t shot_, draws_;
  bool values_;
};

}  // namespace

SampleSets sets_of_classes(const Dataset& data, Split split) {
  SampleSets sets;
  for (const std::int32_t id : data.classes_of(split)) {
    const auto all = data.samples_of(id);
    sets.emplace_back(all.begin(), all.end());
  }
  return sets;
}

std::unique_ptr<const TaskSource> set_by_set(const Dataset& data, SampleSets sets,
                                             const Model& model, std::int64_t shot,
                                             std::int64_t draws, bool values) {
  return std::make_unique<const SetBySet>(data, std::move(sets), model, shot, draws, values);
}

Nearness nearness_to_task(const KnownTasks& known, std::int64_t draws,
                          const std::vector<TaskPoint>& task, double temperature, double floor) {
  CUTTLE_EXPECT(draws > 0 && known.size() % draws == 0 && !task.empty() && temperature > 0);
  const std::int64_t classes = known.size() / draws;
  auto votes = torch::zeros({classes}, torch::kFloat64);
  auto nearest = torch::full({classes}, std::numeric_limits<double>::infinity(), torch::kFloat64);
  for (const TaskPoint& point : task) {
    const auto far = torch::tensor(known.distances(point), torch::kFloat64);
    if (torch::isinf(far).all().item<bool>()) {
      votes += 1.0 / static_cast<double>(classes);
      continue;
    }
    const auto share = torch::softmax(-far.square() / temperature, 0);
    votes += share.view({classes, draws}).sum(1);
    nearest = torch::minimum(nearest, std::get<0>(far.view({classes, draws}).min(1)));
  }
  const auto mean = votes * (static_cast<double>(classes) / static_cast<double>(task.size()));
  const auto weights = ((1 - floor) * mean + floor).contiguous();
  const auto list = [](const torch::Tensor& row) {
    return std::vector<double>(row.data_ptr<double>(), row.data_ptr<double>() + row.numel());
  };
  return {list(weights), list(nearest.contiguous())};
}

}  // namespace cuttle
