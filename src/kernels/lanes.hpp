#pragma once

#include <cstdint>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

/// Vectors for files compiled per instruction set (see isa.hpp for why all is in an anonymous
/// namespace). They use the vector extension that GCC and Clang share, so one source serves every
/// width. CUTTLE_VECTOR_BYTES is the width of a register, CUTTLE_TILE_ROWS the most rows of a
/// register tile; the including file defines both.
namespace cuttle::kernels {
namespace {

#define CUTTLE_INLINE inline __attribute__((always_inline))

template <class T, int N>
struct LanesOf {
  typedef T type __attribute__((vector_size(N * sizeof(T))));
};
template <class T, int N>
using Lanes = typename LanesOf<T, N>::type;

template <class T>
constexpr int kLanes = CUTTLE_VECTOR_BYTES / static_cast<int>(sizeof(T));
template <class T>
constexpr int kPanel = 2 * kLanes<T>;
constexpr int kRows = CUTTLE_TILE_ROWS;

/// The integer as wide as T: comparisons of Lanes<T, N> give Lanes<Mask<T>, N>.
template <class T>
struct MaskOf;
template <>
struct MaskOf<float> {
  using type = std::int32_t;
};
template <>
struct MaskOf<double> {
  using type = std::int64_t;
};
template <class T>
using Mask = typename MaskOf<T>::type;

template <class V, class T>
CUTTLE_INLINE V load(const T* from) {
  V v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
template <class V, class T>
CUTTLE_INLINE void store(T* to, V v) {
  __builtin_memcpy(to, &v, sizeof v);
}

/// N choices, widened for comparison with masks of T, and back. What __builtin_convertvector makes
/// of the common widths goes through general registers (GCC 12) and would cost more than all the
/// rest of a pass.
template <class T, int N>
CUTTLE_INLINE Lanes<Mask<T>, N> load_choice(const std::uint8_t* from) {
#if defined(__AVX512BW__)  // maskz: GCC takes the plain form for a use of what was never set
  if constexpr (sizeof(T) == 4 && N == 16)
    return (Lanes<Mask<T>, N>)_mm512_maskz_cvtepu8_epi32(
        0xFFFF, _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4 && N == 8)
    return (Lanes<Mask<T>, N>)_mm256_cvtepu8_epi32(
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
#endif
  return __builtin_convertvector((load<Lanes<std::uint8_t, N>>(from)), Lanes<Mask<T>, N>);
}
template <class T, int N>
CUTTLE_INLINE void store_choice(std::uint8_t* to, Lanes<Mask<T>, N> choice) {
  using Bytes = Lanes<std::uint8_t, N>;
  if constexpr (sizeof(T) == 4 && N > 1) {
    store(to,
          __builtin_convertvector(__builtin_convertvector(choice, Lanes<std::int16_t, N>), Bytes));
  } else {
    store(to, __builtin_convertvector(choice, Bytes));
  }
}

template <int N>
struct Width {
  static constexpr int value = N;
};

/// Calls body(first channel, Width<N>) with whole vectors, then narrower ones, until all channels
/// are done.
template <class T, class Body>
CUTTLE_INLINE void over_channels(std::int64_t channels, const Body& body) {
  std::int64_t c = 0;
  for (; c + kLanes<T> <= channels; c += kLanes<T>) body(c, Width<kLanes<T>>{});
  if constexpr (kLanes < T >> 4) {
    for (; c + 4 <= channels; c += 4) body(c, Width<4>{});
  }
  for (; c < channels; ++c) body(c, Width<1>{});
}

}  // namespace
}  // namespace cuttle::kernels
