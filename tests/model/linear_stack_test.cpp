// Linear layers on own kernels against LibTorch's, to the second derivative.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "cuttle/adapt/autograd.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/model/linear_stack.hpp"

namespace cuttle {
namespace {

struct Shape {
  std::int64_t samples;
  std::vector<std::int64_t> widths;
  bool relu_at_end = true;
};

class LinearStack : public testing::TestWithParam<Shape> {
 protected:
  LinearStack() { torch::set_num_threads(1); }

  void make(torch::Dtype dtype) {
    torch::manual_seed(3);
    layers.clear();
    theta.clear();
    const auto& [samples, widths, relu] = GetParam();
    for (std::size_t l = 0; l + 1 < widths.size(); ++l) {
      LinearLayer layer;
      layer.in = widths[l], layer.out = widths[l + 1];
      layer.relu = relu || l + 2 < widths.size();
      layer.weight = static_cast<std::int64_t>(theta.size());
      layer.bias = layer.weight + 1;
      layers.push_back(layer);
      theta.push_back(torch::randn({layer.out, layer.in}, torch::kFloat64).to(dtype));
      theta.push_back(torch::randn({layer.out}, torch::kFloat64).to(dtype));
    }
    x = torch::randn({samples, widths[0]}, torch::kFloat64).to(dtype);
    inputs = theta;
    inputs.push_back(x);
    for (auto& value : inputs) value.requires_grad_(true);
  }
  torch::Tensor by_libtorch() const {
    auto values = x;
    for (const auto& layer : layers) {
      values = torch::linear(values, theta[static_cast<std::size_t>(layer.weight)],
                             theta[static_cast<std::size_t>(layer.bias)]);
      if (layer.relu) values = torch::relu(values);
    }
    return values;
  }
  torch::Tensor by_kernels() const { return linear_stack(layers, theta, x); }

