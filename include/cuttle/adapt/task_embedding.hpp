#pragma once

#include <torch/types.h>

#include <map>
#include <string>
#include <vector>

#include "cuttle/core/random.hpp"
#include "cuttle/model/model.hpp"

namespace cuttle {

/// A task as a point: what a support set looks like to a model, in blocks, by name, [width] each.
/// A block of which the support set says nothing (no sample has the sense) is not there.
using TaskPoint = std::map<std::string, torch::Tensor>;

/// What makes a point of a task, by a word of the user's:
///
/// statistics: mean and spread of the support's embedding, and of what norms saw that go by the
/// support set (they take it out of the embedding); with values to predict also theirs, and how
/// they go with the embedding. The distance between two of them is that of two normal distributions
/// with diagonal covariance, sqrt(|m - m'|^2 + |s - s'|^2) (Dowson and Landau 1982, "The Frechet
/// distance between multivariate normal distributions").
///
/// fisher: Task2Vec (Achille et al. 2019): the diagonal of the Fisher information of the model's
/// weights, averaged over each filter (row of a weight), where a classifier on its embedding
/// answers. Theirs is trained; here it is the class means by cosine, which one shot is enough for.
/// The distance is the cosine one of F/(F + F') and F'/(F + F').
enum class TaskView { kStatistics, kFisher };

/// UserError for another word.
TaskView task_view_from(const std::string& word);
std::string to_string(TaskView view);

/// The statistics of a support set that is embedded; differentiable. `given`: what norms saw of it.
TaskPoint task_statistics(const Embedding& embedding, const Statistics& given,
                          const Batch& support);

/// The point of a task under parameters as they are, float64 on the CPU, without gradient. `key`:
/// of the task, which draws the labels that the Fisher information is the mean over. UserError
/// where this view cannot be had: fisher needs classes, and a model with weights that are learned.
TaskPoint task_point(TaskView view, const Model& model, const Tensors& parameters,
                     const Batch& support, const RandomKey& key);

/// How far `point` [width] of a block is from each of `others` [n, width]: squared for statistics,
/// so that units add up.
torch::Tensor block_distances(TaskView view, const torch::Tensor& point,
                              const torch::Tensor& others);

}  // namespace cuttle
