#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "cuttle/kernels/conv_block.hpp"
#include "cuttle/kernels/mlp.hpp"

namespace cuttle::kernels {
namespace {

/// A network in LibTorch's order, and samples for it.
template <class T>
struct Network {
  Network(std::vector<MlpLayer> shape, std::int64_t samples, bool regression, unsigned seed = 1)
      : layers(std::move(shape)), size(samples) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    const auto fill = [&](std::int64_t count, double scale) {
      std::vector<T> values(static_cast<std::size_t>(count));
      for (T& value : values) value = static_cast<T>(scale * normal(random));
      return values;
    };
    for (const auto& [in, out, relu] : layers) {
      weights.push_back(fill(in * out, 1 / std::sqrt(static_cast<double>(in))));
      biases.push_back(fill(out, 0.3));
    }
    x = fill(size * layers.front().in, 1.0);
    targets = fill(size * layers.back().out, 1.0);
    for (std::int64_t n = 0; n < size; ++n) labels.push_back(n % layers.back().out);
    by_targets = regression;
  }

  MlpBatch<T> batch() const {
    return {size, x.data(), by_targets ? nullptr : labels.data(),
            by_targets ? targets.data() : nullptr};
  }
  std::vector<MlpWeights<const T>> places() const {
    std::vector<MlpWeights<const T>> result;
    for (std::size_t l = 0; l < layers.size(); ++l)
      result.push_back({weights[l].data(), biases[l].data()});
    return result;
  }
  std::vector<T> packed(const Mlp<T>& mlp) const {
    std::vector<T> result(static_cast<std::size_t>(mlp.packed_size()), T{7});
    mlp.pack(places(), result.data());
    return result;
  }
  /// The loss by the definition, one sample and one value after the other.
  double loss() const {
    double sum = 0;
    for (std::int64_t n = 0; n < size; ++n) {
      std::vector<double> a(x.begin() + n * layers[0].in, x.begin() + (n + 1) * layers[0].in);
      for (std::size_t l = 0; l < layers.size(); ++l) {
        std::vector<double> z(biases[l].begin(), biases[l].end());
        for (std::size_t o = 0; o < z.size(); ++o) {
          for (std::size_t i = 0; i < a.size(); ++i)
            z[o] += static_cast<double>(weights[l][o * a.size() + i]) * a[i];
          if (layers[l].relu) z[o] = std::max(z[o], 0.0);
        }
        a = std::move(z);
      }
      double norm = 0;
      for (std::size_t o = 0; o < a.size(); ++o) {
        const double error =
            a[o] - static_cast<double>(targets[static_cast<std::size_t>(n) * a.size() + o]);
        if (by_targets) sum += error * error / static_cast<double>(a.size());
        norm += std::exp(a[o]);
      }
      if (!by_targets)
        sum += std::log(norm) - a[static_cast<std::size_t>(labels[static_cast<std::size_t>(n)])];
    }
    return sum / static_cast<double>(size);
  }

