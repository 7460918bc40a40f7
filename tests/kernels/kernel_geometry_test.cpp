// Groups, plans, lists and grids against their definitions, by brute force over all pixels.

#include "kernels/geometry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "kernels/kernel_parts.hpp"

namespace cuttle::kernels {
namespace {

using parts::size_of;
using testing::ContainerEq;
using testing::Each;

constexpr std::int64_t kCacheBytes = 256 << 10;

/// Small images, kernels of both heights.
std::vector<ConvBlockShape> small_shapes() {
  std::vector<ConvBlockShape> result;
  for (const std::int64_t kernel : {3, 1}) {
    for (const std::int64_t height : {1, 2, 3, 5}) {
      for (const std::int64_t width : {1, 2, 3, 6})
        result.push_back({3, height, width, 1, 1, kernel});
    }
  }
  return result;
}

std::string name_of(const ConvBlockShape& s) {
  return std::to_string(s.images) + " of " + std::to_string(s.height) + " x " +
         std::to_string(s.width) + ", kernel " + std::to_string(s.kernel_height);
}

TEST(KernelGeometry, RoundUpIsTheLeastMultiple) {
  for (const std::int64_t multiple : {1, 8, 12}) {
    for (std::int64_t value = 0; value < 40; ++value) {
      const std::int64_t up = round_up(value, multiple);
      EXPECT_TRUE(up % multiple == 0 && up >= value && up - multiple < value)
          << value << ' ' << multiple;
    }
  }
}

template <class T>
void expect_odd_lines() {
  const auto line = static_cast<std::int64_t>(64 / sizeof(T));
  for (std::int64_t elements = 1; elements < 200; ++elements) {
    const std::int64_t row = odd_lines<T>(elements);
    EXPECT_EQ(row % (2 * line), line) << elements;  // an odd number of whole lines
    EXPECT_GE(row, elements);
    EXPECT_LT(row - 2 * line, elements);  // and no more than needed
  }
}
TEST(KernelGeometry, RowsAreAnOddNumberOfCacheLinesLong) {
  expect_odd_lines<float>();
  expect_odd_lines<double>();
}

TEST(KernelGeometry, GroupsCoverAllImagesOnceAndFitTheCache) {
  for (const std::int64_t images : {1, 2, 7, 25, 75, 76, 1000}) {
    for (const std::int64_t side : {1, 5, 14, 28, 84, 300}) {
      for (const std::int64_t bytes : {4, 8}) {
        const ConvBlockShape shape{images, side, side, 3, 64};
        const Groups groups(shape, bytes);
        SCOPED_TRACE(name_of(shape));
        std::int64_t next = 0;
        for (std::int64_t g = 0; g < groups.count; ++g) {
          EXPECT_EQ(groups.first(g), next);
          EXPECT_GE(groups.images_of(g), 1);
          EXPECT_LE(groups.images_of(g), groups.size);
          next += groups.images_of(g);
        }
        EXPECT_EQ(next, images);
        // As few groups as fit; of those, as equal as whole images allow.
        const std::int64_t image_bytes = side * side * (3 + 64) * bytes;
        EXPECT_TRUE(groups.size == 1 || groups.size * image_bytes <= kCacheBytes);
        const auto needed = [&](std::int64_t size) { return (images + size - 1) / size; };
        std::int64_t most = 1;
        while (most < images && (most + 1) * image_bytes <= kCacheBytes) ++most;
        EXPECT_EQ(groups.count, needed(most));
        EXPECT_TRUE(groups.size == 1 || needed(groups.size - 1) > groups.count) << groups.size;
      }
    }
  }
}

TEST(KernelGeometry, GroupsDependOnTheShapeAlone) {
  const ConvBlockShape shape{75, 28, 28, 3, 64};
  const Groups one(shape, 4);
  const parts::Threads three(3);
  parts::on_every_instruction_set([&] {
    const Groups groups(shape, 4);
    EXPECT_EQ(groups.size, one.size);
    EXPECT_EQ(groups.count, one.count);
  });
}

TEST(KernelGeometry, GroupsOfWideLayersAreAsLargeAsTheirWeightsOrAThreadsShare) {
  const ConvBlockShape few{5, 10, 10, 640, 640}, many{75, 10, 10, 640, 640};  // 0.5 and 14.7 MB
  const auto counts = [&] {
    return std::vector<std::int64_t>{Groups(few, 4).count, Groups(many, 4).count};
  };
  {
    const parts::Threads one(1);
    EXPECT_THAT(counts(), testing::ElementsAre(1, 3));
  }
  const parts::Threads four(4);
  EXPECT_THAT(counts(), testing::ElementsAre(3, 4));  // by 2 and by 19
}

TEST(KernelGeometry, ATapShiftsByItsPlaceInTheKernel) {
  const auto shifts = [](const ConvBlockShape& shape) {
    std::vector<std::int32_t> result;
    for (std::int64_t t = 0; t < shape.taps(); ++t) result.push_back(tap_shift(shape, t));
    return result;
  };
  EXPECT_THAT(shifts({1, 4, 10, 1, 1}), testing::ElementsAre(-11, -10, -9, -1, 0, 1, 9, 10, 11));
  EXPECT_THAT(shifts({1, 1, 10, 1, 1, 1}), testing::ElementsAre(-1, 0, 1));
  EXPECT_THAT(shifts({1, 4, 10, 1, 1, 1, 1, 1, false, true, true, 1}), testing::ElementsAre(0));
}

template <class T>
void expect_plan(const ConvBlockShape& shape, PixelPlan& plan, std::int64_t images, const T* real) {
  plan.make(images, real);
  const std::int64_t pixels = images * shape.height * shape.width;
  std::vector<int> visits(size_of(pixels), 0), wanted(size_of(pixels), 1);
  for (std::int64_t p = 0; p < pixels; ++p) {
    if (real != nullptr && real[p] == 0) wanted[size_of(p)] = 0;
  }
  std::int32_t next = 0;
  ASSERT_LE(plan.class_count(), 9);
  for (std::int64_t k = 0; k < plan.class_count(); ++k) {
    const PixelClass& pixel_class = plan.classes()[k];
    EXPECT_EQ(pixel_class.begin, next);
    EXPECT_GT(pixel_class.end, pixel_class.begin);
    next = pixel_class.end;
    std::map<std::int64_t, std::int64_t> taps;
    for (int t = 0; t < pixel_class.taps; ++t) taps[pixel_class.tap[t]] = pixel_class.shift[t];
    EXPECT_EQ(taps.size(), size_of(pixel_class.taps));
    for (std::int32_t i = pixel_class.begin; i < pixel_class.end; ++i) {
      const std::int32_t pixel = plan.order()[i];
      ASSERT_TRUE(pixel >= 0 && pixel < pixels) << pixel;
      ++visits[size_of(pixel)];
      std::map<std::int64_t, std::int64_t> inside;
      parts::over_taps_inside(shape, pixel, [&](auto tap, auto shift) { inside[tap] = shift; });
      EXPECT_THAT(taps, ContainerEq(inside)) << pixel;
    }
  }
  EXPECT_THAT(visits, ContainerEq(wanted));
}

TEST(KernelGeometry, APlanVisitsEveryRealPixelOnceWithItsTaps) {
  for (const auto& shape : small_shapes()) {
    SCOPED_TRACE(name_of(shape));
    Scratch scratch;
    PixelPlan plan(shape, shape.images, scratch);
    const std::vector<float> none(size_of(shape.pixels()), 0.0f);
    const float* all = nullptr;
    // One plan serves calls of all kinds, and a kept one only those that want the same.
    expect_plan(shape, plan, shape.images, all);
    expect_plan(shape, plan, shape.images - 1, all);
    for (unsigned seed = 1; seed < 4; ++seed) {
      expect_plan(shape, plan, shape.images - 1,
                  parts::random_mask<double>(shape.pixels(), seed).data());
      expect_plan(shape, plan, shape.images,
                  parts::random_mask<float>(shape.pixels(), seed).data());
    }
    expect_plan(shape, plan, shape.images - 1, all);
    expect_plan(shape, plan, shape.images, none.data());
    expect_plan(shape, plan, shape.images, all);
  }
}

template <class T>
void expect_tap_lists(const ConvBlockShape& shape, std::int64_t first, std::int64_t last,
                      const T* real) {
  std::vector<std::int32_t> into(size_of(shape.taps() * (last - first)));
  Correlation<T> job{};
  list_tap_pixels(shape, first, last, real, into.data(), job);
  std::vector<std::vector<std::int32_t>> expected(size_of(shape.taps()));
  for (std::int64_t p = first; p < last; ++p) {
    if (real != nullptr && real[p] == 0) continue;
    parts::over_taps_inside(shape, p, [&](auto tap, auto shift) {
      expected[size_of(tap)].push_back(static_cast<std::int32_t>(p));
      EXPECT_EQ(job.shift[tap], shift);
    });
  }
  ASSERT_EQ(job.taps, shape.taps());
  for (int t = 0; t < job.taps; ++t) {
    EXPECT_EQ(std::vector<std::int32_t>(job.pixels[t], job.pixels[t] + job.pixel_count[t]),
              expected[size_of(t)])
        << "tap " << t << " of [" << first << ", " << last << ")";
  }
}

TEST(KernelGeometry, TapListsHoldThePixelsWhoseSourceIsInTheImage) {
  for (const auto& shape : small_shapes()) {
    SCOPED_TRACE(name_of(shape));
    const auto mask = parts::random_mask<float>(shape.pixels(), 7);
    const double* all = nullptr;
    for (std::int64_t first = 0; first < shape.pixels(); first += 4) {
      for (std::int64_t last = first + 1; last <= shape.pixels(); last += 3) {
        expect_tap_lists(shape, first, last, all);
        expect_tap_lists(shape, first, last, mask.data());
      }
    }
  }
}

TEST(KernelGeometry, AGridHasAWindowWhereItsPixelsAre) {
  for (const bool ceil : {false, true}) {
    for (const auto& [height, width] : {std::pair{4, 6}, {5, 7}, {2, 3}, {1, 1}}) {
      for (const auto& [high, wide] : {std::pair{2, 2}, {1, 2}, {1, 1}}) {
        const Grid grid = grid_of({3, height, width, 5, 7, 3, high, wide, ceil});
        EXPECT_EQ(grid.height, height);
        EXPECT_EQ(grid.width, width);
        EXPECT_EQ(grid.channels, 7);
        EXPECT_EQ(grid.pixel_stride, 7);
        EXPECT_EQ(grid.row_stride, 7 * width);
        EXPECT_EQ(grid.window_height, high);
        EXPECT_EQ(grid.window_width, wide);
        // A window counts if its last pixel exists, with ceil if its first does.
        std::int64_t down = 0, across = 0;
        while (down * high + (ceil ? 0 : high - 1) < height) ++down;
        while (across * wide + (ceil ? 0 : wide - 1) < width) ++across;
        EXPECT_EQ(grid.pooled_height, down);
        EXPECT_EQ(grid.pooled_width, across);
      }
    }
  }
}

}  // namespace
}  // namespace cuttle::kernels
