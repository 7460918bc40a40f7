#include "adapt/triplets.hpp"

#include <torch/types.h>

#include <tuple>

namespace cuttle {
namespace {

constexpr double kFar = 1e30;  // farther than anything

/// How many of `sorted` [n, m], ascending, are below the `limits` [n, k], row by row; `equal`: or
/// as large.
torch::Tensor places_in(const torch::Tensor& sorted, const torch::Tensor& limits, bool equal) {
  return torch::searchsorted(sorted.detach(), limits.detach().contiguous(), false, equal);
}

/// Over all triplets: with c of an anchor's n nearer than m + D(a, p), and their distances summing
/// up to s, its triplets with p sum up to c (m + D(a, p)) - s.
torch::Tensor all_triplets(const torch::Tensor& distance, const torch::Tensor& same,
                           const torch::Tensor& other, const torch::Tensor& sorted, double margin) {
  const auto limits = margin + distance;
  const auto nearer = places_in(sorted, limits, false);
  const auto real = sorted.masked_fill(sorted.ge(kFar), 0.0);
  const auto sums = torch::constant_pad_nd(real.cumsum(1), {1, 0}).gather(1, nearer);
  const auto triplets = same.sum(1) * other.sum(1);
  return ((nearer * limits - sums) * same).sum() / triplets.sum().clamp_min(1);
}

}  // namespace

torch::Tensor mean_where(const torch::Tensor& x, const torch::Tensor& where) {
  return (x * where).sum() / where.sum().clamp_min(1);
}

torch::Tensor triplet_loss(const torch::Tensor& distance, const torch::Tensor& same,
                           const torch::Tensor& other, double margin, const std::string& mining) {
  const auto negatives = distance.masked_fill(other.logical_not(), kFar);
  const auto any = other.any(1, true);
  if (mining == "hard") {
    const auto farthest = distance.masked_fill(same.logical_not(), -kFar).amax(1, true);
    return mean_where(torch::relu(margin + farthest - negatives.amin(1, true)),
                      any.logical_and(same.any(1, true)));
  }
  const auto sorted = std::get<0>(negatives.sort(1));
  if (mining == "all") return all_triplets(distance, same, other, sorted, margin);
  const auto nearest =
      torch::constant_pad_nd(sorted, {0, 1}, kFar).gather(1, places_in(sorted, distance, true));
  const auto last = distance.masked_fill(other.logical_not(), -kFar).amax(1, true);
  const auto negative = torch::where(nearest.lt(kFar), nearest, last);
  return mean_where(torch::relu(margin + distance - negative), same.logical_and(any));
}

}  // namespace cuttle
