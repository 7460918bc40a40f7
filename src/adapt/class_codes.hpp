#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cuttle/core/random.hpp"
#include "cuttle/model/parameter_list.hpp"
#include "cuttle/sense/batch.hpp"

// LEO's codes of classes (Rusu et al. 2019): distributions that a support set and a code stand for.
namespace cuttle {

/// Rows of means and of deviations.
struct Normal {
  torch::Tensor mean, deviation;
  /// Glorot's: of `out` columns made of `in`.
  static double initial(std::int64_t in, std::int64_t out);
  static constexpr double kLeastDeviation = 1e-10;
  /// Of `numbers` [n, 2 columns] that a layer made of `in` columns. Deviations are positive, start
  /// about as large as Glorot's initial weights, and grow no faster than what they are made of.
  Normal(const torch::Tensor& numbers, std::int64_t in);
  /// KL(N(mean, deviation^2) | N(0, 1)), the mean over columns.
  torch::Tensor divergence() const;
};

/// Draws of normal distributions, of a task's key; without a key their means.
class Draws {
 public:
  Draws() = default;
  explicit Draws(const RandomKey& key) : random_(Random(key.with(Draw::kLatents))) {}
  torch::Tensor operator()(const Normal& normal);
  /// That many of N(0, 1); none without a key.
  std::vector<double> noise(std::int64_t count);

 private:
  std::optional<Random> random_;
};

/// Encoder, relation net and decoder of one part of the embedding.
class ClassCoder {
 public:
  static constexpr double kLeastSquare = 1e-12;  ///< beside a column's squared length

  ClassCoder(ParameterLayout& layout, const std::string& name, std::int64_t width,
             std::int64_t latent);
  /// [way]: the codes of classes as a support set's `part` of the embedding tells them, of samples
  /// that have it. What a class is compared with counts by `counts` (undefined: all alike), as in
  /// the loss that is adapted to, so that unequal shots change nothing.
  Normal encode(const Tensors& p, const torch::Tensor& part, const torch::Tensor& has,
                const Batch& support, const torch::Tensor& counts) const;
  /// [way, width] weights of a classifier.
  Normal decode(const Tensors& p, const torch::Tensor& codes) const;
  /// Mean square of what tells the correlations of the decoder's columns from the identity.
  torch::Tensor correlations(const Tensors& p) const;

 private:
  template <class T>
  friend class CodeLayer;

  std::int64_t latent_, encoder_, decoder_;
  std::vector<std::int64_t> relation_;
};

}  // namespace cuttle
