#pragma once

#include <string>
#include <vector>

#include "cuttle/task/objective.hpp"

// What objectives share.
namespace cuttle {

inline const torch::Tensor& of(const Tensors& parameters, std::int64_t place) {
  return parameters[static_cast<std::size_t>(place)];
}

/// UserError where a model has one sense alone.
void expect_several_senses(const ObjectiveRequest& request, const std::string& type);

/// What model.completion makes of senses, where it can be taught; UserError where it cannot.
const Completion& taught_completion(const ObjectiveRequest& request);

/// The places of a weight [width, width of the sense] for each sense, and what it makes of some
/// samples: [k, width].
struct Projections {
  std::vector<std::int64_t> places;
  Projections(const ObjectiveRequest& request, std::int64_t width);
  torch::Tensor operator()(const Tensors& parameters, const Senses& senses, std::size_t sense,
                           const torch::Tensor& rows) const;
};

/// Two layers with GELU between them.
struct TwoLayers {
  std::int64_t weight1, bias1, weight2, bias2;
  TwoLayers(ParameterLayout& layout, const std::string& name, std::int64_t in, std::int64_t hidden,
            std::int64_t out);
  torch::Tensor operator()(const Tensors& parameters, const torch::Tensor& x) const;
};

/// int64 [k]: samples that have both senses.
torch::Tensor rows_with(const Senses& senses, std::size_t one, std::size_t other);

/// int64 [k]: samples that have a sense, and others that tell of it (Completion::said).
torch::Tensor rows_told(const Senses& senses, const torch::Tensor& known, std::size_t sense);

/// A mean over pairs of senses; 0 where `of_pair(a, b, rows)`, asked for pairs that two samples at
/// least have, never was.
template <class OfPair>
torch::Tensor mean_over_pairs(const Senses& senses, const OfPair& of_pair) {
  auto sum = torch::zeros({}, senses.present.options());
  std::int64_t pairs = 0;
  for (std::size_t a = 0; a < senses.pooled.size(); ++a)
    for (std::size_t b = a + 1; b < senses.pooled.size(); ++b) {
      const auto rows = rows_with(senses, a, b);
      if (rows.numel() < 2) continue;
      sum = sum + of_pair(a, b, rows);
      ++pairs;
    }
  return pairs == 0 ? sum : sum / static_cast<double>(pairs);
}

/// values [n, C, T], mask [n, T] (undefined: all steps are real) -> [n, C, stretches]: the means of
/// equal stretches of each row's real steps, of which step t counts by how much of [t, t + 1) lies
/// in the stretch. No row depends on another or on padding.
torch::Tensor stretch_means(const torch::Tensor& values, const torch::Tensor& mask,
                            std::int64_t stretches);

}  // namespace cuttle
