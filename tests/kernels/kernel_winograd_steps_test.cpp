// Winograd's transforms against the matrices of Lavin and Gray (2016, section 4.1), what they make
// up against the convolution, and the rule that chooses them.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/geometry.hpp"
#include "kernels/kernel_parts.hpp"
#include "kernels/paths.hpp"
#include "kernels/winograd.hpp"
#include "kernels_reference.hpp"

namespace cuttle::kernels {
namespace {

using parts::dot;
using parts::size_of;
using reference::Values;
using Matrix = std::vector<Values>;

const Matrix kB = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};  // transposed
const Matrix kG = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
const Matrix kA = {{1, 1, 1, 0}, {0, 1, -1, -1}};  // transposed

Matrix transposed(const Matrix& m) {
  Matrix result(m[0].size(), Values(m.size()));
  for (std::size_t i = 0; i < m.size(); ++i) {
    for (std::size_t j = 0; j < m[0].size(); ++j) result[j][i] = m[i][j];
  }
  return result;
}
Matrix times(const Matrix& a, const Matrix& b) {
  Matrix result(a.size(), Values(b[0].size(), 0.0));
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t k = 0; k < b.size(); ++k) {
      for (std::size_t j = 0; j < b[0].size(); ++j) result[i][j] += a[i][k] * b[k][j];
    }
  }
  return result;
}

struct Step {
  WinogradStep step;
  Matrix matrix;
  bool reads_image;
  std::int64_t offset;  ///< of the patch from the tile's first pixel
  bool of_kernel;
};
const Step kInput{WinogradStep::kInput, kB, true, -1, false},
    kOutput{WinogradStep::kOutput, kA, false, 0, false},
    kGradient{WinogradStep::kGradient, transposed(kA), true, 0, false},
    kKernel{WinogradStep::kKernel, kG, true, 0, true},
    kKernelGradient{WinogradStep::kKernelGradient, transposed(kG), false, 0, true};

/// Images and 16 positions of some of their tiles, with gaps in between that no step may touch.
struct Tiles {
  std::int64_t images, height, width, channels, first, last;
  std::int64_t pixel_stride = channels + 3, tile_stride = channels + 1,
               position_stride = (last - first) * tile_stride + 5;
  Values image = parts::normal<double>(images * height * width * pixel_stride, 1),
         positions = parts::normal<double>(kWinogradPositions * position_stride, 2);

  static std::int64_t across(std::int64_t size) { return (size + 1) / 2; }
  double& at(std::int64_t position, std::int64_t tile, std::int64_t c) {
    return positions[size_of(position * position_stride + (tile - first) * tile_stride + c)];
  }
  /// A pixel of a tile's patch; null if it is not in the image.
  double* pixel(std::int64_t tile, std::int64_t offset, std::int64_t i, std::int64_t j,
                std::int64_t c) {
    const std::int64_t row = tile / across(width), n = row / across(height);
    const std::int64_t u = 2 * (row % across(height)) + offset + i,
                       v = 2 * (tile % across(width)) + offset + j;
    if (u < 0 || u >= height || v < 0 || v >= width) return nullptr;
    return &image[size_of(((n * height + u) * width + v) * pixel_stride + c)];
  }

  void run(const Step& step) {
    Values outside(size_of(channels), 0.0);
    WinogradTransform<double> job{};
    job.step = step.step;
    job.from = step.reads_image ? image.data() : positions.data();
    job.to = step.reads_image ? positions.data() : image.data();
    job.channels = channels;
    job.height = height;
    job.width = width;
    job.pixel_stride = pixel_stride;
    job.first = first;
    job.tiles = last - first;
    job.position_stride = position_stride;
    job.tile_stride = tile_stride;
    job.outside = outside.data();
    isa<double>().winograd(job);
  }
  /// The same by products of matrices.
  void run_plainly(const Step& step) {
    for (std::int64_t tile = first; tile < last; ++tile) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const auto value = [&](bool in_image, std::size_t i, std::size_t j) {
          return in_image ? pixel(tile, step.offset, i, j, c) : &at(4 * i + j, tile, c);
        };
        const std::size_t from = step.matrix[0].size();
        Matrix patch(from, Values(from, 0.0));
        for (std::size_t i = 0; i < from; ++i) {
          for (std::size_t j = 0; j < from; ++j) {
            if (const double* v = value(step.reads_image, i, j)) patch[i][j] = *v;
          }
        }
        const Matrix result = times(times(step.matrix, patch), transposed(step.matrix));
        for (std::size_t i = 0; i < result.size(); ++i) {
          for (std::size_t j = 0; j < result.size(); ++j) {
            if (double* v = value(!step.reads_image, i, j)) *v = result[i][j];
          }
        }
      }
    }
  }
};

