#pragma once

#include <cmath>
#include <cstdint>

#include "cuttle/kernels/conv_block.hpp"

/// Batch norm's derivatives, per channel, in double. With n real pixels, m the mean and r = (v +
/// eps)^-1/2 of the convolution's output y, xhat = (y - m) r, z = g xhat + b, and d the gradient of
/// z (nonzero only at the windows' choices that ReLU lets pass):
///
///   db = sum d,  dg = sum d xhat,  dy = g r (d - db / n - xhat dg / n)            (Ioffe and
///   Szegedy, 2015)
///
/// The second derivative is the tangent of this in a direction (ty of y, tg of g), d held fixed,
/// and the tangent of z in that direction and tb of b. From the definitions, with s = mean(xhat
/// ty):
///
///   tangent of m = mean(ty),  of r = -r^2 s,  of xhat = r (ty - mean(ty) - xhat s) =: txhat
///   tangent of z  = tg xhat + g txhat + tb
///   tangent of dg = sum d txhat = r (sum d ty - mean(ty) db - s dg) =: q
///   tangent of dy = (tg r - g r^2 s)(d - db / n - xhat dg / n) - g r (txhat dg + xhat q) / n
///
/// The gradients of <tx, dx> + <tW, dW> + tg dg + tb db are these very tangents, because second
/// derivatives are symmetric: with respect to the gradient of z the tangent of z, to y the tangent
/// of dy, to g the number q.
///
/// Over the channels of a group (Wu and He, 2018) m, r, n, mean(ty) and s are the group's, and of
/// the coefficients below b, c and e are sums over its channels: each comes of sums over all that
/// shares m and r.
namespace cuttle::kernels {

constexpr double kNormEpsilon = 1e-5;

struct NormSums {
  double count;  ///< n, at least 1
  double gamma, inv_std;
  double plain;     ///< sum d
  double centered;  ///< sum d (y - m)
  double dgamma() const { return inv_std * centered; }
};

/// dy = a d + b + c (y - m)
struct FirstTerms {
  double a, b, c;
  explicit FirstTerms(const NormSums& k)
      : a(k.gamma * k.inv_std),
        b(-a * k.plain / k.count),
        c(-a * k.dgamma() * k.inv_std / k.count) {}
  /// With gradients dm and dv of m and of the variance v, used elsewhere: + dm / n + 2 dv (y - m) /
  /// n.
  FirstTerms(const NormSums& k, double of_mean, double of_variance) : FirstTerms(k) {
    b += of_mean / k.count;
    c += 2 * of_variance / k.count;
  }
};

/// By given statistics: dy = a d, and dm = -g r sum d, dv = -g r^3 / 2 sum d (y - m).
struct GivenTerms {
  double a, mean, variance;
  explicit GivenTerms(const NormSums& k)
      : a(k.gamma * k.inv_std),
        mean(-a * k.plain),
        variance(-a * k.inv_std * k.inv_std * k.centered / 2) {}
};

/// The element, or 0 of null.
template <class T>
double element(const T* values, std::int64_t i) {
  return values ? static_cast<double>(values[i]) : 0.0;
}

struct TangentSums {
  double mean;      ///< mean(ty)
  double centered;  ///< sum (y - m) ty
  double with_d;    ///< sum d ty
  double gamma;     ///< tg
};

/// Tangent of dy = a d + b + c (y - m) + e (ty - mean(ty));
/// tangent of z  = a (y - m) + of_tangent (ty - mean(ty)) + tb.
struct SecondTerms {
  double q, a, b, c, e, of_tangent;
  SecondTerms(const NormSums& k, const TangentSums& t) {
    const double r = k.inv_std, s = r * t.centered / k.count, dgamma = k.dgamma();
    of_tangent = k.gamma * r;
    q = r * (t.with_d - t.mean * k.plain - s * dgamma);
    a = t.gamma * r - of_tangent * r * s;
    b = -a * k.plain / k.count;
    c = (-a * dgamma - of_tangent * q + of_tangent * dgamma * r * s) * r / k.count;
    e = -of_tangent * dgamma * r / k.count;
  }
};

/// What is saved of given statistics.
template <class T>
void keep_given(const ConvBlockShape& shape, const BlockInputs<T>& inputs,
                const BlockSaved<T>& saved) {
  for (std::int64_t c = 0; c < shape.out; ++c) {
    saved.mean[c] = inputs.mean[c];
    saved.inv_std[c] =
        static_cast<T>(1 / std::sqrt(static_cast<double>(inputs.variance[c]) + kNormEpsilon));
  }
}

}  // namespace cuttle::kernels
