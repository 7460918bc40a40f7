#include "cuttle/kernels/transformer_layers.hpp"

#include <algorithm>
#include <utility>

#include "kernels/attention.hpp"
#include "kernels/parallel.hpp"
#include "kernels/weights.hpp"

namespace cuttle::kernels {
namespace {

/// In a part of the sequences, so that what passes between two products stays in the second cache.
constexpr std::int64_t kTokens = 96;

/// A matrix [out, in] as Mix reads it.
template <class T>
struct Linear {
  std::int64_t in, out;
  const T *panels, *bias;

  /// to [rows, out] = x [rows, in] W^T + b.
  void operator()(std::int64_t rows, const T* x, T* to) const {
    isa<T>().mix({x, in, in, panels, bias, to, out, rows, {false, T{}}});
  }
};

template <class T>
Linear<T> forth(std::int64_t in, std::int64_t out, const MlpWeights<const T>& from,
                Scratch& scratch) {
  T* panels = scratch.take<T>(in * out);
  pack_rows(PanelLayout{out, in, 1, 1, isa<T>().lanes}, from.weight, panels);
  return {in, out, panels, from.bias};
}

/// From gradients of what such a matrix gave to those of what it was given.
template <class T>
Linear<T> back(std::int64_t in, std::int64_t out, const MlpWeights<const T>& from,
               Scratch& scratch) {
  T *panels = scratch.take<T>(in * out), *to = panels;
  const std::int64_t panel = 2 * isa<T>().lanes;
  for (std::int64_t first = 0; first < in; first += panel)
    for (std::int64_t o = 0; o < out; ++o)
      to = std::copy_n(from.weight + o * in + first, std::min(panel, in - first), to);
  return {out, in, panels, nullptr};
}

/// Adds what d [rows, out] and x [rows, in] make of the gradient of such a matrix and its bias.
template <class T>
void add_gradient(std::int64_t rows, const MlpWeights<T>& to, std::int64_t out, std::int64_t in,
                  const T* d, const T* x) {
  isa<T>().product(
      {1, {{d, 1, out, x, in, rows}, {}}, nullptr, to.weight, out, in, false, nullptr, true});
  for (std::int64_t r = 0; r < rows; ++r, d += out)
    for (std::int64_t c = 0; c < out; ++c) to.bias[c] += d[c];
}

/// The weights' gradients, one after the other.
template <class T>
TransformerWeights<T> places(const PreNormShape& shape, T* at) {
  const auto take = [&](std::int64_t out, std::int64_t in) {
    const MlpWeights<T> place{at, at + out * in};
    at = place.bias + out;
    return place;
  };
  const std::int64_t w = shape.width, inner = shape.inner;
  return {take(3 * w, w), take(w, w), take(inner, w), take(w, inner), take(w, 1), take(w, 1)};
}

template <class T>
std::int64_t kept_columns(const PreNormShape& shape, std::int64_t length) {
  return 7 * shape.width + 2 * shape.inner + shape.heads * padded<T>(length) + 4;
}

/// Some of the sequences, and what their way forward leaves to their way back.
template <class T>
struct Part {
  const PreNormShape& shape;
  const TransformerWeights<const T>& weights;
  Sequences<T> of;
  std::int64_t rows;  ///< tokens
  T *normed1, *all, *mixed, *seen, *normed2, *inner, *slopes, *shares, *units1, *units2;

  Part(const PreNormShape& sizes, const TransformerWeights<const T>& by, const Sequences<T>& some,
       T* memory)
      : shape(sizes), weights(by), of(some), rows(some.count * some.length) {
    const auto take = [&](std::int64_t columns) {
      return std::exchange(memory, memory + rows * columns);
    };
    normed1 = take(shape.width);
    all = take(3 * shape.width);
    mixed = take(shape.width);
    seen = take(shape.width);
    normed2 = take(shape.width);
    inner = take(shape.inner);
    slopes = take(shape.inner);
    shares = take(shape.heads * padded<T>(of.length));
    units1 = take(2);
    units2 = take(2);
  }

  /// Calls body(attention, its shares, its first token) of every sequence.
  template <class Body>
  void over_sequences(const Body& body) const {
    const std::int64_t head = shape.width / shape.heads;
    for (std::int64_t first = 0; first < rows; first += of.length)
      body(Attention<T>{of.length, shape.heads, head, of.mask ? of.mask + first : nullptr},
           shares + first * shape.heads * padded<T>(of.length), first);
  }

  void forward(const Linear<T> (&by)[4], bool keeps, T* y) const {
    const std::int64_t w = shape.width;
    const auto eps = static_cast<T>(shape.eps);
    const Isa<T>& loops = isa<T>();
    Scratch scratch;
    T* made = scratch.take<T>(rows * w);
    loops.norm({rows, w, of.x, nullptr, nullptr, weights.norm1.weight, weights.norm1.bias, eps,
                normed1, units1});
    by[0](rows, normed1, all);
    over_sequences([&](const auto& attention, T* its, std::int64_t first) {
      attend(attention, all + 3 * w * first, its, mixed + w * first);
    });
    by[1](rows, mixed, made);
    loops.norm({rows, w, of.x, made, seen, weights.norm2.weight, weights.norm2.bias, eps, normed2,
                units2});
    by[2](rows, normed2, inner);
    loops.rows_of({RowStep::kGelu, inner, rows, shape.inner, shape.inner, T{}, nullptr,
                   keeps ? slopes : nullptr});
    by[3](rows, inner, made);
    for (std::int64_t i = 0; i < rows * w; ++i) y[i] = seen[i] + made[i];
  }

