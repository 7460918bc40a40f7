#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace cuttle {

/// Something that was scored, and whether it is what was looked for.
struct Scored {
  double score;
  bool relevant;
};

/// Area under the precision-recall curve as a sum of steps: each distinct score is a threshold, so
/// the order of equals plays no part. Nothing if nothing is relevant.
std::optional<double> average_precision(std::vector<Scored> items);

/// Chance that a relevant one scores above one that is not, equals counting half (mid-ranks: Mann
/// and Whitney 1947). Nothing if all or none are relevant.
std::optional<double> area_under_curve(std::vector<Scored> items);

/// Something in a list that was scored, and how relevant it is.
struct Ranked {
  double score;
  double relevance;
};

// Figures of a list by falling score. What has one score may come in any order: each figure is its
// mean over all of them (for gain: McSherry and Najork 2008).

/// Gain 2^relevance - 1 by place i from 1, divided by log2(1 + i), of the first `cut`, as a share
/// of the best order's (Burges et al. 2005). Nothing if nothing has any gain.
std::optional<double> discounted_gain(std::vector<Ranked> list, std::size_t cut);

/// Share of those as relevant as `relevant` that come among the first `cut`. Nothing without any.
std::optional<double> recall(std::vector<Ranked> list, std::size_t cut, double relevant);

/// One divided by the place, from 1, of the first that is as relevant. Nothing without any.
std::optional<double> reciprocal_rank(std::vector<Ranked> list, double relevant);

}  // namespace cuttle
