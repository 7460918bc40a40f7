#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "adapt/small_products.hpp"
#include "adapt/task_layers.hpp"
#include "cuttle/kernels/transformer_layers.hpp"

namespace cuttle {

/// Where the context learner has its parameters; of a layer the first one, which the others follow.
struct CamlPlaces {
  std::int64_t project, project_bias, label, unknown, norm, norm_bias, head, scale;
  std::vector<std::int64_t> layers;
};

/// What training makes of a task of classes by the context learner, on plain rows.
struct CamlTask {
  CamlPlaces places;
  kernels::PreNormShape shape;
  std::int64_t codes;
  std::vector<double> code;  ///< of each class, [codes, codes]
  bool copy;
  std::vector<std::int64_t> order;  ///< which code's columns a label has

  template <class T>
  void operator()(const SampleRows<T>& support, const SampleRows<T>& query, T* outputs) const {
    Run<T>(*this, support, query).gradient(outputs);
  }

 private:
  template <class T>
  class Run;
};

/// One task. A sequence is a query's token and those of the support.
template <class T>
class CamlTask::Run {
 public:
  Run(const CamlTask& of, const SampleRows<T>& known, const SampleRows<T>& asked)
      : task_(of),
        support_(known),
        query_(asked),
        width_(of.shape.width),
        steps_(1 + known.size),
        tokens_(asked.size * steps_),
        project_(room(known.width * width_)),
        x_(of.places.layers.size() + 1, std::vector<T>(room(tokens_ * width_))) {
    turn(own(of.places.project), width_, known.width, known.width, project_.data());
    for (const std::int64_t place : of.places.layers) layers_.push_back(layer_at(place));
  }

  void gradient(T* outputs) {
    write_tokens();
    std::vector<std::unique_ptr<T[]>> kept;  // large, and not to be cleared
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      kept.emplace_back(new T[room(layers_[i].kept_size(query_.size, steps_))]);
      layers_[i].forward(sequences(i), x_[i + 1].data(), kept[i].get());
    }
    std::vector<T> seen(x_.back().size()), units(room(2 * tokens_)), of_seen(seen.size());
    const auto& places = task_.places;
    kernels::run(kernels::LayerNorm<T>{tokens_, width_, x_.back().data(), nullptr, nullptr,
                                       own(places.norm), own(places.norm_bias),
                                       static_cast<T>(task_.shape.eps), seen.data(), units.data()});
    for (std::int64_t n = 0; n < query_.size; ++n)
      answer(n, &seen[room(n * steps_ * width_)], &of_seen[room(n * steps_ * width_)],
             outputs + n * query_.way);
    std::vector<T> of_x(seen.size()), of_weights;
    kernels::run(kernels::LayerNormBack<T>{tokens_, width_, x_.back().data(), units.data(),
                                           own(places.norm), of_seen.data(), of_x.data(),
                                           of_own(places.norm), of_own(places.norm_bias)});
    for (std::size_t i = layers_.size(); i-- > 0;) {
      of_weights.resize(room(layers_[i].weights_size()));
      of_seen.swap(of_x);
      layers_[i].backward(sequences(i), kept[i].get(), of_seen.data(), of_x.data(),
                          of_weights.data());
      spread(of_weights.data(), places.layers[i]);
    }
    back_to_features(of_x.data());
  }

 private:
  const T* own(std::int64_t place) const { return query_.own(place); }
  T* of_own(std::int64_t place) const { return query_.of_own(place); }
  kernels::Sequences<T> sequences(std::size_t layer) const {
    return {query_.size, steps_, x_[layer].data(), nullptr};
  }
  kernels::PreNormLayer<T> layer_at(std::int64_t place) const {
    const auto part = [&](std::int64_t i) {
      return kernels::MlpWeights<const T>{own(place + 2 * i), own(place + 2 * i + 1)};
    };
    return {task_.shape, {part(0), part(1), part(2), part(3), part(4), part(5)}};
  }
  /// A layer's gradient to its places.
  void spread(const T* from, std::int64_t place) const {
    for (std::int64_t i = place; i < place + 12; ++i) {
      const std::int64_t count = query_.layout.elements(i);
      std::copy_n(from, count, of_own(i));
      from += count;
    }
  }

  T code(std::int64_t of, std::int64_t column) const {
    return static_cast<T>(task_.code[room(of * task_.codes + column)]);
  }

  /// Rows of `samples` through the first map, without its bias.
  std::vector<T> projected(const SampleRows<T>& samples) const {
    std::vector<T> to(room(samples.size * width_));
    multiply<T>({samples.features, samples.stride}, samples.width, project_.data(), samples.size,
                width_, to.data());
    return to;
  }
  void write_tokens() {
    auto known = projected(support_), asked = projected(query_);
    const T *bias = own(task_.places.project_bias), *unknown = own(task_.places.unknown);
    const T* label = own(task_.places.label);
    for (std::int64_t i = 0; i < support_.size; ++i)
      for (std::int64_t w = 0; w < width_; ++w) {
        T& value = known[room(i * width_ + w)];
        value += bias[w];
        for (std::int64_t c = 0; c < task_.codes; ++c)
          value += code(support_.labels[i], c) * label[w * task_.codes + task_.order[room(c)]];
      }
    T* to = x_[0].data();
    for (std::int64_t n = 0; n < query_.size; ++n) {
      for (std::int64_t w = 0; w < width_; ++w)
        *to++ = asked[room(n * width_ + w)] + bias[w] + unknown[w];
      to = std::copy(known.begin(), known.end(), to);
    }
  }

