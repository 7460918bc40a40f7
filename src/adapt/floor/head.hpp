#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "cuttle/config/section.hpp"
#include "cuttle/model/parameter_list.hpp"

// Classifiers that are made of a support set in closed form or to convergence, with nothing learned
// before (adapt/learners/floor.cpp). They compute in float64 on the CPU.
namespace cuttle {

/// What a part of the embedding says of a support set.
struct PartOfSupport {
  torch::Tensor x;        ///< [n, width]
  torch::Tensor labels;   ///< int64 [n]; each of 0..way-1 occurs
  torch::Tensor weights;  ///< [n]: what each sample counts, above 0
  std::int64_t way = 0;

  /// [n, way], 1 at a sample's class.
  torch::Tensor one_hot() const;
  /// [way, width]: means of the classes.
  torch::Tensor means() const;
  /// [width]: the mean of the samples by what they count.
  torch::Tensor middle() const;
  /// Root of the mean squared length of samples; 1 where all are zeros.
  double length() const;
};

class FloorHead {
 public:
  virtual ~FloorHead() = default;
  /// What answers are made of: at most kMostOfLesson tensors.
  virtual Tensors study(const PartOfSupport& known) const = 0;
  /// [m, way] of samples [m, width]; larger: more likely.
  virtual torch::Tensor scores(const Tensors& lesson, const torch::Tensor& x) const = 0;

  static constexpr std::size_t kMostOfLesson = 3;
};

struct FloorOptions {
  std::string head = "cosine";
  double penalty = 0.1, shrinkage = 0.5, beta = 5.5;
  void keys(Keys& keys);
};

/// One of them; it passes by the keys of the others.
std::unique_ptr<const FloorHead> make_floor_head(const FloorOptions& options);

// A file each.
std::unique_ptr<const FloorHead> make_nearest_mean(bool by_cosine);
std::unique_ptr<const FloorHead> make_mahalanobis(double shrinkage);
std::unique_ptr<const FloorHead> make_ridge(double penalty);
std::unique_ptr<const FloorHead> make_logistic(double penalty);
std::unique_ptr<const FloorHead> make_linear_svm(double penalty);
std::unique_ptr<const FloorHead> make_cache(double beta);

/// Heads whose scores are linear in a sample: they say how the weights W = X^T A rest on the
/// samples. The middle of the support is the origin, in place of an intercept, and
/// PartOfSupport::length there the unit, so that a penalty means the same whatever features are.
class LinearHead : public FloorHead {
 public:
  explicit LinearHead(double penalty) : penalty_(penalty) {}
  Tensors study(const PartOfSupport& known) const override;
  torch::Tensor scores(const Tensors& lesson, const torch::Tensor& x) const override;

 protected:
  /// A [n, way]; `gram` [n, n] is X X^T.
  virtual torch::Tensor solve(const PartOfSupport& known, const torch::Tensor& gram) const = 0;
  double penalty() const { return penalty_; }

 private:
  double penalty_;
};

}  // namespace cuttle
