#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "adapt/class_codes.hpp"
#include "adapt/plain_rows.hpp"
#include "adapt/task_layers.hpp"

namespace cuttle {

/// Where LEO's rates are, its steps, and what its penalties weigh.
struct CodeLoop {
  std::int64_t code_rate, weight_rate;
  std::int64_t inner_steps, finetune_steps;
  double kl, encoder_penalty, orthogonality;
};

/// LEO of one part as a layer on queries, without bias: the adapted weights; and the way back
/// through both loops, with the penalties' own gradients. A draw moves with its deviation:
///   W = u + a(v), (u, v) = z D^T, a(v) = noise (scale softplus(v) + least).
template <class T>
class CodeLayer final : public MadeLayers<T> {
 public:
  CodeLayer(const SampleRows<T>& support, T* layer, const ClassCoder& coder, const CodeLoop& loop,
            Draws draws)
      : support_(support),
        coder_(coder),
        loop_(loop),
        draws_(std::move(draws)),
        relation_({{2 * latent_, 2 * latent_, true},
                   {2 * latent_, 2 * latent_, true},
                   {2 * latent_, 2 * latent_, false}}),
        packed_(room(relation_.packed_size())),
        point_memory_(room(relation_.point_size(n_ * n_))),
        point_(relation_.point(n_ * n_, point_memory_.data())),
        x_(room(n_ * width_)),
        of_x_(x_.size()) {
    for (std::int64_t i = 0; i < n_; ++i)
      std::copy_n(support.row(i), width_, &x_[room(i * width_)]);
    encode();
    std::vector<T> z = code_.drawn();
    for (std::int64_t k = 0; k < loop.inner_steps; ++k) {
      steps_.push_back(decoded(z));
      add_scaled(way_ * latent_, -rate(loop.code_rate), slope_of(steps_.back()).data(), z.data());
    }
    steps_.push_back(decoded(z));
    auto weights = steps_.back().weights.drawn();
    for (std::int64_t k = 0; k < loop.finetune_steps; ++k) {
      tuned_.push_back(weights);
      add_scaled(way_ * width_, -rate(loop.weight_rate), seen_at(weights).slope.data(),
                 weights.data());
    }
    std::copy(weights.begin(), weights.end(), layer);
    std::fill_n(layer + way_ * width_, way_, T{});
  }

  void back(const T* of_layer) override {
    std::vector<T> of_weights(of_layer, of_layer + way_ * width_);
    for (std::size_t k = tuned_.size(); k-- > 0;) {
      const Seen seen = seen_at(tuned_[k]);
      *support_.of_own(loop_.weight_rate) -=
          dot(way_ * width_, of_weights.data(), seen.slope.data());
      const auto bent = curve(seen, tuned_[k], times(-rate(loop_.weight_rate), of_weights));
      add_scaled(way_ * width_, T{1}, bent.data(), of_weights.data());
    }
    const auto& last = steps_.back();
    std::vector<T> of_z(room(way_ * latent_));
    add_back_to_code(last, last.weights.back(of_weights), of_z);
    for (std::size_t k = steps_.size() - 1; k-- > 0;) back_through_step(steps_[k], of_z);
    const auto& first = steps_.front().z;
    const T pull = static_cast<T>(2 * loop_.encoder_penalty) / static_cast<T>(way_ * latent_);
    for (std::int64_t i = 0; i < way_ * latent_; ++i)
      of_z[room(i)] += pull * (first[room(i)] - last.z[room(i)]);
    back_to_encoder(of_z);
    back_from_correlations();
    for (std::int64_t i = 0; i < n_; ++i)
      add_scaled(width_, T{1}, &of_x_[room(i * width_)], support_.of_row(i));
  }

 private:
  using Values = std::vector<T>;

