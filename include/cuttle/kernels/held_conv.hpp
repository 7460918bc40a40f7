#pragma once

#include <cstdint>
#include <vector>

namespace cuttle::kernels {

/// A convolution whose weights stay, and what lets its outputs through.
struct HeldConvShape {
  std::int64_t in, out, kernel, stride;
  bool by_channel;  ///< each channel by itself, in == out
  bool relu;
  float most;  ///< what is more becomes this; infinity: nothing is
};

/// Where it looks: pixels around the picture are zeros.
struct HeldConvPlace {
  std::int64_t height, width;  ///< of the picture
  std::int64_t top, left;      ///< rows and columns of zeros before it
  std::int64_t out_height, out_width;
};

/// Pictures are [height, width, channels], float32. What becomes of one does not depend on the
/// others; each is one thread's.
class HeldConv {
 public:
  /// Whether channels are whole vectors of every instruction set, where that is needed.
  static bool fits(const HeldConvShape& shape);
  /// weight: [out, kernel, kernel, in], or [out, kernel, kernel] by channel; bias: [out]. Both are
  /// copied. fits(shape).
  HeldConv(const HeldConvShape& shape, const float* weight, const float* bias);

  /// x [count, height, width, in] to y [count, out_height, out_width, out].
  void forward(std::int64_t count, const HeldConvPlace& place, const float* x, float* y) const;

 private:
  void by_channel(const HeldConvPlace& place, const float* x, float* y) const;
  void mixed(const HeldConvPlace& place, const float* x, float* y) const;

  HeldConvShape shape_;
  std::vector<float> weights_, bias_;  ///< as Mix or ByChannel have them
};

}  // namespace cuttle::kernels
