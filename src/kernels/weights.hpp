#pragma once

#include <cstdint>

#include "cuttle/kernels/conv_block.hpp"

namespace cuttle::kernels {

/// Weights as Convolution reads them: panels of two vectors of output columns (the last panel one
/// vector if that is enough), zero beyond the last column. Several sources are summed by one
/// convolution.
struct PanelLayout {
  std::int64_t columns, channels, taps, sources, lanes;
  std::int64_t elements() const {
    return (columns + lanes - 1) / lanes * lanes * sources * taps * channels;
  }
};

/// The convolution itself: columns are its output channels.
PanelLayout forward_layout(const ConvBlockShape& shape, std::int64_t sources, std::int64_t lanes);
/// Its transpose, from gradients of outputs to gradients of inputs: a convolution with the flipped
/// kernel.
PanelLayout transposed_layout(const ConvBlockShape& shape, std::int64_t sources,
                              std::int64_t lanes);

/// Rows of `depth` values, one for each column, in the order that panels have: taps, channels.
template <class T>
void pack_rows(const PanelLayout& layout, const T* rows, T* panels);
template <class T>
void pack_forward(const ConvBlockShape& shape, const PanelLayout& layout, std::int64_t source,
                  const T* weight, T* panels);
template <class T>
void pack_transposed(const ConvBlockShape& shape, const PanelLayout& layout, std::int64_t source,
                     const T* weight, T* panels);

/// weight[out, in, taps] = the sum over parts of sums[part][tap][in][stride]; the first part is
/// overwritten.
template <class T>
void unpack_sums(const ConvBlockShape& shape, T* sums, std::int64_t parts, std::int64_t stride,
                 T* weight);

}  // namespace cuttle::kernels
