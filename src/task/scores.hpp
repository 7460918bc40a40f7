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

}  // namespace cuttle