  /// Rows of distributions, and a draw of each.
  struct Drawn {
    std::int64_t columns;
    T scale;         ///< of softplus
    Values numbers;  ///< [rows, 2 columns]
    Values noise;    ///< [rows, columns]; empty: means
    T deviation(std::size_t row, std::int64_t c) const {
      const T x = numbers[row * room(2 * columns) + room(columns + c)];
      const T soft = x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
      return scale * soft + static_cast<T>(Normal::kLeastDeviation);
    }
    /// Of the deviation by its number.
    T slope(std::size_t row, std::int64_t c) const {
      return scale / (1 + std::exp(-numbers[row * room(2 * columns) + room(columns + c)]));
    }
    std::size_t rows() const { return numbers.size() / room(2 * columns); }
    Values drawn() const {
      Values values;
      for (std::size_t r = 0; r < rows(); ++r)
        for (std::int64_t c = 0; c < columns; ++c) {
          const T mean = numbers[r * room(2 * columns) + room(c)];
          values.push_back(noise.empty() ? mean : mean + deviation(r, c) * noise[values.size()]);
        }
      return values;
    }
    /// From the gradient of a draw to that of the numbers.
    Values back(const Values& of) const {
      Values numbers_of(numbers.size());
      for (std::size_t r = 0; r < rows(); ++r)
        for (std::int64_t c = 0; c < columns; ++c) {
          const std::size_t at = r * room(columns) + room(c), to = r * room(2 * columns) + room(c);
          numbers_of[to] = of[at];
          if (!noise.empty()) numbers_of[to + room(columns)] = of[at] * noise[at] * slope(r, c);
        }
      return numbers_of;
    }
  };
  /// Codes, and the weights that they stand for.
  struct Decoded {
    Values z;
    Drawn weights;
  };
  /// The support set under a classifier's weights: probabilities, and the loss's slopes.
  struct Seen {
    Values p;      ///< [n, way]
    Values error;  ///< [n, way]: gradient of the outputs
    Values slope;  ///< [way, width]: of the weights
  };

  static Values times(T scale, Values values) {
    for (T& value : values) value *= scale;
    return values;
  }
  const T* own(std::int64_t place) const { return support_.own(place); }
  T rate(std::int64_t place) const { return *own(place); }
  /// How much a sample counts in the loss.
  T share(std::int64_t i) const { return support_.weights[room(i)] / static_cast<T>(n_); }

  Drawn drawn_of(std::int64_t columns, Values numbers) {
    const auto noise = draws_.noise(way_ * columns);
    return {columns, static_cast<T>(Normal::initial(latent_, columns) / M_LN2), std::move(numbers),
            Values(noise.begin(), noise.end())};
  }
  Decoded decoded(const Values& z) {
    Values numbers(room(way_ * 2 * width_));
    add_product_turned(way_, latent_, 2 * width_, z.data(), own(coder_.decoder_), numbers.data());
    return {z, drawn_of(width_, std::move(numbers))};
  }
  Seen seen_at(const Values& weights) const;
  Values curve(const Seen& seen, const Values& weights, const Values& direction);
  /// The support loss's gradient by the codes.
  Values slope_of(const Decoded& at) const {
    Values slope(room(way_ * latent_));
    add_product(way_, 2 * width_, latent_,
                at.weights.back(seen_at(at.weights.drawn()).slope).data(), own(coder_.decoder_),
                slope.data());
    return slope;
  }
  void add_back_to_code(const Decoded& at, const Values& of_numbers, Values& of_z) const {
    add_outer(way_, 2 * width_, latent_, T{1}, of_numbers.data(), at.z.data(),
              support_.of_own(coder_.decoder_));
    add_product(way_, 2 * width_, latent_, of_numbers.data(), own(coder_.decoder_), of_z.data());
  }
  void back_through_step(const Decoded& at, Values& of_z);
  void encode();
  void back_to_encoder(const Values& of_z);
  void back_from_correlations() const;

