#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "adapt/learners/slot_memory.hpp"
#include "adapt/plain_rows.hpp"
#include "adapt/task_layers.hpp"

namespace cuttle {

/// One sequence through a SlotMemory, on plain rows: its steps, and the way back through them. A
/// memory lies column by column, all slots of a column together.
template <class T>
class SlotSequence {
 public:
  /// For `steps` inputs [steps, inputs]. `rows`: of any samples of the task, for the parameters.
  SlotSequence(const SlotMemory& memory, const SampleRows<T>& rows, std::int64_t steps,
               std::vector<T> inputs)
      : of_(memory),
        rows_(rows),
        steps_(steps),
        x_(std::move(inputs)),
        inputs_(static_cast<std::int64_t>(x_.size()) / steps),
        gates_({{inputs_, 4 * hidden_, false}}),
        recurrent_({{width_, 4 * hidden_, false}}),
        both_heads_({{hidden_, 2 * recalled_, false}}),
        from_x_(room(gates_.packed_size())),
        from_seen_(room(recurrent_.packed_size())),
        to_heads_(room(both_heads_.packed_size())),
        back_to_seen_(room(4 * hidden_ * width_)),
        point_memory_(room(gates_.point_size(steps))),
        point_(gates_.point(steps, point_memory_.data())),
        seen_(room((steps + 1) * width_)),
        records_(room((steps + 1) * record_size_)),
        chosen_(room((steps + 1) * heads_)) {
    pack();
    gates_.forward(steps, x_.data(), from_x_.data(), point_);
    for (std::int64_t t = 0; t < steps; ++t) {
      T* sums = point_.activations.back() + t * gates_stride_;
      add_times_rows(width_, gates_stride_, seen_before(t), from_seen_.data(), sums);
      step(sums, record(t), record(t + 1), seen_after(t), &chosen_[room((t + 1) * heads_)]);
    }
  }

  /// What SlotMemory::seen gives after step t; rows of width() without padding.
  const T* seen(std::int64_t t) const { return &seen_[room((t + 1) * width_)]; }
  std::int64_t width() const { return width_; }

  /// [count, width]: what is seen of samples [count, inputs] that each come next after `steps`.
  std::vector<T> next(std::int64_t steps, std::int64_t count, const std::vector<T>& x) {
    std::vector<T> from_state(room(gates_stride_)), memory(room(gates_.point_size(count))),
        result(room(count * width_)), record_of_one(room(record_size_));
    std::vector<std::int64_t> chosen(room(heads_));
    add_times_rows(width_, gates_stride_, seen_before(steps), from_seen_.data(), from_state.data());
    auto point = gates_.point(count, memory.data());
    gates_.forward(count, x.data(), from_x_.data(), point);
    for (std::int64_t i = 0; i < count; ++i) {
      T* sums = point.activations.back() + i * gates_stride_;
      add_scaled(gates_stride_, T{1}, from_state.data(), sums);
      step(sums, record(steps), Record(*this, record_of_one.data()), &result[room(i * width_)],
           chosen.data());
    }
    return result;
  }

  /// From the gradient of what was seen, rows of `stride`, to that of the inputs, [steps, inputs]
  /// in rows of gates' padded columns; those of the parameters go where they belong.
  std::vector<T> back(const T* of_seen, std::int64_t stride);
  std::int64_t padded_inputs() const { return gates_.padded(inputs_); }

 private:
  /// What a step leaves behind.
  struct Record {
    Record(const SlotSequence& of, T* at)
        : memory(at),
          read(memory + of.columns_ * of.slots_),
          alike(read + of.heads_ * of.slots_),
          shrink(alike + of.heads_ * of.slots_),
          usage(shrink + of.slots_),
          key(usage + of.slots_),
          add(key + of.recalled_),
          gates(add + of.recalled_),
          cell(gates + 4 * of.hidden_) {}
    T* memory;     ///< [columns, slots]
    T* read;       ///< [heads, slots]
    T* alike;      ///< [heads, slots]: unit keys times the memory, not of unit length
    T* shrink;     ///< [slots]: one by its rows' lengths
    T* usage;      ///< [slots]
    T *key, *add;  ///< [heads, columns], one after the other, after their tanh
    T* gates;      ///< [4, hidden]: in, forget, new, out, after their nonlinearities
    T* cell;       ///< [hidden]
  };

