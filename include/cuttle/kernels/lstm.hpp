#pragma once

#include <cstdint>

namespace cuttle::kernels {

/// The weights of an LSTM as LibTorch has them; gates in the order input, forget, cell, output.
template <class T>
struct LstmWeights {
  T* from_x;       ///< [4 hidden, inputs]
  T* from_hidden;  ///< [4 hidden, hidden]
  T* bias;         ///< [4 hidden]
};

/// One step of an LSTM that many coordinates share, each with a memory of its own (a learned
/// optimizer: Andrychowicz et al. 2016). Coordinates are columns.
template <class T>
struct LstmStep {
  std::int64_t coordinates, inputs, hidden;
  const T* x;      ///< [inputs, coordinates]
  const T *h, *c;  ///< [hidden, coordinates], before the step
  LstmWeights<const T> weights;
};

/// h' and c' after the step, [hidden, coordinates] each. A coordinate's values do not depend on
/// where it stands nor on the others.
template <class T>
void lstm_forward(const LstmStep<T>& step, T* h, T* c);

/// Where gradients go; as LstmStep has the values.
template <class T>
struct LstmGradients {
  T *x, *h, *c;
  LstmWeights<T> weights;
};
/// From those of h' and c'; the gates are computed anew, block by block, so that nothing larger
/// than the memory itself is kept for the way back. Sums over coordinates have an order that
/// depends on their number and on the number of threads alone.
template <class T>
void lstm_backward(const LstmStep<T>& step, const T* of_h, const T* of_c,
                   const LstmGradients<T>& to);

}  // namespace cuttle::kernels
