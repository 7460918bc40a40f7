#include "cuttle/kernels/lstm.hpp"

#include <algorithm>

#include "kernels/parallel.hpp"
#include "kernels/paths.hpp"
#include "kernels/workspace.hpp"

namespace cuttle::kernels {
namespace {

/// Coordinates that are done together: whole vectors, and their gates stay in the caches.
constexpr std::int64_t kBlock = 128;

template <class T>
void product_of(const Factors<T>& factors, std::int64_t rows, std::int64_t stride, T* to) {
  isa<T>().product({1, {factors, {}}, nullptr, to, rows, stride, false, nullptr});
}

/// A block's columns of a step, and the weights as one matrix of [4 hidden, depth], depth being
/// inputs, hidden and a one for the bias.
template <class T>
struct Block {
  const LstmStep<T>& step;
  std::int64_t rows, depth, size;
  T *weights, *seen, *gates, *c;

  Block(const LstmStep<T>& of, Scratch& scratch)
      : step(of),
        rows(4 * of.hidden),
        depth(of.inputs + of.hidden + 1),
        size(of.hidden * kBlock),
        weights(scratch.take<T>(rows * depth)),
        seen(scratch.zeros<T>(depth * kBlock)),
        gates(scratch.take<T>(rows * kBlock)),
        c(scratch.zeros<T>(size)) {
    const auto& from = step.weights;
    for (std::int64_t row = 0; row < rows; ++row) {
      T* to = std::copy_n(from.from_x + row * step.inputs, step.inputs, weights + row * depth);
      *std::copy_n(from.from_hidden + row * step.hidden, step.hidden, to) = from.bias[row];
    }
    std::fill_n(seen + (depth - 1) * kBlock, kBlock, T{1});
  }

  /// What the cells of a block read, and the sums that enter their gates.
  void look(std::int64_t block) {
    read(step.x, step.inputs, block, seen);
    read(step.h, step.hidden, block, seen + step.inputs * kBlock);
    read(step.c, step.hidden, block, c);
    product_of<T>({weights, depth, 1, seen, kBlock, depth}, rows, kBlock, gates);
  }
  void read(const T* from, std::int64_t count, std::int64_t block, T* to) const {
    for (std::int64_t row = 0; row < count; ++row)
      std::copy_n(from + row * step.coordinates + block * kBlock, width(block), to + row * kBlock);
  }
  void write(const T* from, std::int64_t count, std::int64_t block, T* to) const {
    for (std::int64_t row = 0; row < count; ++row)
      std::copy_n(from + row * kBlock, width(block), to + row * step.coordinates + block * kBlock);
  }
  std::int64_t width(std::int64_t block) const {
    return std::min(kBlock, step.coordinates - block * kBlock);
  }
};

template <class T>
std::int64_t blocks_of(const LstmStep<T>& step) {
  return (step.coordinates + kBlock - 1) / kBlock;
}

/// The sum of weight gradients, a row for each gate, to where the weights are.
template <class T>
void hand_out(const LstmStep<T>& step, const T* sum, std::int64_t stride,
              const LstmWeights<T>& to) {
  for (std::int64_t row = 0; row < 4 * step.hidden; ++row, sum += stride) {
    std::copy_n(sum, step.inputs, to.from_x + row * step.inputs);
    std::copy_n(sum + step.inputs, step.hidden, to.from_hidden + row * step.hidden);
    to.bias[row] = sum[step.inputs + step.hidden];
  }
}

}  // namespace

template <class T>
void lstm_forward(const LstmStep<T>& step, T* h, T* c) {
  in_parts(blocks_of(step), [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    Scratch scratch;
    Block<T> block(step, scratch);
    T *next_h = scratch.take<T>(block.size), *next_c = scratch.take<T>(block.size);
    for (std::int64_t b = begin; b < end; ++b) {
      block.look(b);
      isa<T>().cells({block.size, block.gates, block.c, nullptr, nullptr, next_h, next_c});
      block.write(next_h, step.hidden, b, h);
      block.write(next_c, step.hidden, b, c);
    }
  });
}

template <class T>
void lstm_backward(const LstmStep<T>& step, const T* of_h, const T* of_c,
                   const LstmGradients<T>& to) {
  const std::int64_t rows = 4 * step.hidden, depth = step.inputs + step.hidden + 1;
  const std::int64_t lanes = isa<T>().lanes, stride = (depth + lanes - 1) / lanes * lanes;
  const std::int64_t blocks = blocks_of(step), parts = parts_of(blocks);
  Scratch outside;
  T* sums = outside.zeros<T>(parts * rows * stride);
  in_parts(blocks, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
    Scratch scratch;
    Block<T> block(step, scratch);
    T *block_of_h = scratch.take<T>(block.size), *block_of_c = scratch.take<T>(block.size);
    T *before = scratch.take<T>(block.size), *of_seen = scratch.take<T>(depth * kBlock);
    T *turned = scratch.take<T>(kBlock * stride), *weights = scratch.take<T>(rows * stride);
    T* sum = sums + part * rows * stride;
    for (std::int64_t b = begin; b < end; ++b) {
      if (block.width(b) < kBlock) {  // what is past the last coordinate adds nothing to weights
        std::fill_n(block_of_h, block.size, T{});
        std::fill_n(block_of_c, block.size, T{});
      }
      block.look(b);
      block.read(of_h, step.hidden, b, block_of_h);
      block.read(of_c, step.hidden, b, block_of_c);
      isa<T>().cells({block.size, block.gates, block.c, block_of_h, block_of_c, nullptr, before});
      isa<T>().transpose({block.seen, depth, kBlock, kBlock, turned, stride});
      product_of<T>({block.gates, kBlock, 1, turned, stride, kBlock}, rows, stride, weights);
      for (std::int64_t k = 0; k < rows * stride; ++k) sum[k] += weights[k];
      product_of<T>({block.weights, 1, depth, block.gates, kBlock, rows}, depth, kBlock, of_seen);
      block.write(of_seen, step.inputs, b, to.x);
      block.write(of_seen + step.inputs * kBlock, step.hidden, b, to.h);
      block.write(before, step.hidden, b, to.c);
    }
  });
  join_parts(parts, rows * stride, sums);
  hand_out(step, sums, stride, to.weights);
}

template void lstm_forward<float>(const LstmStep<float>&, float*, float*);
template void lstm_forward<double>(const LstmStep<double>&, double*, double*);
template void lstm_backward<float>(const LstmStep<float>&, const float*, const float*,
                                   const LstmGradients<float>&);
template void lstm_backward<double>(const LstmStep<double>&, const double*, const double*,
                                    const LstmGradients<double>&);

}  // namespace cuttle::kernels
