#include "cuttle/step/meta_step.hpp"

#include "cuttle/core/timer.hpp"
#include "step/meta_gradients.hpp"

namespace cuttle {
namespace {

/// The part of a task's gradient that is not always zero.
Span<const float> learned_part(const ParameterList& parameters, const torch::Tensor& gradient) {
  const auto learned = parameters.layout().learned(gradient);
  return {learned.data_ptr<float>(), static_cast<std::size_t>(learned.numel())};
}

/// Loss and accuracy; of values: loss alone.
std::vector<float> scalars_of(const TaskResult& result, const Task& task) {
  std::vector<float> scalars{static_cast<float>(result.query_loss)};
  if (!task.query.targets.defined()) scalars.push_back(static_cast<float>(result.query_accuracy));
  return scalars;
}

std::string name_of(const Task& task) {
  return "step " + std::to_string(task.key.step) + " slot " + std::to_string(task.key.slot);
}

}  // namespace

StepReport meta_step(TrainState& state, const Learner& learner, TaskStream& tasks,
                     MetaReducer& reducer, const OuterOptimizer& optimizer, std::int64_t request) {
  StepReport report;
  Timer timer, whole;
  try {
    const ParameterList parameters = state.parameters.on(learner.model().device());
    for (std::int64_t i = tasks.micro_batches_in(state.step); i > 0; --i) {
      const auto micro_batch = tasks.next();
      report.time.read_s += timer.lap();
      for_each_meta_gradient(learner, parameters, micro_batch,
                             [&](const Task& task, const TaskResult& result) {
                               reducer.add(learned_part(parameters, result.gradient),
                                           scalars_of(result, task), name_of(task));
                             });
      report.time.adapt_s += timer.lap();
    }
  } catch (const std::exception& cause) {
    reducer.fail(cause);  // the other ranks learn of it in reduce(), and all leave together
  }

  const Reduced mean = reducer.reduce(request);
  report.time.reduce_s = timer.lap();

  report.outer_lr = optimizer.learning_rate(state.step);
  if (mean.apply) {
    report.gradient_norm = optimizer.apply(state, Span<const float>(mean.gradient));
    report.values = {{"loss", mean.scalars[0]}};
    if (mean.scalars.size() > 1) report.values.push_back({"accuracy", mean.scalars[1]});
  }
  state.tasks += mean.tasks;
  state.skipped_tasks += mean.skipped;
  report.step = ++state.step;
  report.applied = mean.apply;
  report.tasks = mean.tasks;
  report.skipped = mean.skipped;
  report.skipped_note = mean.skipped_note;
  report.request = mean.request;
  report.time.step_s = timer.lap();
  report.time.total_s = whole.seconds();
  return report;
}

}  // namespace cuttle
