#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "adapt/class_codes.hpp"
#include "adapt/plain_rows.hpp"
#include "adapt/small_products.hpp"
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
/// The relation net's first layer is linear in the pair, and so is its last one in the mean over
/// pairs: only the layer between sees all pairs.
template <class T>
class CodeLayer final : public MadeLayers<T> {
 public:
  CodeLayer(const SampleRows<T>& support, T* layer, const ClassCoder& coder, const CodeLoop& loop,
            Draws draws)
      : support_(support),
        coder_(coder),
        loop_(loop),
        draws_(std::move(draws)),
        x_columns_(room(width_ * n_step_)),
        decoder_rows_(own(coder.decoder_), 2 * width_, latent_),
        decoder_columns_(room(latent_ * pair_step(width_))),
        of_decoder_(support.of_own(coder.decoder_), 2 * width_, latent_, latent_) {
    turn(support.features, n_, width_, support.stride, x_columns_.data());
    turn(own(coder.decoder_), 2 * width_, latent_, latent_, decoder_columns_.data());
    encode();
    codes_.reserve(room(loop.inner_steps + 1));
    tuned_.reserve(room(loop.finetune_steps));
    Values z = code_.drawn();
    for (std::int64_t k = 0; k < loop.inner_steps; ++k) {
      codes_.push_back(decoded(z));
      look(codes_.back());
      add_scaled(size(z), -rate(loop.code_rate), codes_.back().slope.data(), z.data());
    }
    codes_.push_back(decoded(z));
    Values weights = codes_.back().weights;
    for (std::int64_t k = 0; k < loop.finetune_steps; ++k) {
      tuned_.push_back({weights, seen_at(weights)});
      add_scaled(size(weights), -rate(loop.weight_rate), tuned_.back().seen.slope.data(),
                 weights.data());
    }
    for (std::int64_t c = 0; c < way_; ++c)
      std::copy_n(&weights[room(c * support.stride)], width_, layer + c * width_);
    std::fill_n(layer + way_ * width_, way_, T{});
  }

  void back(const T* of_layer) override {
    Values of_weights(room(way_ * support_.stride));
    for (std::int64_t c = 0; c < way_; ++c)
      std::copy_n(of_layer + c * width_, width_, &of_weights[room(c * support_.stride)]);
    for (std::size_t k = tuned_.size(); k-- > 0;) {
      const auto& [weights, seen] = tuned_[k];
      *support_.of_own(loop_.weight_rate) -=
          dot(size(of_weights), of_weights.data(), seen.slope.data());
      add(curve(seen, weights, times(-rate(loop_.weight_rate), of_weights)), of_weights);
    }
    const auto& last = codes_.back();
    Values of_z(room(way_ * latent_step_));
    add_back_to_code(last, last.numbers.back(of_weights), of_z);
    for (std::size_t k = codes_.size() - 1; k-- > 0;) back_through_step(codes_[k], of_z);
    const auto& first = codes_.front().z;
    const T pull = static_cast<T>(2 * loop_.encoder_penalty) / static_cast<T>(way_ * latent_);
    for (std::size_t i = 0; i < of_z.size(); ++i) of_z[i] += pull * (first[i] - last.z[i]);
    back_to_encoder(of_z);
    multiply<T>({all_of_numbers_.data(), 1, pair_step(width_)}, size(all_z_) / latent_step_,
                all_z_.data(), 2 * width_, latent_step_, of_decoder_.at());
    back_from_correlations();
    of_decoder_.finish();
  }

 private:
  using Values = std::vector<T>;  ///< of a matrix, rows of whole vectors