  std::vector<MlpLayer> layers;
  std::int64_t size;
  std::vector<std::vector<T>> weights, biases;
  std::vector<T> x, targets;
  std::vector<std::int64_t> labels;
  bool by_targets = false;
};

template <class T>
std::vector<T> gradient_of(const Mlp<T>& mlp, const MlpBatch<T>& batch, const std::vector<T>& at,
                           double* loss = nullptr) {
  std::vector<T> memory(static_cast<std::size_t>(mlp.point_size(batch.size)), T{5});
  auto point = mlp.point(batch.size, memory.data());
  std::vector<T> gradient(at.size(), T{9});
  const double value = mlp.gradient(batch, at.data(), point, gradient.data());
  if (loss) *loss = value;
  return gradient;
}

template <class T>
std::vector<T> product_of(const Mlp<T>& mlp, const MlpBatch<T>& batch, const std::vector<T>& at,
                          const std::vector<T>& direction) {
  std::vector<T> memory(static_cast<std::size_t>(mlp.point_size(batch.size)), T{5});
  auto point = mlp.point(batch.size, memory.data());
  std::vector<T> gradient(at.size()), product(at.size(), T{9});
  mlp.gradient(batch, at.data(), point, gradient.data());
  mlp.hessian_product(batch, point, direction.data(), product.data());
  return product;
}

/// A direction with zeros where packed vectors have them.
template <class T>
std::vector<T> direction_for(const Mlp<T>& mlp, const Network<T>& like, unsigned seed) {
  return Network<T>(like.layers, 1, false, seed).packed(mlp);
}

template <class T>
double dot(const std::vector<T>& a, const std::vector<T>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

template <class T>
double distance(const std::vector<T>& a, const std::vector<T>& b) {
  double difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return std::sqrt(difference /
                   (dot(b, b) + 1e-300));  // both may be 0: one class, nothing to learn
}

std::vector<MlpLayer> hidden(std::int64_t in, std::vector<std::int64_t> widths, std::int64_t out) {
  std::vector<MlpLayer> layers;
  for (const auto width : widths) {
    layers.push_back({in, width, true});
    in = width;
  }
  layers.push_back({in, out, false});
  return layers;
}

/// Shapes with and without hidden layers, below and above a vector and a tile, and of one sample.
struct Case {
  std::vector<MlpLayer> layers;
  std::int64_t samples;
};
std::vector<Case> cases() {
  return {{hidden(1, {40, 40}, 1), 10},    {hidden(3, {}, 4), 7},     {hidden(5, {9}, 2), 1},
          {hidden(17, {33, 5, 8}, 3), 13}, {hidden(2, {1, 1}, 2), 3}, {hidden(8, {16}, 20), 75}};
}

class Perceptron : public testing::TestWithParam<std::tuple<InstructionSet, bool>> {
 protected:
  void SetUp() override { select_instruction_set(std::get<0>(GetParam())); }
  void TearDown() override { select_instruction_set(available_instruction_sets().back()); }
  bool regression() const { return std::get<1>(GetParam()); }
};

TEST_P(Perceptron, LossIsTheDefinition) {
  for (const auto& [layers, samples] : cases()) {
    const Network<double> net(layers, samples, regression());
    const Mlp<double> mlp(layers);
    double loss = 0;
    gradient_of(mlp, net.batch(), net.packed(mlp), &loss);
    EXPECT_NEAR(loss, net.loss(), 1e-12 * (1 + net.loss()));
  }
}

TEST_P(Perceptron, GradientIsTheLossesSlope) {
  for (const auto& [layers, samples] : cases()) {
    Network<double> net(layers, samples, regression());
    const Mlp<double> mlp(layers);
    const auto gradient = gradient_of(mlp, net.batch(), net.packed(mlp));
    auto unpacked = net;
    std::vector<MlpWeights<double>> places;
    for (std::size_t l = 0; l < layers.size(); ++l)
      places.push_back({unpacked.weights[l].data(), unpacked.biases[l].data()});
    mlp.unpack(gradient.data(), places);
    const auto slope = [&](double& value) {
      constexpr double step = 1e-6;
      const double middle = value;
      value = middle + step;
      const double above = net.loss();
      value = middle - step;
      const double below = net.loss();
      value = middle;
      return (above - below) / (2 * step);
    };
    for (std::size_t l = 0; l < layers.size(); ++l) {
      for (std::size_t i = 0; i < net.weights[l].size(); i += 1 + net.weights[l].size() / 23)
        EXPECT_NEAR(unpacked.weights[l][i], slope(net.weights[l][i]), 1e-7) << l << " " << i;
      for (std::size_t i = 0; i < net.biases[l].size(); ++i)
        EXPECT_NEAR(unpacked.biases[l][i], slope(net.biases[l][i]), 1e-7) << l << " bias " << i;
    }
  }
}

TEST_P(Perceptron, HessianProductIsTheGradientsSlope) {
  for (const auto& [layers, samples] : cases()) {
    const Network<double> net(layers, samples, regression());
    const Mlp<double> mlp(layers);
    const auto at = net.packed(mlp), direction = direction_for(mlp, net, 5);
    const auto product = product_of(mlp, net.batch(), at, direction);
    constexpr double step = 1e-6;
    auto above = at, below = at;
    for (std::size_t i = 0; i < at.size(); ++i) {
      above[i] += step * direction[i];
      below[i] -= step * direction[i];
    }
    auto slope = gradient_of(mlp, net.batch(), above);
    const auto lower = gradient_of(mlp, net.batch(), below);
    for (std::size_t i = 0; i < slope.size(); ++i) slope[i] = (slope[i] - lower[i]) / (2 * step);
    EXPECT_LT(distance(product, slope), 1e-6);
  }
}

/// Of two batches of unlike sizes, where the weights are: the sum of what each gives packed. Of
/// one, the same; a layer that is not wanted stays as it is.
TEST_P(Perceptron, WeightGradientsAreThePackedOnesInTheirPlace) {
  auto shapes = cases();
  shapes.push_back({hidden(32, {64, 16}, 5), 9});  // rows of whole vectors, which need no turning
  for (const auto& [layers, samples] : shapes) {
    const Mlp<double> mlp(layers);
    const Network<double> first(layers, samples, regression()),
        second(layers, samples + 3, regression(), 4);
    const auto at = first.packed(mlp);
    auto expected = gradient_of(mlp, first.batch(), at);
    const auto more = gradient_of(mlp, second.batch(), at);
    auto sum = expected;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += more[i];
    std::vector<double> memory(
        static_cast<std::size_t>(mlp.point_size(samples) + mlp.point_size(samples + 3)), 5.0);
    auto here = mlp.point(samples, memory.data()),
         there = mlp.point(samples + 3, memory.data() + mlp.point_size(samples));
    EXPECT_EQ(mlp.loss(first.batch(), at.data(), here), [&] {
      double loss = 0;
      gradient_of(mlp, first.batch(), at, &loss);
      return loss;
    }());
    mlp.loss(second.batch(), at.data(), there);
    const auto packed_of = [&](const std::vector<typename Mlp<double>::Passed>& batches) {
      auto to = first;
      std::vector<MlpWeights<double>> places;
      for (std::size_t l = 0; l < layers.size(); ++l)
        places.push_back({to.weights[l].data(), to.biases[l].data()});
      mlp.weight_gradients(batches, places);
      return to.packed(mlp);
    };
    EXPECT_LT(distance(packed_of({{samples, first.x.data(), here}}), expected), 1e-15);
    EXPECT_LT(distance(packed_of({{samples, first.x.data(), here},
                                  {samples + 3, second.x.data(), there}}),
                       sum),
              1e-14);
    mlp.weight_gradients({{samples, first.x.data(), here}},
                         std::vector<MlpWeights<double>>(layers.size(), {nullptr, nullptr}));
  }
}

/// With respect to x: of the loss, and of its gradient along a direction.
TEST_P(Perceptron, GradientsOfTheInputsAreSlopes) {
  for (const auto& [layers, samples] : cases()) {
    Network<double> net(layers, samples, regression());
    const Mlp<double> mlp(layers);
    const auto at = net.packed(mlp), direction = direction_for(mlp, net, 5);
    const std::int64_t in = layers[0].in, row = mlp.padded(in);
    std::vector<double> memory(static_cast<std::size_t>(mlp.point_size(samples)), 5.0);
    std::vector<double> first(static_cast<std::size_t>(samples * row), 9.0), second = first;
    std::vector<double> gradient(at.size()), product(at.size());
    auto point = mlp.point(samples, memory.data());
    mlp.gradient(net.batch(), at.data(), point, gradient.data(), first.data());
    mlp.hessian_product(net.batch(), point, direction.data(), product.data(), second.data());
    for (std::size_t i = 0; i < net.x.size(); i += 1 + net.x.size() / 23) {
      constexpr double step = 1e-6;
      const double middle = net.x[i];
      const auto there = [&](double value) {
        net.x[i] = value;
        return std::pair(net.loss(), dot(gradient_of(mlp, net.batch(), at), direction));
      };
      const auto above = there(middle + step), below = there(middle - step);
      net.x[i] = middle;
      const auto place = i / static_cast<std::size_t>(in) * static_cast<std::size_t>(row) +
                         i % static_cast<std::size_t>(in);
      EXPECT_NEAR(first[place], (above.first - below.first) / (2 * step), 1e-7) << i;
      EXPECT_NEAR(second[place], (above.second - below.second) / (2 * step), 1e-6) << i;
    }
  }
}

TEST_P(Perceptron, HessianIsSymmetricAndLinear) {
  for (const auto& [layers, samples] : cases()) {
    const Network<double> net(layers, samples, regression());
    const Mlp<double> mlp(layers);
    const auto at = net.packed(mlp), u = direction_for(mlp, net, 5), v = direction_for(mlp, net, 6);
    auto sum = u;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = 2 * u[i] - 3 * v[i];
    const auto of_u = product_of(mlp, net.batch(), at, u),
               of_v = product_of(mlp, net.batch(), at, v);
    auto expected = of_u;
    for (std::size_t i = 0; i < sum.size(); ++i) expected[i] = 2 * of_u[i] - 3 * of_v[i];
    EXPECT_NEAR(dot(v, of_u), dot(u, of_v), 1e-10 * (1 + std::abs(dot(v, of_u))));
    EXPECT_LT(distance(product_of(mlp, net.batch(), at, sum), expected), 1e-12);
  }
}

TEST_P(Perceptron, PaddingStaysZero) {
  for (const auto& [layers, samples] : cases()) {
    const Network<float> net(layers, samples, regression());
    const Mlp<float> mlp(layers);
    auto ones = net;
    for (auto& values : ones.weights) values.assign(values.size(), 1.0F);
    for (auto& values : ones.biases) values.assign(values.size(), 1.0F);
    const auto used = ones.packed(mlp);  // 1 where there is a parameter, 0 in the padding
    const auto at = net.packed(mlp);
    const auto gradient = gradient_of(mlp, net.batch(), at);
    const auto product = product_of(mlp, net.batch(), at, gradient);
    for (std::size_t i = 0; i < used.size(); ++i) {
      if (used[i] != 0.0F) continue;
      EXPECT_EQ(gradient[i], 0.0F);
      EXPECT_EQ(product[i], 0.0F);
    }
  }
}

TEST_P(Perceptron, FloatIsCloseToDouble) {
  for (const auto& [layers, samples] : cases()) {
    const Network<double> exact(layers, samples, regression());
    const Network<float> net(layers, samples, regression());  // the same draws, rounded
    const Mlp<double> wide(layers);
    const Mlp<float> mlp(layers);
    const auto back = [&](const std::vector<float>& packed) {
      auto unpacked = net;
      std::vector<MlpWeights<float>> places;
      for (std::size_t l = 0; l < layers.size(); ++l)
        places.push_back({unpacked.weights[l].data(), unpacked.biases[l].data()});
      mlp.unpack(packed.data(), places);
      auto copy = exact;
      for (std::size_t l = 0; l < layers.size(); ++l) {
        copy.weights[l].assign(unpacked.weights[l].begin(), unpacked.weights[l].end());
        copy.biases[l].assign(unpacked.biases[l].begin(), unpacked.biases[l].end());
      }
      return copy.packed(wide);
    };
    const auto gradient = gradient_of(mlp, net.batch(), net.packed(mlp));
    const auto exact_gradient = gradient_of(wide, exact.batch(), exact.packed(wide));
    EXPECT_LT(distance(back(gradient), exact_gradient), 1e-5);
    EXPECT_LT(distance(back(product_of(mlp, net.batch(), net.packed(mlp), gradient)),
                       product_of(wide, exact.batch(), exact.packed(wide), exact_gradient)),
              2e-5);
  }
}

TEST_P(Perceptron, NanOfAnySampleReachesTheLossAndTheGradient) {
  const auto layers = hidden(3, {8, 8}, 2);
  Network<float> net(layers, 4, regression());
  const Mlp<float> mlp(layers);
  net.x[5] = std::numeric_limits<float>::quiet_NaN();
  double loss = 0;
  const auto gradient = gradient_of(mlp, net.batch(), net.packed(mlp), &loss);
  EXPECT_TRUE(std::isnan(loss));
  EXPECT_TRUE(std::isnan(dot(gradient, gradient)));
}

INSTANTIATE_TEST_SUITE_P(All, Perceptron,
                         testing::Combine(testing::ValuesIn(available_instruction_sets()),
                                          testing::Bool()));

TEST(PerceptronShape, ImpossibleOnesAreRefused) {
  EXPECT_THROW(Mlp<float>({}), std::invalid_argument);
  EXPECT_THROW(Mlp<float>({{2, 3, true}, {4, 1, false}}), std::invalid_argument);
  EXPECT_THROW(Mlp<float>({{0, 3, false}}), std::invalid_argument);
}

TEST(PerceptronShape, WhatAReluGivesHasNoLoss) {
  const Network<float> net({{2, 3, true}}, 4, false);
  const Mlp<float> mlp(net.layers);
  EXPECT_THROW(gradient_of(mlp, net.batch(), net.packed(mlp)), std::invalid_argument);
}

TEST(PerceptronShape, LargeLogitsDoNotOverflow) {
  const auto layers = hidden(1, {}, 2);
  Network<float> net(layers, 1, false);
  net.weights[0] = {3000.0F, -3000.0F};
  net.x = {1.0F};
  net.labels = {1};
  const Mlp<float> mlp(layers);
  double loss = 0;
  const auto gradient = gradient_of(mlp, net.batch(), net.packed(mlp), &loss);
  EXPECT_NEAR(loss, 6000.0, 5.0);
  for (const float value : gradient) EXPECT_TRUE(std::isfinite(value));
}

}  // namespace
}  // namespace cuttle::kernels
