#include "cuttle/train/known_tasks.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/safetensors.hpp"
#include "cuttle/task/schedule.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kMeasured = 300;  ///< tasks whose distances to all others make the units
const std::string kValues = ".values", kHas = ".has", kUnit = ".unit", kHeldOut = "held_out",
                  kClasses = "classes";

torch::Tensor known_entry(const std::map<std::string, torch::Tensor>& state,
                          const std::string& name) {
  const auto found = state.find(name);
  CUTTLE_VALIDATE(found != state.end(), "the known tasks have no entry '{}' (damaged?)", name);
  return found->second;
}

/// One task as bytes, for other ranks, and back.
std::string packed(const TaskPoint& point, const std::vector<std::int32_t>& classes) {
  std::vector<NamedArray> arrays;
  for (const auto& [name, values] : point) {
    const auto row = values.contiguous();
    arrays.push_back(pack_array<double>(
        name, {row.numel()}, {row.data_ptr<double>(), static_cast<std::size_t>(row.numel())}));
  }
  const std::vector<std::int64_t> ids(classes.begin(), classes.end());
  arrays.push_back(
      pack_array<std::int64_t>(kClasses, {static_cast<std::int64_t>(ids.size())}, ids));
  return encode_safetensors(arrays);
}

void unpack(std::string_view bytes, MappedTasks& mapped) {
  mapped.points.emplace_back();
  mapped.classes.emplace_back();
  for (const auto& array : decode_safetensors(bytes, "a task's point").arrays) {
    if (array.name == kClasses)
      for (const std::int64_t id : unpack_array<std::int64_t>(array))
        mapped.classes.back().push_back(static_cast<std::int32_t>(id));
    else
      mapped.points.back()[array.name] =
          torch::tensor(unpack_array<double>(array), torch::kFloat64);
  }
}

/// A list of texts as one, and back: each with its length before it.
void append(const std::string& text, std::string& all) {
  const std::uint64_t size = text.size();
  all.append(reinterpret_cast<const char*>(&size), sizeof(size));
  all += text;
}
std::string_view take(std::string_view& all) {
  std::uint64_t size = 0;
  std::copy_n(all.data(), sizeof(size), reinterpret_cast<char*>(&size));
  const auto text = all.substr(sizeof(size), size);
  all.remove_prefix(sizeof(size) + size);
  return text;
}

}  // namespace

KnownTasks::KnownTasks(TaskView view, const std::vector<TaskPoint>& points,
                       const std::vector<TaskPoint>& held_out)
    : view_(view), size_(static_cast<std::int64_t>(points.size())) {
  CUTTLE_EXPECT(points.size() >= 2);
  for (std::int64_t i = 0; i < size_; ++i)
    for (const auto& [name, values] : points[static_cast<std::size_t>(i)]) {
      Block& block = blocks_[name];
      if (!block.values.defined()) {
        block.values = torch::zeros({size_, values.numel()}, torch::kFloat64);
        block.has = torch::zeros({size_}, torch::kFloat64);
      }
      block.values[i].copy_(values);
      block.has[i] = 1;
    }
  measure_units();
  for (const TaskPoint& point : held_out)
    if (const auto far = distances(point); !far.empty())
      held_out_.push_back(static_cast<float>(*std::min_element(far.begin(), far.end())));
  std::sort(held_out_.begin(), held_out_.end());
}

KnownTasks::KnownTasks(TaskView view, const std::map<std::string, torch::Tensor>& state)
    : view_(view) {
  for (const auto& [name, values] : state) {
    if (name.size() <= kValues.size() ||
        name.compare(name.size() - kValues.size(), kValues.size(), kValues) != 0)
      continue;
    const auto block = name.substr(0, name.size() - kValues.size());
    const auto has = known_entry(state, block + kHas);
    CUTTLE_VALIDATE(values.dim() == 2 && has.dim() == 1 && values.size(0) == has.size(0) &&
                        (size_ == 0 || size_ == values.size(0)),
                    "the known tasks' entry '{}' has another size than the others (damaged?)",
                    block);
    size_ = values.size(0);
    blocks_[block] = {values, has, known_entry(state, block + kUnit).item<double>()};
  }
  CUTTLE_VALIDATE(size_ >= 2, "there are no known tasks in it (damaged?)");
  const auto far = known_entry(state, kHeldOut).to(torch::kFloat32).contiguous();
  held_out_.assign(far.data_ptr<float>(), far.data_ptr<float>() + far.numel());
}

