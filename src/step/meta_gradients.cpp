#include "step/meta_gradients.hpp"

#include <torch/types.h>

#include <c10/core/AutogradState.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <future>

namespace cuttle {
namespace {

constexpr std::size_t kStreams = 4;

}  // namespace

std::vector<TaskResult> meta_gradients_on_streams(const Learner& learner,
                                                  const ParameterList& parameters,
                                                  const std::vector<Task>& tasks,
                                                  std::size_t streams) {
  const torch::Device device = parameters.flat().device();
  const c10::impl::VirtualGuardImpl backend(device.type());
  // Parameters and tasks were brought there on this thread's stream.
  backend.synchronizeStream(backend.getStream(device));
  std::vector<TaskResult> results(tasks.size());
  const std::size_t workers = std::min(streams, tasks.size());
  const auto work = [&](std::size_t first) {
    const c10::StreamGuard stream(backend.getNewStream(device));
    // Backward runs on this thread then; LibTorch's own threads are one per device.
    c10::AutogradState::get_tls_state().set_multithreading_enabled(false);
    for (std::size_t i = first; i < tasks.size(); i += workers) {
      results[i] = learner.meta_gradient(parameters, tasks[i]);
      results[i].gradient = results[i].gradient.to(torch::kCPU);  // waits for the stream
    }
  };
  std::vector<std::future<void>> running;
  for (std::size_t worker = 0; worker < workers; ++worker)
    running.push_back(std::async(std::launch::async, work, worker));
  for (auto& worker : running) worker.wait();
  for (auto& worker : running) worker.get();
  return results;
}

void for_each_meta_gradient(const Learner& learner, const ParameterList& parameters,
                            const std::vector<Task>& tasks,
                            const std::function<void(const Task&, const TaskResult&)>& use) {
  if (parameters.flat().is_cpu()) {
    for (const Task& task : tasks) use(task, learner.meta_gradient(parameters, task));
    return;
  }
  const auto results = meta_gradients_on_streams(learner, parameters, tasks, kStreams);
  for (std::size_t i = 0; i < tasks.size(); ++i) use(tasks[i], results[i]);
}

}  // namespace cuttle