  /// Rows of distributions, and a draw of each.
  struct Drawn {
    std::int64_t columns = 0;
    T scale = 0;     ///< of softplus
    Values numbers;  ///< [rows, 2 columns]
    Values noise;    ///< [rows, columns] without padding; empty: means
    std::int64_t stride = kernels::padded<T>(2 * columns), step = kernels::padded<T>(columns);
    std::int64_t rows() const { return size(numbers) / stride; }
    T deviation(std::int64_t row, std::int64_t c) const {
      const T x = numbers[room(row * stride + columns + c)];
      const T soft = x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
      return scale * soft + static_cast<T>(Normal::kLeastDeviation);
    }
    /// Of the deviation by its number.
    T slope(std::int64_t row, std::int64_t c) const {
      return scale / (1 + std::exp(-numbers[room(row * stride + columns + c)]));
    }
    /// How a draw goes with its deviation.
    T by(std::int64_t row, std::int64_t c) const { return noise[room(row * columns + c)]; }
    Values drawn() const {
      Values values(room(rows() * step));
      for (std::int64_t r = 0; r < rows(); ++r) {
        T* to = std::copy_n(&numbers[room(r * stride)], columns, &values[room(r * step)]) - columns;
        for (std::int64_t c = 0; c < columns && !noise.empty(); ++c)
          to[c] += deviation(r, c) * by(r, c);
      }
      return values;
    }
    /// From the gradient of a draw to that of the numbers.
    Values back(const Values& of) const {
      Values numbers_of(numbers.size());
      for (std::int64_t r = 0; r < rows(); ++r) {
        T* to = &numbers_of[room(r * stride)];
        std::copy_n(&of[room(r * step)], columns, to);
        for (std::int64_t c = 0; c < columns && !noise.empty(); ++c)
          to[columns + c] = to[c] * by(r, c) * slope(r, c);
      }
      return numbers_of;
    }
  };
  /// The support set under a classifier's weights.
  struct Seen {
    Values p;      ///< [way, n] probabilities
    Values error;  ///< [way, n]: gradient of the outputs
    Values slope;  ///< [way, width]: of the weights
  };
  struct Tuned {
    Values weights;
    Seen seen;
  };
  /// Codes, the weights that they stand for and, before a step, what it goes by.
  struct Decoded {
    Values z;
    Drawn numbers;
    Values weights;
    Seen seen;
    Values of_numbers, slope;  ///< of the support loss; of z
  };

  static std::int64_t size(const Values& values) {
    return static_cast<std::int64_t>(values.size());
  }
  static std::int64_t pair_step(std::int64_t columns) { return kernels::padded<T>(2 * columns); }
  static Values times(T scale, Values values) {
    for (T& value : values) value *= scale;
    return values;
  }
  static void add(const Values& more, Values& to) {
    add_scaled(size(more), T{1}, more.data(), to.data());
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
    Values numbers(room(way_ * pair_step(width_)));
    multiply<T>({z.data(), latent_step_}, latent_, decoder_columns_.data(), way_, pair_step(width_),
                numbers.data());
    Decoded made{z, drawn_of(width_, std::move(numbers)), {}, {}, {}, {}};
    made.weights = made.numbers.drawn();
    return made;
  }
  /// What a step on codes goes by: the support loss's gradient.
  void look(Decoded& at) const {
    at.seen = seen_at(at.weights);
    at.of_numbers = at.numbers.back(at.seen.slope);
    at.slope.resize(at.z.size());
    add_times_decoder(at.of_numbers, at.slope);
  }
  void add_times_decoder(const Values& numbers, Values& to) const {
    multiply<T>({numbers.data(), pair_step(width_)}, 2 * width_, decoder_rows_.at(), way_,
                latent_step_, to.data(), true);
  }
  /// Of numbers whose gradient that is, by z: the sum is one product at the end.
  void add_to_decoder(const Values& of_numbers, const Values& z) {
    all_of_numbers_.insert(all_of_numbers_.end(), of_numbers.begin(), of_numbers.end());
    all_z_.insert(all_z_.end(), z.begin(), z.end());
  }
  void add_back_to_code(const Decoded& at, const Values& of_numbers, Values& of_z) {
    add_to_decoder(of_numbers, at.z);
    add_times_decoder(of_numbers, of_z);
  }
  Seen seen_at(const Values& weights) const;
  Values curve(const Seen& seen, const Values& weights, const Values& direction) const;
  void back_through_step(const Decoded& at, Values& of_z);
  void encode();
  void back_to_encoder(const Values& of_z);
  void back_from_pairs(const Values& of_numbers);
  void back_from_correlations();