  static T sigmoid(T x) { return T{1} / (T{1} + std::exp(-x)); }
  const T* own(std::int64_t place) const { return rows_.own(place); }
  Record record(std::int64_t t) { return Record(*this, &records_[room(t * record_size_)]); }
  const T* seen_before(std::int64_t t) const { return &seen_[room(t * width_)]; }
  T* seen_after(std::int64_t t) { return &seen_[room((t + 1) * width_)]; }
  /// A key's factor to length 1, nearly.
  T to_unit(const T* x) const {
    return T{1} / std::sqrt(dot(columns_, x, x) + static_cast<T>(SlotMemory::kHardlyAnything));
  }
  /// Where head j writes: w^w_t.
  void write_of(std::int64_t j, const T* read_before, std::int64_t least, T* write) const {
    const T share = sigmoid(own(of_.gate_)[j]);
    for (std::int64_t i = 0; i < slots_; ++i) write[i] = share * read_before[j * slots_ + i];
    write[least] += T{1} - share;
  }
  void pack();
  void least_used(const T* usage, std::int64_t* chosen) const;
  void step(const T* sums, const Record& was, const Record& is, T* seen,
            std::int64_t* chosen) const;
  void remember(const Record& was, const Record& is, T* recalled, std::int64_t* chosen) const;
  struct Slopes;
  void forget(std::int64_t t, Slopes& of);
  std::vector<T> back_to_weights(std::vector<T>& of_heads);

