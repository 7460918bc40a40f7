// A transformer's layer on own kernels against LibTorch's operations, to the second derivative.
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "cuttle/adapt/autograd.hpp"
#include "cuttle/kernels/conv_block.hpp"
#include "model/blocks/attention.hpp"

namespace cuttle {
namespace {

struct Sizes {
  std::int64_t sequences, tokens, width, heads;
  bool masked = false;
};

class AttentionKernels : public testing::TestWithParam<Sizes> {
 protected:
  void SetUp() override {
    if (kernels::instruction_set() == kernels::InstructionSet::kGeneric)
      GTEST_SKIP() << "this processor leaves the layer to LibTorch";
  }
  void make(torch::Dtype dtype) {
    torch::manual_seed(5);
    const auto& [m, tokens, width, heads_of, masked] = GetParam();
    heads = heads_of;
    w.all.clear();
    const auto add = [&](std::int64_t rows, std::int64_t columns) {
      w.all.push_back(torch::randn({rows, columns}, torch::kFloat64) / std::sqrt(columns));
      w.all.push_back(torch::randn({rows}, torch::kFloat64) / 4);
    };
    add(3 * width, width), add(width, width), add(4 * width, width), add(width, 4 * width);
    for (int norm = 0; norm < 2; ++norm) {
      add(width, 1);
      w.all[w.all.size() - 2] = 1 + w.all[w.all.size() - 2].flatten() / 4;
    }
    x = torch::randn({m, tokens, width}, torch::kFloat64);
    if (masked) {  // in the middle, at the end, and one sequence without any token
      mask = torch::rand({m, tokens}, torch::kFloat64).gt(0.4).to(dtype);
      mask[0].fill_(0);
    }
    for (auto& value : w.all) value = value.to(dtype).requires_grad_(true);
    x = x.to(dtype).requires_grad_(true);
    inputs = w.all;
    inputs.push_back(x);
  }
  torch::Tensor by_kernels() const { return layer_by_kernels(w, heads, x, mask).value(); }
  torch::Tensor by_libtorch() const { return layer_by_libtorch(w, heads, x, mask); }

  LayerWeights w;
  std::int64_t heads = 0;
  torch::Tensor x, mask;
  Tensors inputs;
};

double error_of(const torch::Tensor& value, const torch::Tensor& reference) {
  return ((value - reference).norm() / (reference.norm() + 1e-30)).item<double>();
}

TEST_P(AttentionKernels, GivesWhatLibTorchGives) {
  std::vector<std::pair<kernels::InstructionSet, torch::Dtype>> ways;  // the usual one comes last
  for (const auto set : kernels::available_instruction_sets())
    for (const auto dtype : {torch::kFloat64, torch::kFloat32})
      if (set != kernels::InstructionSet::kGeneric) ways.emplace_back(set, dtype);
  for (const auto& [set, dtype] : ways) {
    const double tolerance = dtype == torch::kFloat64 ? 1e-13 : 1e-6;
    kernels::select_instruction_set(set);
    make(dtype);
    const auto own = by_kernels(), other = by_libtorch();
    EXPECT_LT(error_of(own, other), tolerance);
    const auto cotangent = torch::randn_like(own.detach());
    // Twice over the same graph.
    for (int again = 0; again < 2; ++again) {
      const auto ours = vector_jacobian({own}, inputs, {cotangent}, true);
      const auto theirs = vector_jacobian({other}, inputs, {cotangent}, true);
      for (std::size_t i = 0; i < inputs.size(); ++i)
        EXPECT_LT(error_of(ours[i], theirs[i]), 10 * tolerance) << i;
    }
    const torch::NoGradGuard no_grad;
    EXPECT_TRUE(torch::equal(by_kernels(), own));
  }
}

TEST_P(AttentionKernels, HasTheSecondDerivative) {
  make(torch::kFloat64);
  x = (x + w.bias(LayerWeights::kOut));  // one input depends on another
  const auto second = [&](const torch::Tensor& outputs) {
    Tensors first = gradient_of(outputs.sin().mean(), inputs, true), weights;
    torch::manual_seed(6);
    for (const auto& value : first) weights.push_back(torch::randn_like(value.detach()));
    return vector_jacobian(first, inputs, weights);
  };
  const auto ours = second(by_kernels()), theirs = second(by_libtorch());
  for (std::size_t i = 0; i < inputs.size(); ++i)
    EXPECT_LT(error_of(ours[i], theirs[i]), 1e-11) << i;
}

TEST_P(AttentionKernels, ASequenceDependsOnNoOther) {
  make(torch::kFloat32);
  const auto together = by_kernels();
  const auto all = x, real = mask;
  for (std::int64_t i = 0; i < all.size(0); ++i) {
    x = all.narrow(0, i, 1);
    if (real.defined()) mask = real.narrow(0, i, 1);
    EXPECT_TRUE(torch::equal(by_kernels()[0], together[i])) << i;
  }
}
INSTANTIATE_TEST_SUITE_P(Sizes, AttentionKernels,
                         testing::Values(Sizes{41, 6, 64, 2}, Sizes{3, 40, 32, 1},
                                         Sizes{5, 1, 16, 1}, Sizes{6, 17, 64, 2, true},
                                         Sizes{2, 130, 96, 3, true}));

TEST(AttentionKernelsAlone, LeaveOtherWidthsToLibTorch) {
  LayerWeights w;
  for (const std::int64_t rows : {24, 8, 32, 8, 8, 8})
    for (const std::int64_t columns : {rows == 8 && w.all.size() == 6 ? 32 : 8, 1})
      w.all.push_back(torch::ones({rows, columns}));
  EXPECT_FALSE(layer_by_kernels(w, 1, torch::ones({2, 3, 8}), {}).has_value());
}

}  // namespace
}  // namespace cuttle
