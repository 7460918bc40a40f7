#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/adapt/task_embedding.hpp"
#include "cuttle/comm/communicator.hpp"
#include "cuttle/data/dataset.hpp"
#include "cuttle/task/task.hpp"
#include "cuttle/train/evaluator.hpp"

namespace cuttle {

/// Where a task lies among those that a run was trained on.
struct TaskPlace {
  struct Neighbour {
    std::int64_t task = 0;  ///< its number
    double distance = 0;    ///< 1: as far as two training tasks are from each other
  };
  std::vector<Neighbour> nearest;  ///< training tasks, the nearest first
  /// The share of held-out tasks that are nearer to their nearest training task than this one is to
  /// its; NaN: there are none. Near 1 where a task is unlike anything seen.
  double farther_than = 0;
};

/// Training tasks of a run as points (TaskPoint) under its parameters, and how far tasks of its
/// validation classes are from them: by these, how far any task is from what was seen. A distance
/// is the mean over the blocks that both tasks have, each in units of its own mean between training
/// tasks. Immutable.
class KnownTasks {
 public:
  /// Two points or more. `held_out`: of tasks that are like the training tasks, but were not
  /// trained on.
  KnownTasks(TaskView view, const std::vector<TaskPoint>& points,
             const std::vector<TaskPoint>& held_out);
  /// The inverse of state(). Error naming what is missing.
  explicit KnownTasks(TaskView view, const std::map<std::string, torch::Tensor>& state);
  std::map<std::string, torch::Tensor> state() const;

  TaskView view() const { return view_; }
  std::int64_t size() const { return size_; }
  /// Of held-out tasks to their nearest training task, ascending.
  const std::vector<float>& held_out() const { return held_out_; }

  /// Whether a task has all that most training tasks have; where it lacks a sense, fewer numbers
  /// have to agree, and it would seem nearer than it is.
  bool comparable(const TaskPoint& point) const;
  /// To every training task; infinite where no block is shared.
  std::vector<double> distances(const TaskPoint& point) const;
  /// With the `count` nearest, or all.
  TaskPlace place(const TaskPoint& point, std::int64_t count) const;

 private:
  struct Block {
    torch::Tensor values;  ///< float64 [tasks, width]
    torch::Tensor has;     ///< float64 [tasks], 1 where a task has it
    double unit = 1;
  };
  TaskView view_;
  std::int64_t size_ = 0;
  std::map<std::string, Block> blocks_;
  std::vector<float> held_out_;

  void measure_units();
};

/// The points of a plan's tasks, task after task, and the classes of each. Tasks are spread over
/// ranks; all ranks call it and get the same bits, or throw together. `progress(done)` is called on
/// every rank as its own tasks finish.
struct MappedTasks {
  std::vector<TaskPoint> points;
  std::vector<std::vector<std::int32_t>> classes;  ///< global ids; empty: the tasks have none
};
MappedTasks map_tasks(Communicator& comm, TaskView view, const TaskSource& source,
                      const Model& model, const ParameterList& parameters,
                      const EvaluationPlan& plan,
                      const std::function<void(std::int64_t)>& progress = {});

/// Samples of a data set that belong together, such as those of a class.
using SampleSets = std::vector<std::vector<std::int64_t>>;
/// The samples of each class of a split.
SampleSets sets_of_classes(const Dataset& data, Split split);

/// Tasks of one set each, without queries: of every set, one after the other, `draws` draws of
/// `shot` of its samples (all, where it has fewer), by key; the key's slot counts them. `values`:
/// samples have their targets. References must outlive it.
std::unique_ptr<const TaskSource> set_by_set(const Dataset& data, SampleSets sets,
                                             const Model& model, std::int64_t shot,
                                             std::int64_t draws, bool values);

/// How near classes are to a task.
struct Nearness {
  std::vector<double> weights;    ///< 1 on average, positive
  std::vector<double> distances;  ///< to the nearest of the task's classes
};

/// `known`: `draws` points of each class, as set_by_set gives them; `task`: points of the task's
/// classes. Each of these has one vote, which goes to the points in proportion to
/// exp(-d^2 / temperature); a class has those of its points. The share `floor` of all votes, and
/// every vote of a point that has nothing to compare, goes to all classes alike. That what is near
/// in a model's features is what to train on: Cui et al. 2018, "Large Scale Fine-Grained
/// Categorization and Domain-Specific Transfer Learning", who choose source classes so.
Nearness nearness_to_task(const KnownTasks& known, std::int64_t draws,
                          const std::vector<TaskPoint>& task, double temperature, double floor);

}  // namespace cuttle
