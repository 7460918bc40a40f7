#pragma once

#include "adapt/surface/surface.hpp"

namespace cuttle {

/// PerceptronEngine::meta_gradient where the head of a perceptron moves alone, at one rate (ANIL):
/// the layers before it pass every sample once, there and back, and the steps are the head's.
TaskResult gradient_of_head_task(const Surface& surface, double rate, const Tensors& theta,
                                 const Task& task, std::int64_t steps, bool second_order);

}  // namespace cuttle