  const SampleRows<T>& support_;
  const ClassCoder& coder_;
  CodeLoop loop_;
  Draws draws_;
  std::int64_t n_ = support_.size, way_ = support_.way, width_ = support_.width,
               latent_ = coder_.latent_, relation_ = 2 * latent_, n_step_ = kernels::padded<T>(n_),
               latent_step_ = kernels::padded<T>(latent_), both_step_ = kernels::padded<T>(2 * n_),
               pairs_step_ = kernels::padded<T>(n_ * n_);
  Values x_columns_;  ///< [width, n]
  RightRows<T> decoder_rows_;
  Values decoder_columns_;  ///< [latent, 2 width]
  GradientRows<T> of_decoder_;
  Values both_;            ///< [2 latent, 2 n]: codes as the first of a pair, then as the second
  Values first_, second_;  ///< [2 latent, n^2], of the relation net
  Values share_;           ///< [way, n^2]: of a pair in its class
  Values mean_;            ///< [2 latent, way], of `second_`
  Drawn code_;             ///< of classes
  std::vector<Decoded> codes_;     ///< before each step on codes, and after the last
  std::vector<Tuned> tuned_;       ///< before each step on weights
  Values all_of_numbers_, all_z_;  ///< whose products are the decoder's gradient
};

template <class T>
typename CodeLayer<T>::Seen CodeLayer<T>::seen_at(const Values& weights) const {
  Seen seen{Values(room(way_ * n_step_)), Values(room(way_ * n_step_)), Values(weights.size())};
  multiply<T>({weights.data(), support_.stride}, width_, x_columns_.data(), way_, n_step_,
              seen.p.data());
  for (std::int64_t i = 0; i < n_; ++i) {
    T* p = &seen.p[room(i)];
    T most = *p, sum = 0;
    for (std::int64_t c = 1; c < way_; ++c) most = std::max(most, p[c * n_step_]);
    for (std::int64_t c = 0; c < way_; ++c) sum += p[c * n_step_] = std::exp(p[c * n_step_] - most);
    for (std::int64_t c = 0; c < way_; ++c) {
      p[c * n_step_] /= sum;
      seen.error[room(c * n_step_ + i)] = share(i) * (p[c * n_step_] - support_.answer(i, c));
    }
  }
  multiply<T>({seen.error.data(), n_step_}, n_, support_.features, way_, support_.stride,
              seen.slope.data());
  return seen;
}

/// The Hessian by the weights times a direction; adds to the gradient of the support's features
/// that of the slope times the direction.
template <class T>
std::vector<T> CodeLayer<T>::curve(const Seen& seen, const Values& weights,
                                   const Values& direction) const {
  Values moved(room(way_ * n_step_)), product(weights.size());
  multiply<T>({direction.data(), support_.stride}, width_, x_columns_.data(), way_, n_step_,
              moved.data());
  for (std::int64_t i = 0; i < n_; ++i) {
    const T* p = &seen.p[room(i)];
    T* along = &moved[room(i)];
    T mean = 0;
    for (std::int64_t c = 0; c < way_; ++c) mean += p[c * n_step_] * along[c * n_step_];
    for (std::int64_t c = 0; c < way_; ++c)
      along[c * n_step_] = share(i) * p[c * n_step_] * (along[c * n_step_] - mean);
  }
  multiply<T>({moved.data(), n_step_}, n_, support_.features, way_, support_.stride,
              product.data());
  const auto to_features = [&](const Values& of_outputs, const Values& by) {
    multiply<T>({of_outputs.data(), 1, n_step_}, way_, by.data(), n_, support_.stride,
                support_.of_features, true);
  };
  to_features(seen.error, direction);
  to_features(moved, weights);
  return product;
}

/// From the gradient of codes after a step to that of codes before it.
template <class T>
void CodeLayer<T>::back_through_step(const Decoded& at, Values& of_z) {
  *support_.of_own(loop_.code_rate) -= dot(size(of_z), of_z.data(), at.slope.data());
  const auto cotangent = times(-rate(loop_.code_rate), of_z);  // of that slope
  add_to_decoder(at.of_numbers, cotangent);
  Values moved(at.of_numbers.size()), of_second(moved.size()), direction(at.weights.size());
  multiply<T>({cotangent.data(), latent_step_}, latent_, decoder_columns_.data(), way_,
              pair_step(width_), moved.data());
  // How the draw moves, and how what it moves by does.
  for (std::int64_t r = 0; r < way_; ++r) {
    const std::int64_t i = r * support_.stride, j = r * pair_step(width_);
    std::copy_n(&moved[room(j)], width_, &direction[room(i)]);
    for (std::int64_t c = 0; c < width_ && !at.numbers.noise.empty(); ++c) {
      const T by = moved[room(j + width_ + c)], gain = at.numbers.by(r, c) * at.numbers.slope(r, c);
      direction[room(i + c)] += gain * by;
      of_second[room(j + width_ + c)] =
          at.seen.slope[room(i + c)] * gain * by * (1 - at.numbers.slope(r, c) / at.numbers.scale);
    }
  }
  add(at.numbers.back(curve(at.seen, at.weights, direction)), of_second);
  add_back_to_code(at, of_second, of_z);
}