  void backward(const Linear<T> (&by)[4], const T* of_y, T* of_x,
                const TransformerWeights<T>& to) const {
    const std::int64_t w = shape.width;
    const Isa<T>& loops = isa<T>();
    Scratch scratch;
    T* wide = scratch.take<T>(rows * std::max(3 * w, shape.inner));
    T* narrow = scratch.take<T>(rows * w);
    std::copy_n(of_y, rows * w, of_x);  // of what came in, then of what was seen
    by[3](rows, of_y, wide);
    for (std::int64_t i = 0; i < rows * shape.inner; ++i) wide[i] *= slopes[i];
    add_gradient(rows, to.down, w, shape.inner, of_y, inner);
    by[2](rows, wide, narrow);
    add_gradient(rows, to.up, shape.inner, w, wide, normed2);
    loops.norm_back({rows, w, seen, units2, weights.norm2.weight, narrow, of_x, to.norm2.weight,
                     to.norm2.bias});
    by[1](rows, of_x, narrow);
    add_gradient(rows, to.out, w, w, of_x, mixed);
    over_sequences([&](const auto& attention, const T* its, std::int64_t first) {
      attend_back(attention, all + 3 * w * first, its, narrow + w * first, wide + 3 * w * first);
    });
    by[0](rows, wide, narrow);
    add_gradient(rows, to.in, 3 * w, w, wide, normed1);
    loops.norm_back({rows, w, of.x, units1, weights.norm1.weight, narrow, of_x, to.norm1.weight,
                     to.norm1.bias});
  }
};

/// Calls body(thread, sequences, their first token) of parts of the sequences, in turn in each
/// thread.
template <class T, class Body>
void over_parts(const Sequences<T>& of, std::int64_t width, const Body& body) {
  const std::int64_t each = std::max<std::int64_t>(1, kTokens / of.length);
  in_parts((of.count + each - 1) / each, [&](auto thread, auto begin, auto end) {
    for (std::int64_t first = begin * each; first < std::min(end * each, of.count); first += each) {
      const std::int64_t token = first * of.length;
      body(thread,
           Sequences<T>{std::min(each, of.count - first), of.length, of.x + token * width,
                        of.mask ? of.mask + token : nullptr},
           token);
    }
  });
}

}  // namespace

template <class T>
bool PreNormLayer<T>::fits(const PreNormShape& shape) {
  return are_whole_vectors(shape.width, shape.heads, shape.inner);
}

template <class T>
std::int64_t PreNormLayer<T>::kept_size(std::int64_t count, std::int64_t length) const {
  return count * length * kept_columns<T>(shape_, length);
}

template <class T>
std::int64_t PreNormLayer<T>::weights_size() const {
  return places<T>(shape_, nullptr).norm2.bias + shape_.width - static_cast<T*>(nullptr);
}

template <class T>
void PreNormLayer<T>::forward(const Sequences<T>& of, T* y, T* kept) const {
  const std::int64_t w = shape_.width, inner = shape_.inner;
  Scratch scratch;
  const Linear<T> by[4] = {
      forth(w, 3 * w, weights_.in, scratch), forth(w, w, weights_.out, scratch),
      forth(w, inner, weights_.up, scratch), forth(inner, w, weights_.down, scratch)};
  over_parts(of, w, [&](std::int64_t, const Sequences<T>& some, std::int64_t token) {
    Scratch memory;
    T* at = kept ? kept + token * kept_columns<T>(shape_, of.length)
                 : memory.take<T>(kept_size(some.count, of.length));
    Part<T>(shape_, weights_, some, at).forward(by, kept != nullptr, y + token * w);
  });
}

template <class T>
void PreNormLayer<T>::backward(const Sequences<T>& of, T* kept, const T* of_y, T* of_x,
                               T* of_weights) const {
  const std::int64_t w = shape_.width, inner = shape_.inner, size = weights_size();
  Scratch scratch;
  const Linear<T> by[4] = {back(w, 3 * w, weights_.in, scratch), back(w, w, weights_.out, scratch),
                           back(w, inner, weights_.up, scratch),
                           back(inner, w, weights_.down, scratch)};
  const std::int64_t threads = parts_of(of.count);
  T* sums = scratch.zeros<T>(threads * size);
  over_parts(of, w, [&](std::int64_t thread, const Sequences<T>& some, std::int64_t token) {
    Part<T>(shape_, weights_, some, kept + token * kept_columns<T>(shape_, of.length))
        .backward(by, of_y + token * w, of_x + token * w, places(shape_, sums + thread * size));
  });
  join_parts(threads, size, sums);
  std::copy_n(sums, size, of_weights);
}

template class PreNormLayer<float>;
template class PreNormLayer<double>;

}  // namespace cuttle::kernels