  /// A query's logits, and from their loss the gradients of the head and of its sequence [steps,
  /// width].
  void answer(std::int64_t n, const T* seen, T* of_seen, T* logits) {
    const std::int64_t codes = task_.codes, shots = support_.size;
    const T sharp = std::exp(*own(task_.places.scale)), root = std::sqrt(static_cast<T>(width_));
    const auto head_row = [&](std::int64_t c) { return task_.order[room(c)] * width_; };
    const T* head = own(task_.places.head);
    std::vector<T> given(room(codes)), share(room(shots)), of_given(given), of_share(share);
    for (std::int64_t c = 0; c < codes; ++c) given[room(c)] = dot(width_, seen, head + head_row(c));
    if (task_.copy) {
      for (std::int64_t s = 0; s < shots; ++s)
        share[room(s)] =
            dot(width_, seen, seen + (s + 1) * width_) / root + std::log(support_.weights[room(s)]);
      softmax(shots, share.data());
      for (std::int64_t s = 0; s < shots; ++s)
        for (std::int64_t c = 0; c < codes; ++c)
          given[room(c)] += share[room(s)] * code(support_.labels[s], c);
    }
    std::vector<T> slopes(room(query_.way));
    for (std::int64_t k = 0; k < query_.way; ++k) {
      T sum = 0;
      for (std::int64_t c = 0; c < codes; ++c) sum += given[room(c)] * code(k, c);
      slopes[room(k)] = logits[k] = sharp * sum;
    }
    softmax(query_.way, slopes.data());
    slopes[room(query_.labels[n])] -= 1;
    for (std::int64_t k = 0; k < query_.way; ++k) {
      const T slope = slopes[room(k)] / static_cast<T>(query_.size);
      *of_own(task_.places.scale) += slope * logits[k];
      for (std::int64_t c = 0; c < codes; ++c) of_given[room(c)] += sharp * slope * code(k, c);
    }
    for (std::int64_t c = 0; c < codes; ++c) {
      add_scaled(width_, of_given[room(c)], seen, of_own(task_.places.head) + head_row(c));
      add_scaled(width_, of_given[room(c)], head + head_row(c), of_seen);
    }
    if (!task_.copy) return;
    T mean = 0;
    for (std::int64_t s = 0; s < shots; ++s) {
      for (std::int64_t c = 0; c < codes; ++c)
        of_share[room(s)] += of_given[room(c)] * code(support_.labels[s], c);
      mean += share[room(s)] * of_share[room(s)];
    }
    for (std::int64_t s = 0; s < shots; ++s) {
      const T slope = share[room(s)] * (of_share[room(s)] - mean) / root;
      add_scaled(width_, slope, seen + (s + 1) * width_, of_seen);
      add_scaled(width_, slope, seen, of_seen + (s + 1) * width_);
    }
  }

  /// From the gradient of the tokens.
  void back_to_features(const T* of_x) {
    std::vector<T> of_known(room(support_.size * width_)), of_asked(room(query_.size * width_));
    for (std::int64_t n = 0; n < query_.size; ++n, of_x += steps_ * width_) {
      std::copy_n(of_x, width_, &of_asked[room(n * width_)]);
      add_scaled(width_, T{1}, of_x, of_own(task_.places.unknown));
      add_scaled(support_.size * width_, T{1}, of_x + width_, of_known.data());
    }
    for (std::int64_t i = 0; i < support_.size; ++i)
      for (std::int64_t w = 0; w < width_; ++w)
        for (std::int64_t c = 0; c < task_.codes; ++c)
          of_own(task_.places.label)[w * task_.codes + task_.order[room(c)]] +=
              of_known[room(i * width_ + w)] * code(support_.labels[i], c);
    GradientRows<T> of_project(of_own(task_.places.project), width_, query_.width, query_.width);
    const RightRows<T> project(own(task_.places.project), width_, query_.width);
    const auto back = [&](const std::vector<T>& of, const SampleRows<T>& samples) {
      multiply<T>(Left<T>{of.data(), width_}.turned(), samples.size, samples.features, width_,
                  of_project.stride(), of_project.at(), /*adds=*/true);
      multiply<T>({of.data(), width_}, width_, project.at(), samples.size, samples.stride,
                  samples.of_features, /*adds=*/true);
      for (std::int64_t i = 0; i < samples.size; ++i)
        add_scaled(width_, T{1}, &of[room(i * width_)], of_own(task_.places.project_bias));
    };
    back(of_known, support_);
    back(of_asked, query_);
    of_project.finish();
  }

  const CamlTask& task_;
  const SampleRows<T>&support_, &query_;
  std::int64_t width_, steps_, tokens_;
  std::vector<T> project_;         ///< [features, width]
  std::vector<std::vector<T>> x_;  ///< tokens before every layer, and behind the last
  std::vector<kernels::PreNormLayer<T>> layers_;
};

}  // namespace cuttle