  const SlotMemory& of_;
  const SampleRows<T>& rows_;
  std::int64_t hidden_ = of_.options_.hidden, slots_ = of_.options_.slots,
               columns_ = of_.options_.slot_width, heads_ = of_.options_.reads,
               recalled_ = of_.recalled_, width_ = of_.width();
  std::int64_t record_size_ = slots_ * (columns_ + 2 * heads_ + 2) + 2 * recalled_ + 5 * hidden_;
  std::int64_t steps_;
  std::vector<T> x_;
  std::int64_t inputs_;
  kernels::Mlp<T> gates_, recurrent_;  ///< what inputs say to the gates, and what was seen before
  kernels::Mlp<T> both_heads_;         ///< key and add
  std::int64_t gates_stride_ = gates_.padded(4 * hidden_),
               heads_stride_ = both_heads_.padded(2 * recalled_);
  std::vector<T> from_x_, from_seen_, to_heads_;  ///< the weights of these, packed
  std::vector<T> back_to_seen_;                   ///< [4 hidden, width]: recurrent_'s
  std::vector<T> point_memory_;
  typename kernels::Mlp<T>::Point point_;
  std::vector<T> seen_;  ///< [1 + steps, width]: the LSTM's output and what was recalled
  std::vector<T> records_;
  std::vector<std::int64_t> chosen_;  ///< [1 + steps, heads]: the slots emptied
};

template <class T>
void SlotSequence<T>::pack() {
  const T *in = own(of_.in_.weight), *back = own(of_.back_);
  std::vector<T> from_x, heads, no_bias(room(4 * hidden_));
  for (std::int64_t g = 0; g < 4 * hidden_; ++g, in += inputs_ + recalled_, back += hidden_) {
    from_x.insert(from_x.end(), in, in + inputs_);
    T* row = std::copy_n(back, hidden_, &back_to_seen_[room(g * width_)]);
    std::copy_n(in + inputs_, recalled_, row);
  }
  gates_.pack({{from_x.data(), own(of_.in_.bias)}}, from_x_.data());
  recurrent_.pack({{back_to_seen_.data(), no_bias.data()}}, from_seen_.data());
  for (const auto place : {of_.key_->weight, of_.add_->weight, of_.key_->bias, of_.add_->bias})
    heads.insert(heads.end(), own(place), own(place) + rows_.layout.elements(place));
  both_heads_.pack({{heads.data(), heads.data() + 2 * recalled_ * hidden_}}, to_heads_.data());
}

/// Slots that were never used are all alike: the first of them. What is no number is used.
template <class T>
void SlotSequence<T>::least_used(const T* usage, std::int64_t* chosen) const {
  for (std::int64_t j = 0; j < heads_; ++j) {
    std::int64_t best = -1;
    for (std::int64_t i = 0; i < slots_; ++i)
      if (std::find(chosen, chosen + j, i) == chosen + j && (best < 0 || usage[i] < usage[best]))
        best = i;
    chosen[j] = best;
  }
}

template <class T>
void SlotSequence<T>::step(const T* sums, const Record& was, const Record& is, T* seen,
                           std::int64_t* chosen) const {
  T *in = is.gates, *forget = in + hidden_, *fresh = forget + hidden_, *out = fresh + hidden_;
  for (std::int64_t u = 0; u < hidden_; ++u) {
    in[u] = sigmoid(sums[u]);
    forget[u] = sigmoid(sums[hidden_ + u]);
    fresh[u] = std::tanh(sums[2 * hidden_ + u]);
    out[u] = sigmoid(sums[3 * hidden_ + u]);
    is.cell[u] = forget[u] * was.cell[u] + in[u] * fresh[u];
    seen[u] = out[u] * std::tanh(is.cell[u]);
  }
  const T* bias = &to_heads_[room(hidden_ * heads_stride_)];
  std::vector<T> heads(bias, bias + heads_stride_);
  add_times_rows(hidden_, heads_stride_, seen, to_heads_.data(), heads.data());
  for (std::int64_t k = 0; k < 2 * recalled_; ++k) is.key[k] = std::tanh(heads[room(k)]);
  remember(was, is, seen + hidden_, chosen);
}

template <class T>
void SlotSequence<T>::remember(const Record& was, const Record& is, T* recalled,
                               std::int64_t* chosen) const {
  least_used(was.usage, chosen);
  std::copy_n(was.memory, columns_ * slots_, is.memory);
  for (std::int64_t c = 0; c < columns_; ++c)
    for (std::int64_t j = 0; j < heads_; ++j) is.memory[c * slots_ + chosen[j]] = T{};
  for (std::int64_t i = 0; i < slots_; ++i)
    is.usage[i] = static_cast<T>(SlotMemory::kUsageKept) * was.usage[i];
  std::vector<T> write(room(slots_));
  for (std::int64_t j = 0; j < heads_; ++j) {
    write_of(j, was.read, chosen[j], write.data());
    add_scaled(slots_, T{1}, write.data(), is.usage);
    for (std::int64_t c = 0; c < columns_; ++c)
      add_scaled(slots_, is.add[j * columns_ + c], write.data(), is.memory + c * slots_);
  }
  std::fill_n(is.shrink, slots_, static_cast<T>(SlotMemory::kHardlyAnything));
  for (std::int64_t c = 0; c < columns_; ++c)
    for (std::int64_t i = 0; i < slots_; ++i)
      is.shrink[i] += is.memory[c * slots_ + i] * is.memory[c * slots_ + i];
  for (std::int64_t i = 0; i < slots_; ++i) is.shrink[i] = T{1} / std::sqrt(is.shrink[i]);
  const T sharpness = std::exp(*own(of_.sharpness_));
  for (std::int64_t j = 0; j < heads_; ++j) {
    T *alike = is.alike + j * slots_, *read = is.read + j * slots_;
    const T* key = is.key + j * columns_;
    const T unit = to_unit(key);
    std::fill_n(alike, slots_, T{});
    for (std::int64_t c = 0; c < columns_; ++c)
      add_scaled(slots_, unit * key[c], is.memory + c * slots_, alike);
    for (std::int64_t i = 0; i < slots_; ++i) read[i] = sharpness * is.shrink[i] * alike[i];
    softmax(slots_, read);
    add_scaled(slots_, T{1}, read, is.usage);
    for (std::int64_t c = 0; c < columns_; ++c)
      recalled[j * columns_ + c] = dot(slots_, read, is.memory + c * slots_);
  }
}

/// Gradients on the way back, of a step's record and of what was seen after it.
template <class T>
struct SlotSequence<T>::Slopes {
  explicit Slopes(const SlotSequence& of)
      : seen(room(of.width_)),
        cell(room(of.hidden_)),
        memory(room(of.columns_ * of.slots_)),
        read(room(of.heads_ * of.slots_)),
        heads(room(2 * of.recalled_)),
        gate(room(of.heads_)) {}
  std::vector<T> seen, cell, memory, read;
  std::vector<T> heads;  ///< of key and add, before their tanh
  std::vector<T> gate;
  T sharpness = 0;
};

/// Through remember() of step t: from gradients of its record and of what was recalled to those of
/// the record before and of the heads.
template <class T>
void SlotSequence<T>::forget(std::int64_t t, Slopes& of) {
  const Record was = record(t), is = record(t + 1);
  const std::int64_t* least = &chosen_[room((t + 1) * heads_)];
  const T sharpness = std::exp(*own(of_.sharpness_));
  std::vector<T> of_shrink(room(slots_)), of_alike(room(slots_)), of_unit(room(columns_)),
      write(room(slots_)), of_write(room(slots_));
  const auto memory = [&](std::int64_t c) { return is.memory + c * slots_; };
  const auto of_memory = [&](std::int64_t c) { return &of.memory[room(c * slots_)]; };
  for (std::int64_t j = 0; j < heads_; ++j) {
    const T *read = is.read + j * slots_, *alike = is.alike + j * slots_;
    const T *key = is.key + j * columns_, *of_recalled = &of.seen[room(hidden_ + j * columns_)];
    T* of_read = &of.read[room(j * slots_)];
    for (std::int64_t c = 0; c < columns_; ++c) {
      add_scaled(slots_, of_recalled[c], memory(c), of_read);
      add_scaled(slots_, of_recalled[c], read, of_memory(c));
    }
    const T mean = dot(slots_, read, of_read), unit = to_unit(key);
    for (std::int64_t i = 0; i < slots_; ++i) {
      const T of_score = sharpness * read[i] * (of_read[i] - mean);
      of.sharpness += of_score * is.shrink[i] * alike[i];
      of_shrink[room(i)] += of_score * alike[i];
      of_alike[room(i)] = of_score * is.shrink[i];
    }
    for (std::int64_t c = 0; c < columns_; ++c) {
      of_unit[room(c)] = dot(slots_, of_alike.data(), memory(c));
      add_scaled(slots_, unit * key[c], of_alike.data(), of_memory(c));
    }
    const T along = unit * unit * dot(columns_, key, of_unit.data());
    for (std::int64_t c = 0; c < columns_; ++c)
      of.heads[room(j * columns_ + c)] =
          unit * (of_unit[room(c)] - along * key[c]) * (1 - key[c] * key[c]);
  }
  for (std::int64_t i = 0; i < slots_; ++i)
    of_shrink[room(i)] *= -is.shrink[i] * is.shrink[i] * is.shrink[i];
  for (std::int64_t c = 0; c < columns_; ++c)
    for (std::int64_t i = 0; i < slots_; ++i) of_memory(c)[i] += of_shrink[room(i)] * memory(c)[i];
  for (std::int64_t j = 0; j < heads_; ++j) {
    const T* add = is.add + j * columns_;
    const T share = sigmoid(own(of_.gate_)[j]);
    write_of(j, was.read, least[j], write.data());
    std::fill(of_write.begin(), of_write.end(), T{});
    for (std::int64_t c = 0; c < columns_; ++c) {
      add_scaled(slots_, add[c], of_memory(c), of_write.data());
      of.heads[room(recalled_ + j * columns_ + c)] =
          dot(slots_, write.data(), of_memory(c)) * (1 - add[c] * add[c]);
    }
    of.gate[room(j)] +=
        share * (1 - share) *
        (dot(slots_, of_write.data(), was.read + j * slots_) - of_write[room(least[j])]);
    for (std::int64_t i = 0; i < slots_; ++i)
      of.read[room(j * slots_ + i)] = share * of_write[room(i)];
  }
  for (std::int64_t c = 0; c < columns_; ++c)
    for (std::int64_t j = 0; j < heads_; ++j) of_memory(c)[least[j]] = T{};
}

template <class T>
std::vector<T> SlotSequence<T>::back(const T* of_seen, std::int64_t stride) {
  T* of_gates = point_.deltas.back();
  std::fill_n(of_gates, steps_ * gates_stride_, T{});
  std::vector<T> of_heads(room(steps_ * heads_stride_));
  Slopes of(*this);
  for (std::int64_t t = steps_; t-- > 0;) {
    const Record was = record(t), is = record(t + 1);
    add_scaled(width_, T{1}, of_seen + t * stride, of.seen.data());
    forget(t, of);
    std::copy(of.heads.begin(), of.heads.end(), &of_heads[room(t * heads_stride_)]);
    add_times_rows(recalled_, hidden_, of.heads.data(), own(of_.key_->weight), of.seen.data());
    add_times_rows(recalled_, hidden_, of.heads.data() + recalled_, own(of_.add_->weight),
                   of.seen.data());
    T* sums = of_gates + t * gates_stride_;
    const T *in = is.gates, *forget = in + hidden_, *fresh = forget + hidden_,
            *out = fresh + hidden_;
    for (std::int64_t u = 0; u < hidden_; ++u) {
      const T shown = std::tanh(is.cell[u]), of_hidden = of.seen[room(u)];
      const T of_cell = of.cell[room(u)] + of_hidden * out[u] * (1 - shown * shown);
      sums[u] = of_cell * fresh[u] * in[u] * (1 - in[u]);
      sums[hidden_ + u] = of_cell * was.cell[u] * forget[u] * (1 - forget[u]);
      sums[2 * hidden_ + u] = of_cell * in[u] * (1 - fresh[u] * fresh[u]);
      sums[3 * hidden_ + u] = of_hidden * shown * out[u] * (1 - out[u]);
      of.cell[room(u)] = of_cell * forget[u];
    }
    std::fill(of.seen.begin(), of.seen.end(), T{});
    add_times_rows(4 * hidden_, width_, sums, back_to_seen_.data(), of.seen.data());
  }
  *rows_.of_own(of_.sharpness_) = of.sharpness;
  std::copy(of.gate.begin(), of.gate.end(), rows_.of_own(of_.gate_));

  return back_to_weights(of_heads);
}

/// Their gradients, all steps at once, from those before the nonlinearities; gives the inputs'.
template <class T>
std::vector<T> SlotSequence<T>::back_to_weights(std::vector<T>& of_heads) {
  std::vector<T> biases(room(4 * hidden_ + 2 * recalled_)), of_x(room(steps_ * padded_inputs()));
  const auto weights_of = [&](const kernels::Mlp<T>& mlp, const T* x, const T* weights,
                              std::int64_t count, T* deltas, T* bias, T* to_x = nullptr) {
    typename kernels::Mlp<T>::Point point;
    point.packed = weights;
    point.activations = point.deltas = {deltas};
    std::vector<T> gradient(room(mlp.packed_size())), dense(room(count));
    mlp.backward(steps_, x, point, gradient.data(), to_x);
    mlp.unpack(gradient.data(), {{dense.data(), bias}});
    return dense;
  };
  T *of_gates = point_.deltas.back(), *in = rows_.of_own(of_.in_.weight);
  const auto of_from_x = weights_of(gates_, x_.data(), from_x_.data(), 4 * hidden_ * inputs_,
                                    of_gates, rows_.of_own(of_.in_.bias), of_x.data());
  const auto of_from_seen = weights_of(recurrent_, seen_.data(), from_seen_.data(),
                                       4 * hidden_ * width_, of_gates, biases.data());
  T* back = rows_.of_own(of_.back_);
  for (std::int64_t g = 0; g < 4 * hidden_; ++g) {
    const T* row = &of_from_seen[room(g * width_)];
    back = std::copy_n(row, hidden_, back);
    in = std::copy_n(&of_from_x[room(g * inputs_)], inputs_, in);
    in = std::copy_n(row + hidden_, recalled_, in);
  }
  std::vector<T> outputs;
  for (std::int64_t t = 0; t < steps_; ++t)
    outputs.insert(outputs.end(), seen(t), seen(t) + hidden_);
  const auto of_both = weights_of(both_heads_, outputs.data(), to_heads_.data(),
                                  2 * recalled_ * hidden_, of_heads.data(), biases.data());
  const std::int64_t half = recalled_ * hidden_;
  std::copy_n(of_both.data(), half, rows_.of_own(of_.key_->weight));
  std::copy_n(of_both.data() + half, half, rows_.of_own(of_.add_->weight));
  std::copy_n(biases.data(), recalled_, rows_.of_own(of_.key_->bias));
  std::copy_n(biases.data() + recalled_, recalled_, rows_.of_own(of_.add_->bias));
  return of_x;
}

}  // namespace cuttle
