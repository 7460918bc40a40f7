#include "cuttle/train/nearness.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

class ClassByClass final : public TaskSource {
 public:
  ClassByClass(const Dataset& data, Split split, const Model& model, std::int64_t shot,
               std::int64_t draws, bool values)
      : data_(data),
        classes_(data.classes_of(split)),
        model_(model),
        shot_(shot),
        draws_(draws),
        values_(values) {}

  EpisodeSize size(const RandomKey&) const override { return {1, shot_, shot_, 0}; }
  Task make(const RandomKey& key) const override {
    const auto place = static_cast<std::size_t>(key.slot / draws_);
    CUTTLE_EXPECT(place < classes_.size());
    EpisodePlan plan;
    plan.key = key;
    plan.classes = {classes_[place]};
    plan.values = values_;
    const auto all = data_.samples_of(classes_[place]);
    const auto count = static_cast<std::int64_t>(all.size());
    for (const std::int64_t i : Random(key).sample(count, std::min(count, shot_)))
      plan.support.push_back(all[static_cast<std::size_t>(i)]);
    plan.support_labels.assign(plan.support.size(), 0);
    Task task;
    task.key = key;
    task.classes = plan.classes;
    task.support = model_.prepare(materialise(data_, plan).support, 1);
    return task;
  }

 private:
  const Dataset& data_;
  std::vector<std::int32_t> classes_;
  const Model& model_;
  std::int64_t shot_, draws_;
  bool values_;
};

}  // namespace

std::unique_ptr<const TaskSource> class_by_class(const Dataset& data, Split split,
                                                 const Model& model, std::int64_t shot,
                                                 std::int64_t draws, bool values) {
  return std::make_unique<const ClassByClass>(data, split, model, shot, draws, values);
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
