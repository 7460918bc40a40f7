#include "adapt/learners/slot_memory.hpp"

#include <torch/types.h>

#include <cmath>
#include <tuple>
#include <vector>

namespace cuttle {
namespace {

/// Rows of length 1; a slot that hardly anything was written to is like nothing.
torch::Tensor unit(const torch::Tensor& x) {
  return x * (x.square().sum(-1, true) + SlotMemory::kHardlyAnything).rsqrt();
}

}  // namespace

SlotMemory::SlotMemory(ParameterLayout& layout, const SlotMemoryOptions& options,
                       std::int64_t inputs)
    : options_(options),
      recalled_(options.slots > 0 ? options.reads * options.slot_width : 0),
      in_(layout, "lstm.in", {4 * options.hidden, inputs + recalled_}),
      back_(own_array(layout, "lstm.back", {4 * options.hidden, options.hidden})) {
  if (options.slots == 0) return;
  const std::vector<std::int64_t> shape{recalled_, options.hidden};
  key_.emplace(layout, "key", shape);
  add_.emplace(layout, "add", shape);
  gate_ = own_array(layout, "gate", {options.reads, 1}, Init::kZeros);
  sharpness_ = own_number(layout, "sharpness", std::log(options.sharpness));
}

SlotState SlotMemory::blank(const torch::TensorOptions& like) const {
  const std::int64_t slots = options_.slots, columns = options_.slot_width;
  return {torch::zeros({1, options_.hidden}, like), torch::zeros({1, options_.hidden}, like),
          torch::zeros({1, slots, columns}, like), torch::zeros({1, options_.reads, slots}, like),
          torch::zeros({1, slots}, like)};
}

SlotState SlotMemory::step(const Tensors& p, const SlotState& was, torch::Tensor input) const {
  SlotState is = was;
  if (options_.slots > 0) input = torch::cat({input, was.recalled()}, 1);
  const auto gates = in_(p, input) + was.hidden.matmul(parameter_at(p, back_).t());
  std::tie(is.hidden, is.cell) = lstm_step(gates, was.cell);
  if (options_.slots == 0) return is;
  const auto heads = [&](const OwnLayer& layer) {
    return layer(p, is.hidden).tanh().view({-1, options_.reads, options_.slot_width});
  };
  // Stable: slots that were never used are all alike.
  const auto order = torch::argsort(was.usage.detach(), /*stable=*/true, 1);
  const auto least = torch::one_hot(order.narrow(1, 0, options_.reads), options_.slots).to(input);
  const auto gate = parameter_at(p, gate_).sigmoid();
  const auto write = gate * was.read + (1 - gate) * least;
  is.memory =
      was.memory * (1 - least.sum(1)).unsqueeze(2) + write.transpose(1, 2).matmul(heads(*add_));
  const auto alike = unit(heads(*key_)).matmul(unit(is.memory).transpose(1, 2));
  is.read = torch::softmax(parameter_at(p, sharpness_).exp() * alike, 2);
  is.usage = kUsageKept * was.usage + (is.read + write).sum(1);
  return is;
}

torch::Tensor SlotMemory::seen(const SlotState& state) const {
  return options_.slots > 0 ? torch::cat({state.hidden, state.recalled()}, 1) : state.hidden;
}

}  // namespace cuttle
