#pragma once

#include <memory>
#include <vector>

#include "cuttle/data/dataset.hpp"
#include "cuttle/task/task.hpp"
#include "cuttle/train/known_tasks.hpp"

namespace cuttle {

/// Tasks of one class each, without queries: for every class of a split, one after the other,
/// `draws` of `shot` samples of it (all, where it has fewer), by key; the key's slot counts them.
/// `values`: samples have their targets. References must outlive it.
std::unique_ptr<const TaskSource> class_by_class(const Dataset& data, Split split,
                                                 const Model& model, std::int64_t shot,
                                                 std::int64_t draws, bool values);

/// How near classes are to a task.
struct Nearness {
  std::vector<double> weights;    ///< 1 on average, positive
  std::vector<double> distances;  ///< to the nearest of the task's classes
};

/// `known`: `draws` points of each class, as class_by_class gives them; `task`: points of the
/// task's classes. Each of these has one vote, which goes to the points in proportion to
/// exp(-d^2 / temperature); a class has those of its points. The share `floor` of all votes, and
/// every vote of a point that has nothing to compare, goes to all classes alike.
Nearness nearness_to_task(const KnownTasks& known, std::int64_t draws,
                          const std::vector<TaskPoint>& task, double temperature, double floor);

}  // namespace cuttle