  std::vector<LinearLayer> layers;
  Tensors theta, inputs;  ///< parameters; and x
  torch::Tensor x;
};

double error_of(const torch::Tensor& value, const torch::Tensor& reference) {
  return ((value - reference).norm() / (reference.norm() + 1e-30)).item<double>();
}

TEST_P(LinearStack, GivesWhatLibTorchGives) {
  for (const auto& [dtype, tolerance] :
       {std::pair(torch::kFloat64, 1e-14), {torch::kFloat32, 2e-6}}) {
    make(dtype);
    const auto own = by_kernels(), other = by_libtorch();
    EXPECT_EQ(own.sizes(), other.sizes());
    EXPECT_LT(error_of(own, other), tolerance);
    // Twice over the same graph, with other cotangents.
    for (const double power : {1.0, 3.0}) {
      const auto weights = torch::randn_like(own.detach());
      const auto ours = vector_jacobian({own.pow(power)}, inputs, {weights}, true);
      const auto theirs = vector_jacobian({other.pow(power)}, inputs, {weights}, true);
      for (std::size_t i = 0; i < inputs.size(); ++i)
        EXPECT_LT(error_of(ours[i], theirs[i]), 10 * tolerance) << i;
    }
  }
}

/// Of gradients that are differentiated again: by what the loss makes of the outputs, by weights
/// and x, and by a cotangent that is itself learned. Of all together, and where x stands still.
TEST_P(LinearStack, HasTheSecondDerivative) {
  make(torch::kFloat64);
  const auto scale = torch::full({}, 0.7, torch::kFloat64).requires_grad_(true);
  for (const bool x_moves : {true, false}) {
    if (!x_moves) x = x.detach();
    const Tensors& first_by = x_moves ? inputs : theta;
    Tensors again = first_by;
    again.push_back(scale);
    const auto second = [&](const torch::Tensor& outputs) {
      const auto loss = (scale * outputs).sin().mean() + outputs.square().mean();
      const auto first = gradient_of(loss, first_by, true);
      torch::manual_seed(4);
      Tensors weights;
      for (const auto& value : first) weights.push_back(torch::randn_like(value.detach()));
      return vector_jacobian(first, again, weights);
    };
    const auto ours = second(by_kernels()), theirs = second(by_libtorch());
    for (std::size_t i = 0; i < again.size(); ++i)
      EXPECT_LT(error_of(ours[i], theirs[i]), 1e-12) << i;
  }
}

/// Where only the gradient of x, or only that of the parameters, is wanted again.
TEST_P(LinearStack, HasEachSecondDerivativeAlone) {
  make(torch::kFloat64);
  for (const bool of_x : {true, false}) {
    const auto second = [&](const torch::Tensor& outputs) {
      const auto first = gradient_of(outputs.pow(3).mean(), of_x ? Tensors{x} : theta, true);
      return vector_jacobian({first[0].square().sum()}, inputs, {torch::ones({}, torch::kFloat64)});
    };
    const auto ours = second(by_kernels()), theirs = second(by_libtorch());
    for (std::size_t i = 0; i < inputs.size(); ++i)
      EXPECT_LT(error_of(ours[i], theirs[i]), 1e-12) << i;
  }
}

TEST_P(LinearStack, LeadingDimensionsStay) {
  make(torch::kFloat64);
  const auto rows = x.unsqueeze(0).expand({3, -1, -1});
  EXPECT_LT(error_of(linear_stack(layers, theta, rows), by_kernels().expand({3, -1, -1})), 1e-14);
}

TEST_P(LinearStack, ASampleIsItsOwn) {
  make(torch::kFloat32);
  const torch::NoGradGuard no_grad;
  const auto all = by_kernels();
  const auto whole = x;
  for (std::int64_t i = 0; i < whole.size(0); ++i) {
    x = whole.slice(0, i, i + 1);
    EXPECT_TRUE(torch::equal(by_kernels()[0], all[i])) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, LinearStack,
                         testing::Values(Shape{7, {5, 3}}, Shape{7, {5, 3}, false},
                                         Shape{20, {33, 16, 9}}, Shape{3, {16, 32, 16, 7}},
                                         Shape{1, {4, 1, 4}}, Shape{30, {17, 5, 40, 3}, false}));

TEST(LinearStackOf, ThirdDerivativesAreRefused) {
  const std::vector<LinearLayer> layers{{0, 1, 2, 3, false}};
  const Tensors theta{torch::ones({3, 2}).requires_grad_(true),
                      torch::ones({3}).requires_grad_(true)};
  const auto loss = linear_stack(layers, theta, torch::ones({4, 2})).pow(3).sum();
  const auto first = gradient_of(loss, theta, true);
  EXPECT_THROW(torch::autograd::grad({first[0].square().sum()}, theta, {}, true, true), Error);
}

TEST(LinearStackOf, OnlyWhatTheKernelsCanDo) {
  EXPECT_TRUE(may_be_packed({{0, 1, 2, 3, true}}));
  EXPECT_FALSE(may_be_packed(std::vector<LinearLayer>()));
  EXPECT_FALSE(may_be_packed({{0, 1, 2, kMostPackedWeights, true}}));
  const auto single = torch::ones({3, 2});
  EXPECT_TRUE(may_be_packed(single, single));
  EXPECT_FALSE(may_be_packed(single, single.to(torch::kFloat64)));
  EXPECT_FALSE(may_be_packed(single.to(torch::kInt32), single.to(torch::kInt32)));
  // Layers that are too large for them are LibTorch's.
  const std::vector<LinearLayer> layers{{0, 1, 2, kMostPackedWeights, false}};
  const Tensors theta{torch::ones({kMostPackedWeights, 2}), torch::ones({kMostPackedWeights})};
  const auto outputs = linear_stack(layers, theta, torch::ones({1, 2}));
  EXPECT_TRUE(outputs.eq(3).all().item<bool>());
}

}  // namespace
}  // namespace cuttle