template <class T>
void CodeLayer<T>::encode() {
  const std::int64_t way_step = kernels::padded<T>(way_);
  Values codes(room(latent_ * n_step_)), linear(room(relation_ * both_step_)),
      numbers(room(relation_ * way_step)), counts(room(way_));
  multiply<T>({own(coder_.encoder_), width_}, width_, x_columns_.data(), latent_, n_step_,
              codes.data());
  both_.resize(linear.size());
  for (std::int64_t l = 0; l < latent_; ++l)
    for (std::int64_t i = 0; i < n_; ++i)
      both_[room(l * both_step_ + i)] = both_[room((latent_ + l) * both_step_ + n_ + i)] =
          codes[room(l * n_step_ + i)];
  multiply<T>({own(coder_.relation_[0]), relation_}, relation_, both_.data(), relation_, both_step_,
              linear.data());
  first_.resize(room(relation_ * pairs_step_));
  for (std::int64_t r = 0; r < relation_; ++r)
    for (std::int64_t i = 0; i < n_; ++i) {
      const T* row = &linear[room(r * both_step_)];
      T* to = &first_[room(r * pairs_step_ + i * n_)];
      for (std::int64_t m = 0; m < n_; ++m) to[m] = row[i] + row[n_ + m];
    }
  for (T& value : first_) value = value <= 0 ? T{} : value;
  second_.resize(first_.size());
  multiply<T>({own(coder_.relation_[1]), relation_}, relation_, first_.data(), relation_,
              pairs_step_, second_.data());
  for (T& value : second_) value = value <= 0 ? T{} : value;
  share_.resize(room(way_ * pairs_step_));
  for (std::int64_t i = 0; i < n_; ++i) counts[room(support_.labels[i])] += T{1};
  for (std::int64_t i = 0; i < n_; ++i)
    for (std::int64_t m = 0; m < n_; ++m)
      share_[room(support_.labels[i] * pairs_step_ + i * n_ + m)] =
          share(m) / counts[room(support_.labels[i])];
  mean_.resize(numbers.size());
  multiply<T>({second_.data(), pairs_step_}, n_ * n_,
              as_rows(share_, way_, n_ * n_, pairs_step_).data(), relation_, way_step,
              mean_.data());
  multiply<T>({own(coder_.relation_[2]), relation_}, relation_, mean_.data(), relation_, way_step,
              numbers.data());
  code_ = drawn_of(latent_, as_rows(numbers, relation_, way_, way_step));
}

/// From the gradient of the first codes, with the divergence's.
template <class T>
void CodeLayer<T>::back_to_encoder(const Values& of_z) {
  Values of_numbers = code_.back(of_z);
  const T each = static_cast<T>(loop_.kl) / static_cast<T>(way_ * latent_);
  for (std::int64_t r = 0; r < way_; ++r)
    for (std::int64_t c = 0; c < latent_; ++c) {
      const std::int64_t at = r * code_.stride + c;
      const T deviation = code_.deviation(r, c);
      of_numbers[room(at)] += each * code_.numbers[room(at)];
      of_numbers[room(at + latent_)] += each * (deviation - T{1} / deviation) * code_.slope(r, c);
    }
  back_from_pairs(of_numbers);
}

