#pragma once

#include <torch/types.h>

#include <optional>
#include <string>

#include "adapt/layers.hpp"

namespace cuttle {

/// How an LSTM with a memory is built.
struct SlotMemoryOptions {
  std::int64_t hidden = 200;     ///< units of the LSTM
  std::int64_t slots = 128;      ///< rows of the memory; 0: none
  std::int64_t slot_width = 40;  ///< columns
  std::int64_t reads = 4;        ///< heads that each read a row and write one
  double sharpness = 10;         ///< where the factor of similarities starts
};

/// What a sequence has left behind after a step, of n sequences side by side.
struct SlotState {
  torch::Tensor hidden, cell;  ///< [n, units]
  torch::Tensor memory;        ///< [n, slots, columns]
  torch::Tensor read;          ///< [n, heads, slots]: weights of the last reads
  torch::Tensor usage;         ///< [n, slots]

  /// [n, heads * columns]: what was read last; no columns without a memory.
  torch::Tensor recalled() const { return read.matmul(memory).flatten(1); }
};

/// An LSTM that reads a memory by content and writes to it where it is least used (Santoro et al.
/// 2016). With keys k_t it reads the memory M, and writes a_t to where it read last or to the least
/// used slot:
///   w^w_t = sigma(alpha) w^r_{t-1} + (1 - sigma(alpha)) w^lu_{t-1} (equation 7),
///   M_t(i) = M_{t-1}(i) + w^w_t(i) a_t                             (8),
///   w^r_t = softmax(beta cos(k_t, M_t))                            (2 and 3),
///   r_t = sum_i w^r_t(i) M_t(i)                                    (4),
///   w^u_t = gamma w^u_{t-1} + w^r_t + w^w_t                        (5),
/// w^lu being 1 at the least used slot (6), which is emptied before. Of several heads each has a
/// slot of its own among the least used. beta and a_t are the NTM's (Graves, Wayne, Danihelka
/// 2014). The paper writes k_t itself; but then nothing is as like a key as what was written a
/// moment ago, so a sample finds itself.
class SlotMemory {
 public:
  SlotMemory(ParameterLayout& layout, const SlotMemoryOptions& options, std::int64_t inputs);

  static constexpr double kUsageKept = 0.95;  ///< gamma
  static constexpr double kHardlyAnything =
      1e-2;  ///< a row of such a squared length is like nothing

  std::int64_t slots() const { return options_.slots; }
  /// Columns of hidden() and of recalled(), side by side.
  std::int64_t width() const { return options_.hidden + recalled_; }
  SlotState blank(const torch::TensorOptions& like) const;
  /// Inputs [n, inputs] of the next step.
  SlotState step(const Tensors& p, const SlotState& was, torch::Tensor input) const;
  /// [n, width()]: what is said of a step is made of this.
  torch::Tensor seen(const SlotState& state) const;

 private:
  template <class T>
  friend class SlotSequence;

  SlotMemoryOptions options_;
  std::int64_t recalled_;
  OwnLayer in_;
  std::int64_t back_;
  std::optional<OwnLayer> key_, add_;
  std::int64_t gate_ = -1, sharpness_ = -1;
};

}  // namespace cuttle
