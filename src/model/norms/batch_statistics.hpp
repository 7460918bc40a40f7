#pragma once

#include <torch/types.h>

#include <utility>

#include "cuttle/model/norm.hpp"

// What the norms have in common.
namespace cuttle {

constexpr double kNormEpsilon = 1e-5;

/// Normalises by the batch's own statistics; padding, where a mask says so, counts nowhere.
torch::Tensor normalise_by_batch(const torch::Tensor& values, const torch::Tensor& mask,
                                 const torch::Tensor& weight, const torch::Tensor& bias);
/// The batch's mean and (biased) variance per channel, with graph; padding counts nowhere.
Moments moments_of(const torch::Tensor& values, const torch::Tensor& mask);
/// The same of each sample by itself, over `groups` equal groups of channels: [m, C].
Moments moments_of_samples(const torch::Tensor& values, const torch::Tensor& mask,
                           std::int64_t groups);
/// How many values of a channel are real.
double real_values(const torch::Tensor& values, const torch::Tensor& mask);
/// Normalises by given moments, [C] or [m, C]; padding stays zero.
torch::Tensor normalise_by(const Moments& moments, const torch::Tensor& values,
                           const torch::Tensor& mask, const torch::Tensor& weight,
                           const torch::Tensor& bias);

/// Scale and shift [C], starting at 1 and 0.
struct ScaleAndShift {
  explicit ScaleAndShift(const NormRequest& request)
      : weight(request.layout.add({request.name + ".weight", {request.channels}, Init::kOnes})),
        bias(request.layout.add({request.name + ".bias", {request.channels}, Init::kZeros})) {}
  std::int64_t weight, bias;
};

}  // namespace cuttle
