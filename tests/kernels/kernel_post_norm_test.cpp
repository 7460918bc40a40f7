// A transformer's layer whose weights stay, beside the same in float64, written from its formulas.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "cuttle/kernels/transformer_layers.hpp"

namespace cuttle::kernels {
namespace {

using Doubles = std::vector<double>;

struct Linear {
  std::int64_t in, out;
  std::vector<float> weight, bias;

  MlpWeights<const float> places() const { return {weight.data(), bias.data()}; }
  Doubles operator()(const Doubles& x) const {
    Doubles y;
    for (std::size_t r = 0; r < x.size() / static_cast<std::size_t>(in); ++r)
      for (std::int64_t o = 0; o < out; ++o) {
        double sum = bias[static_cast<std::size_t>(o)];
        for (std::int64_t i = 0; i < in; ++i)
          sum += x[r * static_cast<std::size_t>(in) + static_cast<std::size_t>(i)] *
                 static_cast<double>(weight[static_cast<std::size_t>(o * in + i)]);
        y.push_back(sum);
      }
    return y;
  }
};

struct Layer {
  PostNormShape shape;
  Linear in, out, up, down;
  std::vector<float> norms[4];  ///< scale, shift, scale, shift

  explicit Layer(const PostNormShape& of) : shape(of) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    const auto values = [&](std::int64_t count, float scale, float shift) {
      std::vector<float> made;
      for (std::int64_t i = 0; i < count; ++i) made.push_back(shift + scale * normal(random));
      return made;
    };
    const auto linear = [&](std::int64_t from, std::int64_t to) {
      return Linear{from, to, values(from * to, 1.5F / std::sqrt(static_cast<float>(from)), 0),
                    values(to, 0.3F, 0)};
    };
    in = linear(of.width, 3 * of.width);
    out = linear(of.width, of.width);
    up = linear(of.width, of.inner);
    down = linear(of.inner, of.width);
    for (int i = 0; i < 4; ++i) norms[i] = values(of.width, 0.2F, i % 2 == 0 ? 1.0F : 0.0F);
  }
  PostNormLayer packed() const {
    return {shape,
            {in.places(),
             out.places(),
             up.places(),
             down.places(),
             {norms[0].data(), norms[1].data()},
             {norms[2].data(), norms[3].data()}}};
  }

  double activated(double x) const {
    if (shape.activation == Activation::kRelu) return std::max(0.0, x);
    if (shape.activation == Activation::kGelu) return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
  }
  Doubles normed(Doubles x, const Doubles& added, int norm) const {
    const auto width = static_cast<std::size_t>(shape.width);
    for (std::size_t first = 0; first < x.size(); first += width) {
      double mean = 0, variance = 0;
      for (std::size_t c = 0; c < width; ++c) mean += x[first + c] += added[first + c];
      mean /= static_cast<double>(width);
      for (std::size_t c = 0; c < width; ++c) variance += std::pow(x[first + c] - mean, 2);
      const double root = std::sqrt(variance / static_cast<double>(width) + shape.eps);
      for (std::size_t c = 0; c < width; ++c)
        x[first + c] = (x[first + c] - mean) / root * static_cast<double>(norms[norm][c]) +
                       static_cast<double>(norms[norm + 1][c]);
    }
    return x;
  }
  /// Of one text.
  Doubles operator()(const std::vector<float>& text) const {
    const Doubles x(text.begin(), text.end()), all = in(x);
    const auto width = static_cast<std::size_t>(shape.width), length = x.size() / width;
    const auto head = width / static_cast<std::size_t>(shape.heads);
    const auto at = [&](std::size_t t, std::size_t part, std::size_t column) {
      return all[t * 3 * width + part * width + column];
    };
    Doubles mixed(x.size(), 0.0);
    for (std::size_t h = 0; h < width; h += head)
      for (std::size_t t = 0; t < length; ++t) {
        Doubles weights;
        double sum = 0;
        for (std::size_t s = 0; s < length; ++s) {
          double score = 0;
          for (std::size_t c = h; c < h + head; ++c) score += at(t, 0, c) * at(s, 1, c);
          weights.push_back(std::exp(score / std::sqrt(static_cast<double>(head))));
          sum += weights.back();
        }
        for (std::size_t s = 0; s < length; ++s)
          for (std::size_t c = h; c < h + head; ++c)
            mixed[t * width + c] += weights[s] / sum * at(s, 2, c);
      }
    const Doubles seen = normed(x, out(mixed), 0);
    Doubles inner = up(seen);
    for (double& value : inner) value = activated(value);
    return normed(seen, down(inner), 2);
  }
};

std::vector<float> text_of(std::int64_t length, std::int64_t width, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> text;
  for (std::int64_t i = 0; i < length * width; ++i) text.push_back(normal(random));
  return text;
}

class PostNorm : public testing::TestWithParam<Activation> {};

TEST_P(PostNorm, IsTheLayerOfItsFormulas) {
  const Layer layer({64, 2, 96, 1e-5F, GetParam()});
  for (const std::int64_t length : {1, 2, 7, 16, 17, 40}) {
    auto text = text_of(length, 64, static_cast<unsigned>(length));
    const Doubles wanted = layer(text);
    layer.packed().forward({length}, text.data());
    for (std::size_t i = 0; i < text.size(); ++i)
      ASSERT_NEAR(static_cast<double>(text[i]), wanted[i], 2e-5) << length << " " << i;
  }
}
INSTANTIATE_TEST_SUITE_P(Activations, PostNorm,
                         testing::Values(Activation::kGelu, Activation::kGeluTanh,
                                         Activation::kRelu));

TEST(PostNormLayer, ATextDependsOnNoOther) {
  const Layer layer({32, 2, 48, 1e-5F, Activation::kGelu});
  const auto packed = layer.packed();
  const std::vector<std::int64_t> lengths{3, 21, 1, 8, 5};
  std::vector<float> together, alone;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    auto text = text_of(lengths[i], 32, static_cast<unsigned>(i));
    together.insert(together.end(), text.begin(), text.end());
    packed.forward({lengths[i]}, text.data());
    alone.insert(alone.end(), text.begin(), text.end());
  }
  packed.forward(lengths, together.data());
  EXPECT_EQ(together, alone);
}

TEST(PostNormLayer, FitsWholeVectorsAlone) {
  EXPECT_TRUE(PostNormLayer::fits({384, 12, 1536, 0, Activation::kGelu}));
  EXPECT_FALSE(PostNormLayer::fits({8, 2, 12, 0, Activation::kGelu}));
  EXPECT_FALSE(PostNormLayer::fits({384, 7, 1536, 0, Activation::kGelu}));
  EXPECT_FALSE(PostNormLayer::fits({384, 48, 1536, 0, Activation::kGelu}));  // 8 columns a head
}

}  // namespace
}  // namespace cuttle::kernels
