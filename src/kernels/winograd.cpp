#include "kernels/winograd.hpp"

#include <algorithm>
#include <numeric>

#include "kernels/geometry.hpp"
#include "kernels/parallel.hpp"

namespace cuttle::kernels {
namespace {

/// Of the transformed tiles that are worked on at a time: they stay in the second-level cache.
constexpr std::int64_t kBlockBytes = 384 << 10;
/// With many channels the weights do not stay there, and every block reads them anew: then a block
/// has as many values as they, up to so many at each position.
constexpr std::int64_t kPositionBytes = 1 << 20;

std::int64_t tiles_of(const ConvBlockShape& shape, std::int64_t images) {
  return images * ((shape.height + 1) / 2) * ((shape.width + 1) / 2);
}

/// Values of 16 positions of the tiles of a block, [position][tile][channel].
template <class T>
struct Positions {
  std::int64_t channels, tile_stride, position_stride;
  T* values;
  T* outside;

  Positions(std::int64_t channel_count, std::int64_t tiles, Scratch& scratch)
      : channels(channel_count),
        tile_stride(odd_lines<T>(channel_count)),
        position_stride(odd_lines<T>(tiles * tile_stride)),
        values(scratch.take<T>(kWinogradPositions * position_stride)),
        outside(scratch.zeros<T>(channel_count)) {}
  const T* at(std::int64_t position) const { return values + position * position_stride; }
};

/// The tiles of some images, block after block.
struct Blocks {
  std::int64_t tiles, count;
  Blocks(const ConvBlockShape& shape, std::int64_t images, std::int64_t values_of_a_tile,
         std::size_t value_bytes)
      : tiles(tiles_of(shape, images)) {
    const std::int64_t bytes = values_of_a_tile * static_cast<std::int64_t>(value_bytes);
    const std::int64_t most = std::max<std::int64_t>(
        {kBlockBytes / (kWinogradPositions * bytes),
         std::min(shape.in * shape.out / (shape.in + shape.out), kPositionBytes / bytes), 16});
    count = (tiles + most - 1) / most;
  }
  std::int64_t first(std::int64_t block) const { return block * tiles / count; }
  std::int64_t largest() const { return (tiles + count - 1) / count; }
};

template <class T>
WinogradTransform<T> transform_of(WinogradStep step, const ConvBlockShape& shape,
                                  const Positions<T>& at, std::int64_t first, std::int64_t last) {
  WinogradTransform<T> job{};
  job.step = step;
  job.channels = at.channels;
  job.height = shape.height;
  job.width = shape.width;
  job.first = first;
  job.tiles = last - first;
  job.position_stride = at.position_stride;
  job.tile_stride = at.tile_stride;
  job.outside = at.outside;
  return job;
}

/// The same for a kernel, values of `size` channels in 3 x 3 pixels and 16 positions.
template <class T>
WinogradTransform<T> transform_of(WinogradStep step, std::int64_t size,
                                  std::int64_t position_stride) {
  WinogradTransform<T> job{};
  job.step = step;
  job.channels = job.pixel_stride = size;
  job.height = job.width = 3;
  job.tiles = 1;
  job.position_stride = position_stride;
  return job;
}

template <class T>
void to_positions(const Isa<T>& loops, WinogradTransform<T> job, const T* from,
                  std::int64_t pixel_stride, const Positions<T>& to) {
  job.from = from;
  job.pixel_stride = pixel_stride;
  job.to = to.values;
  loops.winograd(job);
}

std::int32_t* counted(std::int64_t count, Scratch& scratch) {
  auto* result = scratch.take<std::int32_t>(count);
  std::iota(result, result + count, 0);
  return result;
}

}  // namespace

bool by_winograd(const ConvBlockShape& shape) {
  if (shape.kernel_height != 3) return false;
  // In multiplications of one direct convolution. Those by padding are left out there, so small
  // images have fewer. Measured with AVX2: the products by position run at 16/19 of its speed, all
  // transforms of a tile cost 90 for each channel, those of the weights 120 for each of theirs.
  const std::int64_t weights = shape.in * shape.out, tiles = tiles_of(shape, shape.images);
  const std::int64_t direct =
      shape.images * (3 * shape.height - 2) * (3 * shape.width - 2) * weights;
  const std::int64_t winograd =
      tiles * (19 * weights + 90 * (shape.in + shape.out)) + 120 * weights;
  return 100 * direct > 115 * winograd;
}

template <class T>
const T* winograd_weights(const Isa<T>& loops, const PanelLayout& layout, const T* panels,
                          Scratch& scratch) {
  const std::int64_t size = odd_lines<T>(layout.elements() / layout.taps);
  T* result = scratch.take<T>(kWinogradPositions * size);
  std::int64_t done = 0;
  for (std::int64_t first = 0; first < layout.columns; first += 2 * layout.lanes) {
    const std::int64_t width =
        layout.columns - first > layout.lanes ? 2 * layout.lanes : layout.lanes;
    for (std::int64_t s = 0; s < layout.sources; ++s) {
      auto job = transform_of<T>(WinogradStep::kKernel, layout.channels * width, size);
      job.from = panels + done * layout.taps;
      job.to = result + done;
      loops.winograd(job);
      done += job.channels;
    }
  }
  return result;
}

template <class T>
void winograd_convolve(const Isa<T>& loops, const ConvBlockShape& shape, std::int64_t images,
                       const Convolution<T>& job) {
  Scratch scratch;
  const Blocks blocks(shape, images, job.sources * job.channels + job.columns, sizeof(T));
  const Positions<T> ins[2] = {{job.channels, blocks.largest(), scratch},
                               {job.channels, job.sources == 2 ? blocks.largest() : 0, scratch}};
  const Positions<T> outs(job.columns, blocks.largest(), scratch);
  const std::int64_t weights_of_a_position =
      odd_lines<T>(PanelLayout{job.columns, job.channels, 1, job.sources, loops.lanes}.elements());
  PixelClass tiles{0, 0, 1, {0}, {0}};
  Convolution<T> product = job;
  product.taps = product.class_count = 1;
  product.classes = &tiles;
  product.order = counted(blocks.largest(), scratch);
  product.out_stride = outs.tile_stride;
  for (std::int64_t b = 0; b < blocks.count; ++b) {
    const std::int64_t first = blocks.first(b), last = blocks.first(b + 1);
    tiles.end = static_cast<std::int32_t>(last - first);
    for (int s = 0; s < job.sources; ++s)
      to_positions(loops, transform_of(WinogradStep::kInput, shape, ins[s], first, last),
                   job.source[s], job.stride[s], ins[s]);
    for (std::int64_t p = 0; p < kWinogradPositions; ++p) {
      for (int s = 0; s < job.sources; ++s) {
        product.source[s] = ins[s].at(p);
        product.stride[s] = ins[s].tile_stride;
      }
      product.weights = job.weights + p * weights_of_a_position;
      product.out = outs.values + p * outs.position_stride;
      loops.convolve(product);
    }
    auto back = transform_of(WinogradStep::kOutput, shape, outs, first, last);
    back.from = outs.values;
    back.to = job.out;
    back.pixel_stride = job.out_stride;
    loops.winograd(back);
  }
}

template <class T>
void winograd_correlate(const Isa<T>& loops, const ConvBlockShape& shape, std::int64_t images,
                        const Correlation<T>& job) {
  Scratch scratch;
  // The gradient is transformed up to whole panels, which are read.
  const Blocks blocks(shape, images, job.rows + job.sum_stride, sizeof(T));
  const Positions<T> x(job.rows, blocks.largest(), scratch);
  const Positions<T> dy(job.sum_stride, blocks.largest(), scratch);
  const T** rows = scratch.take<const T*>(job.rows);
  Outer<T> product{};
  product.rows = rows;
  product.row_count = job.rows;
  product.pitch = x.tile_stride;
  product.stride = dy.tile_stride;
  product.column_count = job.columns;
  product.pixels = counted(blocks.largest(), scratch);
  product.sum_stride = job.sum_stride;
  for (std::int64_t b = 0; b < blocks.count; ++b) {
    const std::int64_t first = blocks.first(b), last = blocks.first(b + 1);
    to_positions(loops, transform_of(WinogradStep::kInput, shape, x, first, last), job.x,
                 job.x_stride, x);
    to_positions(loops, transform_of(WinogradStep::kGradient, shape, dy, first, last), job.dy,
                 job.dy_stride, dy);
    product.pixel_count = last - first;
    for (std::int64_t p = 0; p < kWinogradPositions; ++p) {
      for (std::int64_t r = 0; r < job.rows; ++r) rows[r] = x.at(p) + r;
      product.columns = dy.at(p);
      product.sum = job.sum + p * job.rows * job.sum_stride;
      loops.outer(product);
    }
  }
}

template <class T>
void winograd_taps(const Isa<T>& loops, std::int64_t parts, std::int64_t size, T* sums) {
  join_parts(parts, kWinogradPositions * size, sums);
  // In place: a vector's 16 positions are read before its 9 taps are written, and no other's lie
  // there.
  auto job = transform_of<T>(WinogradStep::kKernelGradient, size, size);
  job.from = job.to = sums;
  loops.winograd(job);
}

#define CUTTLE_INSTANTIATE(T)                                                                   \
  template const T* winograd_weights<T>(const Isa<T>&, const PanelLayout&, const T*, Scratch&); \
  template void winograd_convolve<T>(const Isa<T>&, const ConvBlockShape&, std::int64_t,        \
                                     const Convolution<T>&);                                    \
  template void winograd_correlate<T>(const Isa<T>&, const ConvBlockShape&, std::int64_t,       \
                                      const Correlation<T>&);                                   \
  template void winograd_taps<T>(const Isa<T>&, std::int64_t, std::int64_t, T*);
CUTTLE_INSTANTIATE(float)
CUTTLE_INSTANTIATE(double)

}  // namespace cuttle::kernels