  const SampleRows<T>& support_;
  const ClassCoder& coder_;
  CodeLoop loop_;
  Draws draws_;
  std::int64_t n_ = support_.size, way_ = support_.way, width_ = support_.width,
               latent_ = coder_.latent_;
  kernels::Mlp<T> relation_;
  Values packed_, point_memory_;
  typename kernels::Mlp<T>::Point point_;
  Values x_, of_x_;             ///< [n, width]
  Values pairs_, own_, all_;    ///< [n^2, 2 latent]; a sample's share of its class, and of all
  Drawn code_;                  ///< of classes
  std::vector<Decoded> steps_;  ///< before each step on codes, and after the last
  std::vector<Values> tuned_;   ///< weights before each step on them
};

template <class T>
typename CodeLayer<T>::Seen CodeLayer<T>::seen_at(const Values& weights) const {
  Seen seen{Values(room(n_ * way_)), {}, Values(room(way_ * width_))};
  add_product_turned(n_, width_, way_, x_.data(), weights.data(), seen.p.data());
  for (std::int64_t i = 0; i < n_; ++i) {
    T* p = &seen.p[room(i * way_)];
    softmax(way_, p);
    for (std::int64_t c = 0; c < way_; ++c)
      seen.error.push_back(share(i) * (p[c] - support_.answer(i, c)));
  }
  add_outer(n_, way_, width_, T{1}, seen.error.data(), x_.data(), seen.slope.data());
  return seen;
}

/// The Hessian by the weights times a direction; adds to the gradient of the support's features
/// that of the slope times the direction.
template <class T>
std::vector<T> CodeLayer<T>::curve(const Seen& seen, const Values& weights,
                                   const Values& direction) {
  Values moved(room(n_ * way_)), product(room(way_ * width_));
  add_product_turned(n_, width_, way_, x_.data(), direction.data(), moved.data());
  for (std::int64_t i = 0; i < n_; ++i) {
    T* along = &moved[room(i * way_)];
    const T* p = &seen.p[room(i * way_)];
    const T mean = dot(way_, p, along);
    for (std::int64_t c = 0; c < way_; ++c) along[c] = share(i) * p[c] * (along[c] - mean);
  }
  add_outer(n_, way_, width_, T{1}, moved.data(), x_.data(), product.data());
  add_product(n_, way_, width_, seen.error.data(), direction.data(), of_x_.data());
  add_product(n_, way_, width_, moved.data(), weights.data(), of_x_.data());
  return product;
}

/// From the gradient of codes after a step to that of codes before it.
template <class T>
void CodeLayer<T>::back_through_step(const Decoded& at, Values& of_z) {
  const auto weights = at.weights.drawn();
  const Seen seen = seen_at(weights);
  const auto of_numbers = at.weights.back(seen.slope);  // of the support loss
  Values slope(room(way_ * latent_)), moved(room(way_ * 2 * width_));
  add_product(way_, 2 * width_, latent_, of_numbers.data(), own(coder_.decoder_), slope.data());
  *support_.of_own(loop_.code_rate) -= dot(way_ * latent_, of_z.data(), slope.data());
  const auto cotangent = times(-rate(loop_.code_rate), of_z);  // of that slope
  add_outer(way_, 2 * width_, latent_, T{1}, of_numbers.data(), cotangent.data(),
            support_.of_own(coder_.decoder_));
  add_product_turned(way_, latent_, 2 * width_, cotangent.data(), own(coder_.decoder_),
                     moved.data());
  // How the draw moves, and how what it moves by does.
  Values direction(room(way_ * width_)), of_second(room(way_ * 2 * width_));
  for (std::int64_t r = 0; r < way_; ++r)
    for (std::int64_t c = 0; c < width_; ++c) {
      const std::size_t i = room(r * width_ + c), j = room(r * 2 * width_ + c);
      direction[i] = moved[j];
      if (at.weights.noise.empty()) continue;
      const T by = moved[j + room(width_)],
              gain = at.weights.noise[i] * at.weights.slope(room(r), c);
      direction[i] += gain * by;
      of_second[j + room(width_)] =
          seen.slope[i] * gain * by * (1 - at.weights.slope(room(r), c) / at.weights.scale);
    }
  const auto bent = at.weights.back(curve(seen, weights, direction));
  add_scaled(way_ * 2 * width_, T{1}, bent.data(), of_second.data());
  add_back_to_code(at, of_second, of_z);
}

template <class T>
void CodeLayer<T>::encode() {
  Values codes(room(n_ * latent_)), counts(room(way_)), numbers(room(way_ * 2 * latent_)),
      no_bias(room(2 * latent_));
  add_product_turned(n_, width_, latent_, x_.data(), own(coder_.encoder_), codes.data());
  for (std::int64_t i = 0; i < n_; ++i) counts[room(support_.labels[i])] += T{1};
  for (std::int64_t i = 0; i < n_; ++i) {
    own_.push_back(T{1} / counts[room(support_.labels[i])]);
    all_.push_back(share(i));
    for (std::int64_t m = 0; m < n_; ++m)
      for (const std::int64_t row : {i, m})
        pairs_.insert(pairs_.end(), &codes[room(row * latent_)],
                      &codes[room(row * latent_)] + latent_);
  }
  std::vector<kernels::MlpWeights<const T>> layers;
  for (const std::int64_t place : coder_.relation_) layers.push_back({own(place), no_bias.data()});
  relation_.pack(layers, packed_.data());
  relation_.forward(n_ * n_, pairs_.data(), packed_.data(), point_);
  const std::int64_t stride = relation_.padded(2 * latent_);
  for (std::int64_t i = 0; i < n_; ++i)
    for (std::int64_t m = 0; m < n_; ++m)
      add_scaled(2 * latent_, own_[room(i)] * all_[room(m)],
                 point_.activations.back() + (i * n_ + m) * stride,
                 &numbers[room(support_.labels[i] * 2 * latent_)]);
  code_ = drawn_of(latent_, std::move(numbers));
}

/// From the gradient of the first codes, with the divergence's.
template <class T>
void CodeLayer<T>::back_to_encoder(const Values& of_z) {
  Values of_numbers = code_.back(of_z), of_codes(room(n_ * latent_)), no_bias(room(2 * latent_));
  const T each = static_cast<T>(loop_.kl) / static_cast<T>(way_ * latent_);
  for (std::int64_t r = 0; r < way_; ++r)
    for (std::int64_t c = 0; c < latent_; ++c) {
      const std::size_t at = room(r * 2 * latent_ + c);
      const T deviation = code_.deviation(room(r), c);
      of_numbers[at] += each * code_.numbers[at];
      of_numbers[at + room(latent_)] +=
          each * (deviation - T{1} / deviation) * code_.slope(room(r), c);
    }
  const std::int64_t stride = relation_.padded(2 * latent_);
  T* deltas = point_.deltas.back();
  std::fill_n(deltas, n_ * n_ * stride, T{});
  for (std::int64_t i = 0; i < n_; ++i)
    for (std::int64_t m = 0; m < n_; ++m)
      add_scaled(2 * latent_, own_[room(i)] * all_[room(m)],
                 &of_numbers[room(support_.labels[i] * 2 * latent_)],
                 deltas + (i * n_ + m) * stride);
  Values gradient(packed_.size()), of_pairs(room(n_ * n_ * stride));
  relation_.backward(n_ * n_, pairs_.data(), point_, gradient.data(), of_pairs.data());
  std::vector<kernels::MlpWeights<T>> layers;
  for (const std::int64_t place : coder_.relation_)
    layers.push_back({support_.of_own(place), no_bias.data()});
  relation_.unpack(gradient.data(), layers);
  for (std::int64_t i = 0; i < n_; ++i)
    for (std::int64_t m = 0; m < n_; ++m) {
      const T* pair = &of_pairs[room((i * n_ + m) * stride)];
      add_scaled(latent_, T{1}, pair, &of_codes[room(i * latent_)]);
      add_scaled(latent_, T{1}, pair + latent_, &of_codes[room(m * latent_)]);
    }
  add_outer(n_, latent_, width_, T{1}, of_codes.data(), x_.data(),
            support_.of_own(coder_.encoder_));
  add_product(n_, latent_, width_, of_codes.data(), own(coder_.encoder_), of_x_.data());
}

/// Of ClassCoder::correlations. Both products with the decoder's columns U, of length 1, are those
/// of a linear layer: U^T U as if it were a gradient, and U (U^T U - I) as what that layer gives.
template <class T>
void CodeLayer<T>::back_from_correlations() const {
  const kernels::Mlp<T> layer({{latent_, latent_, false}});
  const std::int64_t rows = 2 * width_, stride = layer.padded(latent_);
  const T* decoder = own(coder_.decoder_);
  Values length(room(latent_)), along(room(latent_)), padded(room(rows * stride)),
      of(padded.size()), c(room(layer.packed_size()));
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t l = 0; l < latent_; ++l)
      length[room(l)] += decoder[r * latent_ + l] * decoder[r * latent_ + l];
  for (T& square : length) square = std::sqrt(square + static_cast<T>(ClassCoder::kLeastSquare));
  Values columns(decoder, decoder + rows * latent_);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t l = 0; l < latent_; ++l) columns[room(r * latent_ + l)] /= length[room(l)];
    std::copy_n(&columns[room(r * latent_)], latent_, &padded[room(r * stride)]);
  }
  typename kernels::Mlp<T>::Point point;
  point.activations = {of.data()};
  point.deltas = {padded.data()};
  layer.backward(rows, columns.data(), point, c.data());
  for (std::int64_t l = 0; l < latent_; ++l) c[room(l * stride + l)] -= T{1};
  std::fill_n(&c[room(latent_ * stride)], stride, T{});
  layer.forward(rows, columns.data(), c.data(), point);
  const auto row = [&](Values& values, std::int64_t r) { return &values[room(r * stride)]; };
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t l = 0; l < latent_; ++l) along[room(l)] += row(of, r)[l] * row(padded, r)[l];
  const T scale = static_cast<T>(4 * loop_.orthogonality) / static_cast<T>(latent_ * latent_);
  T* to = support_.of_own(coder_.decoder_);
  for (std::int64_t r = 0; r < rows; ++r, to += latent_)
    for (std::int64_t l = 0; l < latent_; ++l)
      to[l] += scale * (row(of, r)[l] - row(padded, r)[l] * along[room(l)]) / length[room(l)];
}

}  // namespace cuttle
