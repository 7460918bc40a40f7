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
};

struct Forward {
  Values y, mean, inv_std, pooled;
  std::vector<std::uint8_t> choice;
  double count = 0;
};

struct Backward {
  Values x, weight, gamma, beta;
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

inline Forward forward(const ConvBlockShape& s, const Inputs& in) {
  Forward f;
  const auto out = s.out;
  f.y.assign(static_cast<std::size_t>(s.pixels() * out), 0.0);
  over_taps(s, [&](auto pixel, auto source, auto tap) {
    for (std::int64_t o = 0; o < out; ++o) {
      for (std::int64_t i = 0; i < s.in; ++i)
        f.y[at(pixel, out, o)] += in.x[at(source, s.in, i)] * in.weight[weight_at(s, o, i, tap)];
    }
  });
  for (std::int64_t p = 0; p < s.pixels(); ++p) f.count += is_real(in, p);
  f.mean.assign(static_cast<std::size_t>(out), 0.0);
  f.inv_std = f.mean;
  Values z(f.y.size());
  for (std::int64_t o = 0; o < out; ++o) {
    const auto c = static_cast<std::size_t>(o);
    double variance = 0;
    for (std::int64_t p = 0; p < s.pixels(); ++p)
      f.mean[c] += is_real(in, p) * f.y[at(p, out, o)] / f.count;
    for (std::int64_t p = 0; p < s.pixels(); ++p)
      variance += is_real(in, p) * std::pow(f.y[at(p, out, o)] - f.mean[c], 2) / f.count;
    f.inv_std[c] = 1 / std::sqrt(variance + 1e-5);
    for (std::int64_t p = 0; p < s.pixels(); ++p)
      z[at(p, out, o)] =
          is_real(in, p) *
          ((f.y[at(p, out, o)] - f.mean[c]) * f.inv_std[c] * in.gamma[c] + in.beta[c]);
  }
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
  g.beta = g.gamma;
  Values dy(f.y.size());
  for (std::int64_t o = 0; o < out; ++o) {
    const auto c = static_cast<std::size_t>(o);
    const auto xhat = [&](std::int64_t p) {
      return (f.y[at(p, out, o)] - f.mean[c]) * f.inv_std[c];
    };
    for (std::int64_t p = 0; p < s.pixels(); ++p) {
      g.beta[c] += dz[at(p, out, o)];
      g.gamma[c] += dz[at(p, out, o)] * xhat(p);
    }
    for (std::int64_t p = 0; p < s.pixels(); ++p)
      dy[at(p, out, o)] =
          is_real(in, p) * in.gamma[c] * f.inv_std[c] *
          (dz[at(p, out, o)] - g.beta[c] / f.count - xhat(p) * g.gamma[c] / f.count);
  }
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