/// From the gradient of the classes' numbers [way, 2 latent].
template <class T>
void CodeLayer<T>::back_from_pairs(const Values& of_numbers) {
  const std::int64_t step = code_.stride, pairs = n_ * n_;
  const auto gradient = [&](std::size_t layer, const Left<T>& of, std::int64_t depth,
                            const Values& by) {
    GradientRows<T> to(support_.of_own(coder_.relation_[layer]), relation_, relation_, relation_);
    multiply(of, depth, by.data(), relation_, step, to.at());
    to.finish();
  };
  const auto through = [&](std::size_t layer, const Values& of, std::int64_t rows) {
    Values to(room(rows * step));
    multiply<T>({of.data(), step}, relation_,
                RightRows<T>(own(coder_.relation_[layer]), relation_, relation_).at(), rows, step,
                to.data());
    return to;
  };
  gradient(2, {of_numbers.data(), 1, step}, way_,
           as_rows(mean_, relation_, way_, kernels::padded<T>(way_)));
  Values of_second(second_.size()), of_first(first_.size()), of_both(both_.size());
  multiply<T>({through(2, of_numbers, way_).data(), 1, step}, way_, share_.data(), relation_,
              pairs_step_, of_second.data(), false, second_.data());
  gradient(1, {of_second.data(), pairs_step_}, pairs,
           as_rows(first_, relation_, pairs, pairs_step_));
  multiply<T>(Left<T>{own(coder_.relation_[1]), relation_}.turned(), relation_, of_second.data(),
              relation_, pairs_step_, of_first.data(), false, first_.data());
  for (std::int64_t r = 0; r < relation_; ++r)
    for (std::int64_t i = 0; i < n_; ++i)
      for (std::int64_t m = 0; m < n_; ++m) {
        const T of = of_first[room(r * pairs_step_ + i * n_ + m)];
        of_both[room(r * both_step_ + i)] += of;
        of_both[room(r * both_step_ + n_ + m)] += of;
      }
  gradient(0, {of_both.data(), both_step_}, 2 * n_, as_rows(both_, relation_, 2 * n_, both_step_));
  const auto of_pairs = through(0, as_rows(of_both, relation_, 2 * n_, both_step_), 2 * n_);
  Values of_codes(room(n_ * latent_step_));
  for (std::int64_t i = 0; i < n_; ++i) {
    T* to = std::copy_n(&of_pairs[room(i * step)], latent_, &of_codes[room(i * latent_step_)]);
    add_scaled(latent_, T{1}, &of_pairs[room((n_ + i) * step + latent_)], to - latent_);
  }
  GradientRows<T> of_encoder(support_.of_own(coder_.encoder_), latent_, width_, width_);
  multiply<T>({of_codes.data(), 1, latent_step_}, n_, support_.features, latent_, support_.stride,
              of_encoder.at());
  of_encoder.finish();
  const RightRows<T> encoder(own(coder_.encoder_), latent_, width_);
  multiply<T>({of_codes.data(), latent_step_}, latent_, encoder.at(), n_, support_.stride,
              support_.of_features, true);
}

/// Of ClassCoder::correlations. With G = D^T D, L the diagonal of 1 / |column| and C = L G L - I,
/// the gradient of |C|^2 is 4 D L (C - diag(C^2 + C)) L: what goes along a column leaves its
/// length.
template <class T>
void CodeLayer<T>::back_from_correlations() {
  const std::int64_t rows = 2 * width_, step = latent_step_;
  const T* decoder = decoder_rows_.at();
  Values c(room(latent_ * step)), length;
  multiply<T>({decoder, 1, step}, rows, decoder, latent_, step, c.data());
  for (std::int64_t l = 0; l < latent_; ++l)
    length.push_back(T{1} /
                     std::sqrt(c[room(l * step + l)] + static_cast<T>(ClassCoder::kLeastSquare)));
  const T scale = static_cast<T>(4 * loop_.orthogonality) / static_cast<T>(latent_ * latent_);
  for (std::int64_t l = 0; l < latent_; ++l) {
    T* row = &c[room(l * step)];
    for (std::int64_t j = 0; j < latent_; ++j) row[j] *= length[room(l)] * length[room(j)];
    row[l] -= T{1};
    const T along = dot(latent_, row, row) + row[l];
    row[l] -= along;
    for (std::int64_t j = 0; j < latent_; ++j) row[j] *= scale * length[room(l)] * length[room(j)];
  }
  multiply<T>({decoder, step}, latent_, c.data(), rows, step, of_decoder_.at(), true);
}

}  // namespace cuttle
