#include "kernels/weights.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/parallel.hpp"
#include "kernels/workspace.hpp"

namespace cuttle::kernels {
namespace {

/// to[j][i] = from[i][j] for i, j in 0..3.
template <class T>
inline void transpose_4x4(const T* const (&from)[4], T* const (&to)[4]) {
  for (int j = 0; j < 4; ++j) {
    for (int i = 0; i < 4; ++i) to[j][i] = from[i][j];
  }
}
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
/// Written out for registers of four floats, which every processor has: a batch of few images
/// spends as long on the order of its weights as on arithmetic when every value is moved by itself.
template <>
inline void transpose_4x4<float>(const float* const (&from)[4], float* const (&to)[4]) {
  typedef float Four __attribute__((vector_size(16)));
  Four a, b, c, d;
  std::memcpy(&a, from[0], sizeof a);
  std::memcpy(&b, from[1], sizeof b);
  std::memcpy(&c, from[2], sizeof c);
  std::memcpy(&d, from[3], sizeof d);
  const Four low_ab = __builtin_shufflevector(a, b, 0, 4, 1, 5),
             high_ab = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Four low_cd = __builtin_shufflevector(c, d, 0, 4, 1, 5),
             high_cd = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  a = __builtin_shufflevector(low_ab, low_cd, 0, 1, 4, 5);
  b = __builtin_shufflevector(low_ab, low_cd, 2, 3, 6, 7);
  c = __builtin_shufflevector(high_ab, high_cd, 0, 1, 4, 5);
  d = __builtin_shufflevector(high_ab, high_cd, 2, 3, 6, 7);
  std::memcpy(to[0], &a, sizeof a);
  std::memcpy(to[1], &b, sizeof b);
  std::memcpy(to[2], &c, sizeof c);
  std::memcpy(to[3], &d, sizeof d);
}
#endif
#endif

/// to(j)[i] = from(i)[j] for i < rows, j < columns; from(i) and to(j) give the starts of rows.
template <class T, class From, class To>
inline void transpose(std::int64_t rows, std::int64_t columns, const From& from, const To& to) {
  for (std::int64_t i = 0; i < rows; i += 4) {
    for (std::int64_t j = 0; j < columns; j += 4) {
      if (i + 4 <= rows && j + 4 <= columns) {
        const T* const in[4] = {from(i) + j, from(i + 1) + j, from(i + 2) + j, from(i + 3) + j};
        T* const out[4] = {to(j) + i, to(j + 1) + i, to(j + 2) + i, to(j + 3) + i};
        transpose_4x4(in, out);
        continue;
      }
      for (std::int64_t v = j; v < std::min(j + 4, columns); ++v) {
        for (std::int64_t u = i; u < std::min(i + 4, rows); ++u) to(v)[u] = from(u)[v];
      }
    }
  }
}

/// Where element (in, tap) of LibTorch's layout lies in the order (tap, in).
std::int32_t* places(std::int64_t in, std::int64_t taps, Scratch& scratch) {
  auto* result = scratch.take<std::int32_t>(in * taps);
  for (std::int64_t i = 0; i < in; ++i) {
    for (std::int64_t tap = 0; tap < taps; ++tap)
      result[i * taps + tap] = static_cast<std::int32_t>(tap * in + i);
  }
  return result;
}

/// Calls body(first column, columns of the panel, its width, its start) for all panels.
template <class T, class Body>
void over_panels(const PanelLayout& layout, std::int64_t source, T* panels, const Body& body) {
  const std::int64_t per_source = layout.taps * layout.channels;
  for (std::int64_t first = 0; first < layout.columns; first += 2 * layout.lanes) {
    const std::int64_t left = layout.columns - first;
    const std::int64_t width = left > layout.lanes ? 2 * layout.lanes : layout.lanes;
    T* panel = panels + first * layout.sources * per_source + source * per_source * width;
    if (left < width) std::fill(panel, panel + per_source * width, T{0});
    body(first, std::min(left, width), width, panel);
  }
}

}  // namespace

PanelLayout forward_layout(const ConvBlockShape& shape, std::int64_t sources, std::int64_t lanes) {
  return {shape.out, shape.in, shape.taps(), sources, lanes};
}
PanelLayout transposed_layout(const ConvBlockShape& shape, std::int64_t sources,
                              std::int64_t lanes) {
  return {shape.in, shape.out, shape.taps(), sources, lanes};
}

template <class T>
void pack_rows(const PanelLayout& layout, const T* rows, T* panels) {
  const std::int64_t depth = layout.taps * layout.channels;
  over_panels(layout, 0, panels, [&](auto first, auto columns, auto width, T* panel) {
    transpose<T>(
        columns, depth, [&](std::int64_t o) { return rows + (first + o) * depth; },
        [&, width = width](std::int64_t k) { return panel + k * width; });
  });
}

template <class T>
void pack_forward(const ConvBlockShape& shape, const PanelLayout& layout, std::int64_t source,
                  const T* weight, T* panels) {
  Scratch scratch;
  const std::int64_t patch = shape.patch();
  const std::int32_t* place = places(shape.in, layout.taps, scratch);
  over_panels(layout, source, panels, [&](auto first, auto columns, auto width, T* panel) {
    transpose<T>(
        columns, patch, [&](std::int64_t o) { return weight + (first + o) * patch; },
        [&, width = width](std::int64_t k) { return panel + place[k] * width; });
  });
}

template <class T>
void pack_transposed(const ConvBlockShape& shape, const PanelLayout& layout, std::int64_t source,
                     const T* weight, T* panels) {
  const std::int64_t taps = layout.taps, out = shape.out;
  over_panels(layout, source, panels, [&](auto first, auto columns, auto width, T* panel) {
    for (std::int64_t o = 0; o < out; ++o) {
      const T* from = weight + (o * shape.in + first) * taps;
      transpose<T>(
          columns, taps, [&](std::int64_t i) { return from + i * taps; },
          [&, width = width](std::int64_t tap) {
            return panel + ((taps - 1 - tap) * out + o) * width;
          });
    }
  });
}

template <class T>
void unpack_sums(const ConvBlockShape& shape, T* sums, std::int64_t parts, std::int64_t stride,
                 T* weight) {
  Scratch scratch;
  const std::int64_t patch = shape.patch();
  join_parts(parts, patch * stride, sums);
  const std::int32_t* place = places(shape.in, shape.taps(), scratch);
  transpose<T>(
      patch, shape.out, [&](std::int64_t k) { return sums + place[k] * stride; },
      [&](std::int64_t o) { return weight + o * patch; });
}

template void pack_rows<float>(const PanelLayout&, const float*, float*);
template void pack_rows<double>(const PanelLayout&, const double*, double*);
template void pack_forward<float>(const ConvBlockShape&, const PanelLayout&, std::int64_t,
                                  const float*, float*);
template void pack_forward<double>(const ConvBlockShape&, const PanelLayout&, std::int64_t,
                                   const double*, double*);
template void pack_transposed<float>(const ConvBlockShape&, const PanelLayout&, std::int64_t,
                                     const float*, float*);
template void pack_transposed<double>(const ConvBlockShape&, const PanelLayout&, std::int64_t,
                                      const double*, double*);
template void unpack_sums<float>(const ConvBlockShape&, float*, std::int64_t, std::int64_t, float*);
template void unpack_sums<double>(const ConvBlockShape&, double*, std::int64_t, std::int64_t,
                                  double*);

}  // namespace cuttle::kernels
