#include "cuttle/step/meta_step.hpp"

#include "cuttle/core/timer.hpp"
#include "step/meta_gradients.hpp"

namespace cuttle {
namespace {

/// The part of a task's gradient that says something.
Span<const float> reduced_part(const ParameterList& parameters, const torch::Tensor& gradient) {
  const auto part = parameters.layout().reduced(gradient);
  return {part.data_ptr<float>(), static_cast<std::size_t>(part.numel())};
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
      for_each_meta_gradient(
          learner, parameters, micro_batch, [&](const Task& task, const TaskResult& result) {
            const std::vector<float> values(result.values.begin(), result.values.end());
            reducer.add(reduced_part(parameters, result.gradient), values, name_of(task));
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
    const auto names = learner.reports();
    for (std::size_t i = 0; i < mean.scalars.size(); ++i)
      report.values.push_back({names[i], mean.scalars[i]});
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
