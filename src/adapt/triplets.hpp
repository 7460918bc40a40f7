#pragma once

#include <torch/types.h>

#include <string>

namespace cuttle {

/// Means of x over the elements that `where` names; 0 where it names none.
torch::Tensor mean_where(const torch::Tensor& x, const torch::Tensor& where);

/// max(0, m + D(a, p) - D(a, n)) of anchors a, samples p of their class and n of others, in the
/// mean over the triplets that `mining` leaves (Schroff, Kalenichenko, Philbin 2015, sections 3.1
/// and 3.2): "all"; "hard": of each anchor the farthest p and the nearest n (Hermans et al. 2017);
/// "semi_hard": of each a and p the nearest n that is farther than p, or the farthest where none
/// is. `distance` [n, n]; `same` and `other`: which pairs are of one class, of two. No triplet is
/// held: distances are sorted, anchor by anchor.
torch::Tensor triplet_loss(const torch::Tensor& distance, const torch::Tensor& same,
                           const torch::Tensor& other, double margin, const std::string& mining);

}  // namespace cuttle
