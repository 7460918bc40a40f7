// Packed weights, element by element.

#include "kernels/weights.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "kernels/kernel_parts.hpp"
#include "kernels_reference.hpp"

namespace cuttle::kernels {
namespace {

using parts::size_of;
using reference::weight_at;

/// 1, 2, ...: every element is known by its value, and sums are exact.
template <class T>
std::vector<T> numbered(std::int64_t count, int from) {
  std::vector<T> result(size_of(count));
  std::iota(result.begin(), result.end(), static_cast<T>(from));
  return result;
}

/// Tails in every place: of a panel, of a vector, of the blocks of four that are transposed.
std::vector<ConvBlockShape> shapes() {
  std::vector<ConvBlockShape> result;
  for (const std::int64_t kernel : {3, 1}) {
    for (const auto& [in, out] :
         {std::pair{1, 1}, {3, 7}, {5, 24}, {8, 16}, {17, 33}, {4, 32}, {33, 9}})
      result.push_back({1, 4, 4, in, out, kernel});
  }
  return result;
}

/// The panels as PanelLayout describes them; value(source, column, tap, channel).
template <class T, class Value>
std::vector<T> panels_of(const PanelLayout& layout, const Value& value) {
  std::vector<T> result;
  for (std::int64_t first = 0; first < layout.columns; first += 2 * layout.lanes) {
    const std::int64_t vectors = first + layout.lanes < layout.columns ? 2 : 1;
    for (std::int64_t s = 0; s < layout.sources; ++s) {
      for (std::int64_t tap = 0; tap < layout.taps; ++tap) {
        for (std::int64_t c = 0; c < layout.channels; ++c) {
          for (std::int64_t column = first; column < first + vectors * layout.lanes; ++column)
            result.push_back(column < layout.columns ? value(s, column, tap, c) : T{0});
        }
      }
    }
  }
  return result;
}

template <class T>
void expect_packed() {
  for (const auto& shape : shapes()) {
    for (const std::int64_t lanes : {4, 8, 16}) {
      for (const int sources : {1, 2}) {
        SCOPED_TRACE(std::to_string(shape.in) + " to " + std::to_string(shape.out) + ", lanes " +
                     std::to_string(lanes));
        const std::vector<T> weights[2] = {
            numbered<T>(shape.weight_elements(), 1),
            numbered<T>(shape.weight_elements(), 1 << 16),
        };
        const PanelLayout ahead = forward_layout(shape, sources, lanes),
                          back = transposed_layout(shape, sources, lanes);
        const auto forward = panels_of<T>(ahead, [&](auto s, auto column, auto tap, auto channel) {
          return weights[s][weight_at(shape, column, channel, tap)];
        });
        const auto transposed =
            panels_of<T>(back, [&](auto s, auto column, auto tap, auto channel) {
              return weights[s][weight_at(shape, channel, column, shape.taps() - 1 - tap)];
            });
        ASSERT_EQ(ahead.elements(), static_cast<std::int64_t>(forward.size()));
        ASSERT_EQ(back.elements(), static_cast<std::int64_t>(transposed.size()));
        std::vector<T> got(forward.size(), std::numeric_limits<T>::quiet_NaN()),
            got_back(transposed.size(), std::numeric_limits<T>::quiet_NaN());
        for (std::int64_t s = 0; s < sources; ++s) {
          pack_forward(shape, ahead, s, weights[s].data(), got.data());
          pack_transposed(shape, back, s, weights[s].data(), got_back.data());
        }
        EXPECT_EQ(got, forward);
        EXPECT_EQ(got_back, transposed);
      }
    }
  }
}

TEST(KernelWeights, ArePackedAsDocumentedInFloat) {
  expect_packed<float>();
}
TEST(KernelWeights, ArePackedAsDocumentedInDouble) {
  expect_packed<double>();
}

/// Sums in parts that add up to the weight, with something else between the columns and the stride.
template <class T>
void expect_unpacked() {
  for (const auto& shape : shapes()) {
    for (const std::int64_t parts : {1, 2, 5}) {
      const std::int64_t stride = shape.out + 3, size = shape.patch() * stride;
      const auto weight = numbered<T>(shape.weight_elements(), 1);
      std::vector<T> sums(size_of(parts * size), T{-7}), got(weight.size());
      for (std::int64_t k = 0; k < shape.patch(); ++k) {
        for (std::int64_t o = 0; o < shape.out; ++o) {
          T left = weight[weight_at(shape, o, k % shape.in, k / shape.in)];
          for (std::int64_t part = 0; part < parts; ++part) {
            const T share = part + 1 == parts ? left : static_cast<T>(10 * part + k % 7 - o);
            sums[size_of(part * size + k * stride + o)] = share;
            left -= share;
          }
        }
      }
      unpack_sums(shape, sums.data(), parts, stride, got.data());
      EXPECT_EQ(got, weight) << parts << " parts, " << shape.in << " to " << shape.out;
    }
  }
}

TEST(KernelWeights, SumsOfAllPartsAreUnpacked) {
  expect_unpacked<float>();
  expect_unpacked<double>();
}

}  // namespace
}  // namespace cuttle::kernels
