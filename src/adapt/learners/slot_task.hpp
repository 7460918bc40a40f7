#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "adapt/layers.hpp"
#include "adapt/learners/slot_sequence.hpp"

namespace cuttle {

/// What training makes of a task by a SlotMemory, on plain rows: support and query are one
/// sequence, each sample with the answer of the one before, and all of them are asked for. What is
/// reported is said of each query by itself, as the next sample after the support.
struct SlotTask {
  const SlotMemory& memory;
  const OwnLayer& head;  ///< of what is seen
  std::int64_t answers;  ///< columns of an answer, in the inputs
  std::vector<std::int64_t> support_order, query_order;

  template <class T>
  void operator()(const SampleRows<T>& support, const SampleRows<T>& query, T* outputs) const {
    const std::int64_t steps = support.size + query.size, way = query.way;
    const std::int64_t inputs = support.width + answers, width = memory.width();
    std::vector<T> x(room(steps * inputs)), asked(room(query.size * inputs)), targets;
    std::vector<std::int64_t> labels;
    for (std::int64_t t = 0; t < steps; ++t) {
      const auto [rows, i] = sample_of(support, query, t);
      T* before = std::copy_n(rows->row(i), rows->width, &x[room(t * inputs)]);
      if (t > 0) answer_of(support, query, t - 1, before);
      if (rows->targets)
        targets.insert(targets.end(), rows->targets + i * way, rows->targets + (i + 1) * way);
      else
        labels.push_back(rows->labels[i]);
    }
    for (std::int64_t q = 0; q < query.size; ++q)
      answer_of(support, query, support.size - 1,
                std::copy_n(query.row(q), query.width, &asked[room(q * inputs)]));

    SlotSequence<T> sequence(memory, support, steps, std::move(x));
    const kernels::Mlp<T> says({{width, way, false}});
    std::vector<T> packed(room(says.packed_size())), gradient(room(says.packed_size())),
        point_memory(room(says.point_size(steps))), of_seen(room(steps * says.padded(width)));
    says.pack({{support.own(head.weight), support.own(head.bias)}}, packed.data());
    auto point = says.point(steps, point_memory.data());
    says.gradient({steps, sequence.seen(0), labels.empty() ? nullptr : labels.data(),
                   targets.empty() ? nullptr : targets.data()},
                  packed.data(), point, gradient.data(), of_seen.data());
    says.unpack(gradient.data(), {{support.of_own(head.weight), support.of_own(head.bias)}});
    const auto of_x = sequence.back(of_seen.data(), says.padded(width));
    for (std::int64_t t = 0; t < steps; ++t) {
      const auto [rows, i] = sample_of(support, query, t);
      add_scaled(rows->width, T{1}, &of_x[room(t * sequence.padded_inputs())], rows->of_row(i));
    }

    const auto seen = sequence.next(support.size, query.size, asked);
    for (std::int64_t q = 0; q < query.size; ++q)
      for (std::int64_t c = 0; c < way; ++c)
        *outputs++ = support.own(head.bias)[c] +
                     dot(width, support.own(head.weight) + c * width, &seen[room(q * width)]);
  }

  /// What comes t-th.
  template <class T>
  std::pair<const SampleRows<T>*, std::int64_t> sample_of(const SampleRows<T>& support,
                                                          const SampleRows<T>& query,
                                                          std::int64_t t) const {
    if (t < support.size) return {&support, support_order[room(t)]};
    return {&query, query_order[room(t - support.size)]};
  }
  template <class T>
  void answer_of(const SampleRows<T>& support, const SampleRows<T>& query, std::int64_t t,
                 T* to) const {
    const auto [rows, i] = sample_of(support, query, t);
    for (std::int64_t c = 0; c < answers; ++c) to[c] = rows->answer(i, c);
  }
};

}  // namespace cuttle
