#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/model/block.hpp"

// What makes tokens [m, T, W] of samples, each with its place, for layers that attend.
namespace cuttle {

/// Non-overlapping pieces of x, [m, C, T] or [m, C, H, W], as long (as high and as wide) as the
/// weight [columns, C, piece...] is: [m, pieces, columns], row by row.
torch::Tensor pieces_of(const torch::Tensor& x, const torch::Tensor& weight,
                        const torch::Tensor& bias);

/// Rows of a table of so many tokens, by tokens [m, T], at the places of sinusoids.
std::unique_ptr<const Block> make_token_embedding(ParameterLayout& layout, const std::string& name,
                                                  std::int64_t tokens, std::int64_t width);
/// Steps [m, C, T] through a linear layer, `together` of them as one token (the last few filled up
/// with zeros), at the places of sinusoids.
std::unique_ptr<const Block> make_step_embedding(ParameterLayout& layout, const std::string& name,
                                                 std::int64_t channels, std::int64_t width,
                                                 std::int64_t together);
/// Squares of pictures [m, C, height, width] through a linear layer, each at a learned place
/// (Dosovitskiy et al. 2021, equation 1, without a token for the whole). `side` divides both sizes.
std::unique_ptr<const Block> make_patch_embedding(ParameterLayout& layout, const std::string& name,
                                                  const std::vector<std::int64_t>& shape,
                                                  std::int64_t width, std::int64_t side);

}  // namespace cuttle