std::map<std::string, torch::Tensor> KnownTasks::state() const {
  std::map<std::string, torch::Tensor> state{{kHeldOut, torch::tensor(held_out_)}};
  for (const auto& [name, block] : blocks_) {
    state[name + kValues] = block.values;
    state[name + kHas] = block.has;
    state[name + kUnit] = torch::full({1}, block.unit, torch::kFloat64);
  }
  return state;
}

void KnownTasks::measure_units() {
  for (auto& [name, block] : blocks_) {
    double sum = 0, pairs = 0;
    const std::int64_t measured = std::min(size_, kMeasured);
    for (std::int64_t m = 0; m < measured; ++m) {
      const std::int64_t i = m * size_ / measured;  // of all, in whatever order they come
      if (block.has[i].item<double>() == 0) continue;
      sum +=
          (block_distances(view_, block.values[i], block.values) * block.has).sum().item<double>();
      pairs += block.has.sum().item<double>() - 1;
    }
    if (sum > 0) block.unit = sum / pairs;
  }
}

bool KnownTasks::comparable(const TaskPoint& point) const {
  return std::all_of(blocks_.begin(), blocks_.end(), [&](const auto& entry) {
    return point.count(entry.first) > 0 || entry.second.has.mean().template item<double>() < 0.5;
  });
}

std::vector<double> KnownTasks::distances(const TaskPoint& point) const {
  auto sum = torch::zeros({size_}, torch::kFloat64), shared = torch::zeros_like(sum);
  for (const auto& [name, values] : point) {
    const auto found = blocks_.find(name);
    if (found == blocks_.end()) continue;
    const Block& block = found->second;
    CUTTLE_VALIDATE(block.values.size(1) == values.numel(),
                    "the known tasks are of another model ('{}' has {} numbers, and {} here); map "
                    "the run again",
                    name, block.values.size(1), values.numel());
    sum += block.has * block_distances(view_, values, block.values) / block.unit;
    shared += block.has;
  }
  const double far = std::numeric_limits<double>::infinity();
  auto distance = torch::where(shared.gt(0), sum / shared, torch::full_like(sum, far));
  distance = distance.nan_to_num(far, far);
  if (view_ == TaskView::kStatistics) distance = distance.sqrt();
  return {distance.data_ptr<double>(), distance.data_ptr<double>() + size_};
}

TaskPlace KnownTasks::place(const TaskPoint& point, std::int64_t count) const {
  const auto far = distances(point);
  std::vector<std::int64_t> order(far.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return far[static_cast<std::size_t>(a)] < far[static_cast<std::size_t>(b)];
  });
  TaskPlace place;
  for (std::int64_t i = 0; i < std::min(count, size_); ++i) {
    const auto task = order[static_cast<std::size_t>(i)];
    place.nearest.push_back({task, far[static_cast<std::size_t>(task)]});
  }
  const auto nearest = static_cast<float>(far[static_cast<std::size_t>(order[0])]);
  const auto nearer =
      std::lower_bound(held_out_.begin(), held_out_.end(), nearest) - held_out_.begin();
  place.farther_than = held_out_.empty()
                           ? std::numeric_limits<double>::quiet_NaN()
                           : static_cast<double>(nearer) / static_cast<double>(held_out_.size());
  return place;
}

MappedTasks map_tasks(Communicator& comm, TaskView view, const TaskSource& source,
                      const Model& model, const ParameterList& parameters,
                      const EvaluationPlan& plan,
                      const std::function<void(std::int64_t)>& progress) {
  std::string mine;
  together(comm, "mapping tasks", [&] {
    const ParameterList there = parameters.on(model.device());
    std::int64_t done = 0;
    for (const auto& slot : micro_batches_of(plan.episodes, 1, comm.rank(), comm.size())) {
      const Task task = source.make(evaluation_key(plan, slot.first_slot));
      const Batch support = task.support.on(model.device());
      append(packed(task_point(view, model, there.tensors(), support, task.key), task.classes),
             mine);
      if (progress) progress(++done);
    }
  });
  MappedTasks mapped;  // ranks have the tasks in contiguous runs
  for (const auto& part : comm.all_gather("points of tasks", std::move(mine)).wait())
    for (std::string_view left = part; !left.empty();) unpack(take(left), mapped);
  return mapped;
}

}  // namespace cuttle
