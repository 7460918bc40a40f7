#include "adapt/layers.hpp"

namespace cuttle {

std::int64_t own_number(ParameterLayout& layout, const std::string& name, double start) {
  ParameterSpec spec{"learner." + name, {1}, Init::kConstant, ParameterRole::kLearner};
  spec.start = start;
  spec.outer.decay = false;
  return layout.add(std::move(spec));
}

std::int64_t own_array(ParameterLayout& layout, const std::string& name,
                       std::vector<std::int64_t> shape, Init init) {
  return layout.add({"learner." + name, std::move(shape), init, ParameterRole::kLearner});
}

OwnLayer::OwnLayer(ParameterLayout& layout, const std::string& name,
                   std::vector<std::int64_t> shape, Init init)
    : weight(own_array(layout, name + ".weight", shape, init)),
      bias(own_array(layout, name + ".bias", {shape[0]}, Init::kZeros)) {}

std::pair<torch::Tensor, torch::Tensor> lstm_step(const torch::Tensor& gates,
                                                  const torch::Tensor& cell, std::int64_t along) {
  const auto gate = gates.chunk(4, along);
  const auto next = gate[1].sigmoid() * cell + gate[0].sigmoid() * gate[2].tanh();
  return {gate[3].sigmoid() * next.tanh(), next};
}

}  // namespace cuttle
