#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "cuttle/kernels/conv_block.hpp"

/// The block and its vjp in double, by plain loops, written without a look at the kernels.
namespace cuttle::kernels::reference {

using Values = std::vector<double>;

struct Inputs {
  Values x, weight, gamma, beta, real;  // real empty: all pixels
  Values bias{};                        // empty: none
};

struct Forward {
  Values y, mean, inv_std,
      pooled;  // y with the bias; mean and inv_std of units, channel by channel
  std::vector<std::uint8_t> choice;
};

struct Backward {
  Values x, weight, gamma, beta, bias;
};

/// Calls body(output pixel, input pixel, tap) for all products of the convolution that are inside
/// an image.
template <class Body>
void over_taps(const ConvBlockShape& s, const Body& body) {
  const auto rows = s.kernel_height, columns = s.kernel_width;
  for (std::int64_t n = 0; n < s.images; ++n) {
    for (std::int64_t h = 0; h < s.height; ++h) {
      for (std::int64_t w = 0; w < s.width; ++w) {
        for (std::int64_t a = 0; a < rows; ++a) {
          for (std::int64_t b = 0; b < columns; ++b) {
            const auto u = h + a - rows / 2, v = w + b - columns / 2;
            if (u < 0 || u >= s.height || v < 0 || v >= s.width) continue;
            body((n * s.height + h) * s.width + w, (n * s.height + u) * s.width + v,
                 a * columns + b);
          }
        }
      }
    }
  }
}

/// Index of element (out channel, in channel, tap) of the weight.
inline std::size_t weight_at(const ConvBlockShape& s, std::int64_t o, std::int64_t i,
                             std::int64_t tap) {
  return static_cast<std::size_t>((o * s.in + i) * s.taps() + tap);
}
inline std::size_t at(std::int64_t pixel, std::int64_t channels, std::int64_t channel) {
  return static_cast<std::size_t>(pixel * channels + channel);
}
inline double is_real(const Inputs& in, std::int64_t pixel) {
  return in.real.empty() ? 1.0 : in.real[static_cast<std::size_t>(pixel)];
}

/// Where the statistics of a pixel's channel stand: an image's, or the batch's.
inline std::size_t unit_at(const ConvBlockShape& s, std::int64_t pixel, std::int64_t channel) {
  return at(s.norm_groups > 0 ? pixel / (s.height * s.width) : 0, s.out, channel);
}
/// Calls body(first pixel, last pixel, first channel, last channel) for all that share statistics.
template <class Body>
void over_shared(const ConvBlockShape& s, const Body& body) {
  if (s.norm_groups == 0) {
    for (std::int64_t o = 0; o < s.out; ++o) body(std::int64_t{0}, s.pixels(), o, o + 1);
    return;
  }
  const auto pixels = s.height * s.width, channels = s.out / s.norm_groups;
  for (std::int64_t n = 0; n < s.images; ++n) {
    for (std::int64_t o = 0; o < s.out; o += channels)
      body(n * pixels, (n + 1) * pixels, o, o + channels);
  }
}
/// Calls body(pixel, channel) for the real values of such a part, and gives their number, at
/// least 1.
template <class Body>
double over_real(const Inputs& in, std::int64_t p0, std::int64_t p1, std::int64_t o0,
                 std::int64_t o1, const Body& body) {
  double count = 0;
  for (std::int64_t p = p0; p < p1; ++p) {
    for (std::int64_t o = o0; o < o1 && is_real(in, p) != 0; ++o, ++count) body(p, o);
  }
  return count > 0 ? count : 1;
}

inline Forward forward(const ConvBlockShape& s, const Inputs& in) {
  Forward f;
  const auto out = s.out;
  f.y.assign(static_cast<std::size_t>(s.pixels() * out), 0.0);
  for (std::size_t k = 0; k < f.y.size() && !in.bias.empty(); ++k)
    f.y[k] = in.bias[k % static_cast<std::size_t>(out)];
  over_taps(s, [&](auto pixel, auto source, auto tap) {
    for (std::int64_t o = 0; o < out; ++o) {
      for (std::int64_t i = 0; i < s.in; ++i)
        f.y[at(pixel, out, o)] += in.x[at(source, s.in, i)] * in.weight[weight_at(s, o, i, tap)];
    }
  });
  f.mean.assign(static_cast<std::size_t>(s.norm_elements()), 0.0);
  f.inv_std = f.mean;
  Values z(f.y.size());
  over_shared(s, [&](auto p0, auto p1, auto o0, auto o1) {
    double sum = 0, squares = 0;
    const double count =
        over_real(in, p0, p1, o0, o1, [&](auto p, auto o) { sum += f.y[at(p, out, o)]; });
    const double mean = sum / count;
    over_real(in, p0, p1, o0, o1,
              [&](auto p, auto o) { squares += std::pow(f.y[at(p, out, o)] - mean, 2); });
    for (auto o = o0; o < o1; ++o) {
      f.mean[unit_at(s, p0, o)] = mean;
      f.inv_std[unit_at(s, p0, o)] = 1 / std::sqrt(squares / count + 1e-5);
    }
    over_real(in, p0, p1, o0, o1, [&](auto p, auto o) {
      const auto c = static_cast<std::size_t>(o);
      z[at(p, out, o)] =
          (f.y[at(p, out, o)] - mean) * f.inv_std[unit_at(s, p, o)] * in.gamma[c] + in.beta[c];
    });
  });
  for (std::int64_t n = 0; n < s.images; ++n) {
    for (std::int64_t i = 0; i < s.pooled_height(); ++i) {
      for (std::int64_t j = 0; j < s.pooled_width(); ++j) {
        for (std::int64_t o = 0; o < out; ++o) {
          double most = s.relu ? 0 : -std::numeric_limits<double>::infinity();
          int choice = 255;
          for (std::int64_t a = 0; a < s.pool_height; ++a) {
            for (std::int64_t b = 0; b < s.pool_width; ++b) {
              const auto h = i * s.pool_height + a, w = j * s.pool_width + b;
              if (h >= s.height || w >= s.width) continue;
              const double value = z[at((n * s.height + h) * s.width + w, out, o)];
              if (value > most) {
                most = value;
                choice = static_cast<int>(a * s.pool_width + b);
              }
            }
          }
          f.pooled.push_back(most);
          f.choice.push_back(static_cast<std::uint8_t>(choice));
        }
      }
    }
  }
  return f;
}

inline Backward backward(const ConvBlockShape& s, const Inputs& in, const Forward& f,
                         const Values& d) {
  const auto out = s.out;
  Values dz(f.y.size(), 0.0);
  for (std::size_t k = 0; k < d.size(); ++k) {
    if (f.choice[k] == 255) continue;
    const auto o = static_cast<std::int64_t>(k) % out, window = static_cast<std::int64_t>(k) / out;
    const auto j = window % s.pooled_width(), i = window / s.pooled_width() % s.pooled_height();
    const auto n = window / s.pooled_width() / s.pooled_height();
    const auto h = i * s.pool_height + f.choice[k] / s.pool_width,
               w = j * s.pool_width + f.choice[k] % s.pool_width;
    dz[at((n * s.height + h) * s.width + w, out, o)] = d[k];
  }
  Backward g;
  g.gamma.assign(static_cast<std::size_t>(out), 0.0);
  g.beta = g.bias = g.gamma;
  Values dy(f.y.size());
  over_shared(s, [&](auto p0, auto p1, auto o0, auto o1) {
    const auto xhat = [&](auto p, auto o) {
      return (f.y[at(p, out, o)] - f.mean[unit_at(s, p, o)]) * f.inv_std[unit_at(s, p, o)];
    };
    double plain = 0, with_xhat = 0;  // of the gradient of xhat
    const double count = over_real(in, p0, p1, o0, o1, [&](auto p, auto o) {
      const auto c = static_cast<std::size_t>(o);
      g.beta[c] += dz[at(p, out, o)];
      g.gamma[c] += dz[at(p, out, o)] * xhat(p, o);
      plain += dz[at(p, out, o)] * in.gamma[c];
      with_xhat += dz[at(p, out, o)] * in.gamma[c] * xhat(p, o);
    });
    over_real(in, p0, p1, o0, o1, [&](auto p, auto o) {
      const auto c = static_cast<std::size_t>(o);
      dy[at(p, out, o)] =
          f.inv_std[unit_at(s, p, o)] *
          (dz[at(p, out, o)] * in.gamma[c] - plain / count - xhat(p, o) * with_xhat / count);
      g.bias[c] += dy[at(p, out, o)];
    });
  });
  g.x.assign(static_cast<std::size_t>(s.pixels() * s.in), 0.0);
  g.weight.assign(static_cast<std::size_t>(s.weight_elements()), 0.0);
  over_taps(s, [&](auto pixel, auto source, auto tap) {
    for (std::int64_t o = 0; o < out; ++o) {
      for (std::int64_t i = 0; i < s.in; ++i) {
        g.x[at(source, s.in, i)] += dy[at(pixel, out, o)] * in.weight[weight_at(s, o, i, tap)];
        g.weight[weight_at(s, o, i, tap)] += dy[at(pixel, out, o)] * in.x[at(source, s.in, i)];
      }
    }
  });
  return g;
}

}  // namespace cuttle::kernels::reference
