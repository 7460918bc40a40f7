#pragma once

#include "cuttle/kernels/conv_block.hpp"
#include "kernels/isa.hpp"
#include "kernels/weights.hpp"
#include "kernels/workspace.hpp"

/// Convolutions with fewer multiplications: F(2x2, 3x3) of Winograd (Arithmetic Complexity of
/// Computations, SIAM 1980) as Lavin and Gray (CVPR 2016) apply it to images. Each tile of 2 x 2
/// outputs comes from the 4 x 4 inputs around it:
///   y = A^T [(G g G^T) * (B^T d B)] A, * element by element, summed over channels in between,
/// 16 products in place of 36. The gradient of the kernel is the transpose of the same map:
///   dg = G^T [sum over tiles (A dy A^T) * (B^T d B)] G.
/// For each of the 16 positions the sums are a product of matrices, [tiles x in] x [in x out] or
/// [in x tiles] x [tiles x out].
///
/// In float the largest error of a pass is about 4e-7 of its largest value (normally distributed
/// input, 20 to 64 channels), less than the direct way's 4e-7 to 9e-7: the transforms only add and
/// halve, and the sums are shorter. Padding is multiplied, unlike there, and a NaN reaches all
/// pixels of a tile.
namespace cuttle::kernels {

/// The one place that decides, by shape alone, whether a block's convolution, the gradient of its
/// input and that of its weight are computed this way.
bool by_winograd(const ConvBlockShape& shape);

/// The panels of 9 taps as 16 positions, one after the other; for winograd_convolve.
template <class T>
const T* winograd_weights(const Isa<T>& loops, const PanelLayout& layout, const T* panels,
                          Scratch& scratch);

/// What `job` asks for, over whole images. Weights come from winograd_weights; the lists of pixels
/// and offsets are not read, and taps neither.
template <class T>
void winograd_convolve(const Isa<T>& loops, const ConvBlockShape& shape, std::int64_t images,
                       const Convolution<T>& job);

/// The sums over tiles: adds to sum[position][row][column]. dy must be 0 at pixels that are not
/// real. The lists of pixels are not read.
template <class T>
void winograd_correlate(const Isa<T>& loops, const ConvBlockShape& shape, std::int64_t images,
                        const Correlation<T>& job);

/// sums[part][position][size] of all parts -> sums[tap][size], in place.
template <class T>
void winograd_taps(const Isa<T>& loops, std::int64_t parts, std::int64_t size, T* sums);

}  // namespace cuttle::kernels
