#include "cuttle/kernels/held_conv.hpp"

#include <algorithm>

#include "cuttle/kernels/jobs.hpp"
#include "kernels/parallel.hpp"
#include "kernels/paths.hpp"
#include "kernels/weights.hpp"
#include "kernels/workspace.hpp"

namespace cuttle::kernels {
namespace {

constexpr std::int64_t kWidest = 16;  ///< values of float in the widest vector

/// Patches side by side as Mix reads them: of each output of a row the pixels that it sees.
void take_patches(const HeldConvShape& shape, const HeldConvPlace& place, std::int64_t row,
                  const float* x, float* to) {
  const std::int64_t run = shape.kernel * shape.in;
  for (std::int64_t column = 0; column < place.out_width; ++column)
    for (std::int64_t ky = 0; ky < shape.kernel; ++ky, to += run) {
      const std::int64_t y = row * shape.stride - place.top + ky;
      const std::int64_t at = column * shape.stride - place.left;
      const std::int64_t first = std::max<std::int64_t>(0, -at);
      const std::int64_t last = std::clamp(place.width - at, first, shape.kernel);
      if (y < 0 || y >= place.height) {
        std::fill_n(to, run, 0.0F);
        continue;
      }
      std::fill_n(to, first * shape.in, 0.0F);
      std::copy_n(x + (y * place.width + at + first) * shape.in, (last - first) * shape.in,
                  to + first * shape.in);
      std::fill(to + last * shape.in, to + run, 0.0F);
    }
}

}  // namespace

bool HeldConv::fits(const HeldConvShape& shape) {
  return !shape.by_channel || shape.out % kWidest == 0;
}

HeldConv::HeldConv(const HeldConvShape& shape, const float* weight, const float* bias)
    : shape_(shape) {
  const std::int64_t taps = shape.kernel * shape.kernel;
  bias_.assign(static_cast<std::size_t>(padded<float>(shape.out)), 0.0F);
  std::copy_n(bias, shape.out, bias_.begin());
  if (!shape.by_channel) {
    const PanelLayout layout{shape.out, shape.in, taps, 1, isa<float>().lanes};
    weights_.resize(static_cast<std::size_t>(layout.elements()));
    pack_rows(layout, weight, weights_.data());
    return;
  }
  weights_.resize(static_cast<std::size_t>(taps * shape.out));
  for (std::int64_t o = 0; o < shape.out; ++o)
    for (std::int64_t k = 0; k < taps; ++k)
      weights_[static_cast<std::size_t>(k * shape.out + o)] = weight[o * taps + k];
}

void HeldConv::forward(std::int64_t count, const HeldConvPlace& place, const float* x,
                       float* y) const {
  in_parts(count, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float* from = x + i * place.height * place.width * shape_.in;
      float* to = y + i * place.out_height * place.out_width * shape_.out;
      shape_.by_channel ? by_channel(place, from, to) : mixed(place, from, to);
    }
  });
}

void HeldConv::by_channel(const HeldConvPlace& place, const float* x, float* y) const {
  const auto& loops = isa<float>();
  std::vector<const float*> rows(static_cast<std::size_t>(shape_.kernel));
  for (std::int64_t row = 0; row < place.out_height; ++row) {
    for (std::int64_t ky = 0; ky < shape_.kernel; ++ky) {
      const std::int64_t at = row * shape_.stride - place.top + ky;
      rows[static_cast<std::size_t>(ky)] =
          at < 0 || at >= place.height ? nullptr : x + at * place.width * shape_.in;
    }
    loops.by_channel({rows.data(),
                      shape_.kernel,
                      shape_.stride,
                      place.width,
                      place.left,
                      shape_.in,
                      weights_.data(),
                      bias_.data(),
                      y + row * place.out_width * shape_.out,
                      place.out_width,
                      {shape_.relu, shape_.most}});
  }
}

void HeldConv::mixed(const HeldConvPlace& place, const float* x, float* y) const {
  constexpr std::int64_t kPixels = 64;  // of patches at a time: they stay in the second cache
  const auto& loops = isa<float>();
  const std::int64_t depth = shape_.kernel * shape_.kernel * shape_.in;
  const bool plain = shape_.kernel == 1 && shape_.stride == 1;
  const std::int64_t lines =
      plain ? place.out_height : std::max<std::int64_t>(1, kPixels / place.out_width);
  Scratch scratch;
  float* patches = plain ? nullptr : scratch.take<float>(lines * place.out_width * depth);
  for (std::int64_t row = 0; row < place.out_height; row += lines) {
    const std::int64_t some = std::min(lines, place.out_height - row);
    for (std::int64_t line = 0; line < some && !plain; ++line)
      take_patches(shape_, place, row + line, x, patches + line * place.out_width * depth);
    loops.mix({plain ? x : patches,
               depth,
               depth,
               weights_.data(),
               bias_.data(),
               y + row * place.out_width * shape_.out,
               shape_.out,
               some * place.out_width,
               {shape_.relu, shape_.most}});
  }
}

}  // namespace cuttle::kernels