double farthest(const Values& a, const Values& b) {
  EXPECT_EQ(a.size(), b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

TEST(WinogradSteps, AreTheMatricesOnAllTilesOfOddImagesToo) {
  parts::on_every_instruction_set([] {
    for (const Step& step : {kInput, kOutput, kGradient, kKernel, kKernelGradient}) {
      for (const auto& [height, width] : {std::pair{1, 1}, {2, 2}, {3, 5}, {6, 7}, {8, 4}}) {
        for (const std::int64_t channels : {1, 7, 21}) {
          SCOPED_TRACE(static_cast<int>(step.step));
          const std::int64_t all = 2 * Tiles::across(height) * Tiles::across(width);
          Tiles got = step.of_kernel ? Tiles{1, 3, 3, channels, 0, 1}
                                     : Tiles{2, height, width, channels, all / 3, all};
          Tiles want = got;
          got.run(step);
          want.run_plainly(step);
          EXPECT_LT(farthest(got.image, want.image), 1e-14);
          EXPECT_LT(farthest(got.positions, want.positions), 1e-14);
        }
      }
    }
  });
}

TEST(WinogradSteps, OfOneTileMakeAConvolutionAndItsKernelsGradient) {
  Tiles kernel{1, 3, 3, 1, 0, 1}, x{1, 6, 6, 1, 4, 5}, y = x;  // tile 4 is the inner one
  kernel.run(kKernel);
  x.run(kInput);
  for (std::int64_t p = 0; p < kWinogradPositions; ++p)
    y.at(p, 4, 0) = kernel.at(p, 0, 0) * x.at(p, 4, 0);
  y.run(kOutput);
  Tiles dy{1, 6, 6, 1, 4, 5}, gradient{1, 3, 3, 1, 0, 1};
  dy.run(kGradient);
  for (std::int64_t p = 0; p < kWinogradPositions; ++p)
    gradient.at(p, 0, 0) = dy.at(p, 4, 0) * x.at(p, 4, 0);
  gradient.run(kKernelGradient);
  // Over all products that meet in the tile: y[i][j] += k[a][b] x[i + a][j + b], and the same for
  // k.
  Matrix sums(2, Values(2, 0.0)), of_kernel(3, Values(3, 0.0));
  for (const std::int64_t ij : {0, 1, 2, 3}) {
    for (std::int64_t ab = 0; ab < 9; ++ab) {
      const std::int64_t i = ij / 2, j = ij % 2, a = ab / 3, b = ab % 3;
      const double value = *x.pixel(4, -1, i + a, j + b, 0);
      sums[i][j] += *kernel.pixel(0, 0, a, b, 0) * value;
      of_kernel[a][b] += *dy.pixel(4, 0, i, j, 0) * value;
    }
  }
  for (const std::int64_t ij : {0, 1, 2, 3})
    EXPECT_NEAR(*y.pixel(4, 0, ij / 2, ij % 2, 0), sums[ij / 2][ij % 2], 1e-14);
  for (std::int64_t ab = 0; ab < 9; ++ab)
    EXPECT_NEAR(*gradient.pixel(0, 0, ab / 3, ab % 3, 0), of_kernel[ab / 3][ab % 3], 1e-14);
}

TEST(WinogradSteps, ThoseOfGradientsAreTransposes) {
  const auto expect_adjoint = [](const Tiles& start, const Step& step, const Step& back) {
    Tiles to = start, from = start;
    to.run(step.reads_image ? back : step);
    from.run(step.reads_image ? step : back);
    EXPECT_NEAR(dot(to.image, start.image), dot(from.positions, start.positions), 1e-12);
  };
  const auto without_gaps = [](std::int64_t n, std::int64_t height, std::int64_t width,
                               std::int64_t tiles) {
    return Tiles{n, height, width, 6, 0, tiles, 6, 6, 6 * tiles};
  };
  expect_adjoint(without_gaps(1, 3, 3, 1), kKernel, kKernelGradient);
  for (const auto& [height, width] : {std::pair{1, 1}, {3, 5}, {4, 4}})
    expect_adjoint(without_gaps(2, height, width, 2 * Tiles::across(height) * Tiles::across(width)),
                   kGradient, kOutput);
}

/// Both passes of whole images, with one source or two.
struct Passes {
  ConvBlockShape shape;
  const Isa<double>& loops = isa<double>();
  std::int64_t padded_out = round_up(shape.out, 2 * loops.lanes);

  Values convolve(const std::vector<Values>& xs, const std::vector<Values>& weights) const {
    Scratch scratch;
    const auto sources = static_cast<std::int64_t>(xs.size());
    const PanelLayout layout = forward_layout(shape, sources, loops.lanes);
    auto* panels = scratch.take<double>(layout.elements());
    Values y(size_of(shape.pixels() * shape.out));
    Convolution<double> job{};
    job.sources = static_cast<int>(sources);
    for (std::size_t s = 0; s < xs.size(); ++s) {
      pack_forward(shape, layout, static_cast<std::int64_t>(s), weights[s].data(), panels);
      job.source[s] = xs[s].data();
      job.stride[s] = shape.in;
    }
    job.weights = winograd_weights(loops, layout, panels, scratch);
    job.channels = shape.in;
    job.columns = job.out_stride = shape.out;
    job.out = y.data();
    winograd_convolve(loops, shape, shape.images, job);
    return y;
  }
  /// The first image is summed apart.
  Values correlate(const Values& x, const Values& dy) const {
    const std::int64_t tap = shape.in * padded_out, size = kWinogradPositions * tap;
    Values sums(size_of(2 * size), 0.0), padded(size_of(shape.pixels() * padded_out), 0.0),
        weight(size_of(shape.weight_elements()));
    for (std::int64_t p = 0; p < shape.pixels(); ++p)
      std::copy_n(&dy[reference::at(p, shape.out, 0)], shape.out,
                  &padded[reference::at(p, padded_out, 0)]);
    Correlation<double> job{};
    job.rows = job.x_stride = shape.in;
    job.columns = shape.out;
    job.dy_stride = job.sum_stride = padded_out;
    for (const std::int64_t part : {0, 1}) {
      const std::int64_t pixel = part * shape.height * shape.width;
      job.x = x.data() + pixel * shape.in;
      job.dy = padded.data() + pixel * padded_out;
      job.sum = sums.data() + part * size;
      winograd_correlate(loops, shape, part == 0 ? 1 : shape.images - 1, job);
    }
    winograd_taps(loops, 2, tap, sums.data());
    unpack_sums(shape, sums.data(), 1, padded_out, weight.data());
    return weight;
  }
};

TEST(WinogradPasses, AreTheConvolutionOfTwoSourcesAndItsAdjointInTheWeight) {
  parts::on_every_instruction_set([] {
    for (const ConvBlockShape& s :
         {ConvBlockShape{2, 1, 1, 1, 1}, {3, 3, 5, 2, 12}, {2, 4, 4, 7, 6}, {3, 17, 21, 20, 33}}) {
      const Values x = parts::normal<double>(s.pixels() * s.in, 1),
                   other = parts::normal<double>(s.pixels() * s.in, 2),
                   w = parts::normal<double>(s.weight_elements(), 3),
                   v = parts::normal<double>(s.weight_elements(), 4),
                   dy = parts::normal<double>(s.pixels() * s.out, 5);
      Values expected(dy.size(), 0.0);
      reference::over_taps(s, [&](auto pixel, auto from, auto tap) {
        for (std::int64_t o = 0; o < s.out; ++o) {
          for (std::int64_t i = 0; i < s.in; ++i)
            expected[reference::at(pixel, s.out, o)] +=
                x[reference::at(from, s.in, i)] * w[reference::weight_at(s, o, i, tap)] +
                other[reference::at(from, s.in, i)] * v[reference::weight_at(s, o, i, tap)];
        }
      });
      const Passes passes{s};
      EXPECT_LT(farthest(passes.convolve({x, other}, {w, v}), expected), 1e-12);
      const double product = dot(passes.convolve({x}, {w}), dy);
      EXPECT_NEAR(dot(w, passes.correlate(x, dy)), product, 1e-12 * dot(dy, dy));
    }
  });
}

TEST(WinogradRule, MoreOfTheSameNeverTurnsItOff) {
  for (const std::int64_t side : {2, 4, 8, 14, 21, 42}) {
    for (const std::int64_t channels : {1, 8, 16, 32, 64, 128}) {
      for (const std::int64_t images : {1, 5, 25, 75}) {
        if (!by_winograd({images, side, side, channels, channels})) continue;
        SCOPED_TRACE(std::to_string(images) + " of " + std::to_string(side) + ", channels " +
                     std::to_string(channels));
        EXPECT_TRUE(by_winograd({3 * images, side, side, channels, channels}));
        EXPECT_TRUE(by_winograd({images, side, side, 2 * channels, 2 * channels}));
        EXPECT_TRUE(by_winograd({images, 2 * side, 2 * side, channels, channels}));
      }
    }
  }
}

TEST(WinogradRule, KeepsSmallImagesAndSequencesDirect) {
  for (const std::int64_t images : {1, 5, 75, 1000}) {
    for (const std::int64_t channels : {1, 64, 512}) {
      for (const std::int64_t side : {1, 2, 3})
        EXPECT_FALSE(by_winograd({images, side, side, channels, channels})) << side;
      EXPECT_FALSE(by_winograd({images, 1, 500, channels, channels, 1, 1, 2}));
      EXPECT_FALSE(by_winograd({images, 64, 64, channels, channels, 1}));
    }
    EXPECT_TRUE(by_winograd({images, 14, 14, 64, 64}));
  }
}

}  // namespace
}  // namespace cuttle::kernels
