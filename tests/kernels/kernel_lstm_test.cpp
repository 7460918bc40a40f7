#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "cuttle/kernels/conv_block.hpp"
#include "cuttle/kernels/lstm.hpp"

namespace cuttle::kernels {
namespace {

using testing::ElementsAreArray;

/// A step with numbers of its own, and cotangents for h' and c'.
template <class T>
struct Case {
  Case(std::int64_t n, std::int64_t in, std::int64_t units)
      : coordinates(n), inputs(in), hidden(units) {
    std::mt19937 random(5);
    std::normal_distribution<double> normal;
    const auto fill = [&](std::vector<T>& to, std::int64_t count, double scale) {
      to.resize(static_cast<std::size_t>(count));
      for (T& value : to) value = static_cast<T>(scale * normal(random));
    };
    fill(x, inputs * n, 1.5);
    for (auto* values : {&h, &c, &of_h, &of_c}) fill(*values, hidden * n, 1.0);
    fill(from_x, 4 * hidden * inputs, 1.0);
    fill(from_hidden, 4 * hidden * hidden, 0.7);
    fill(bias, 4 * hidden, 0.5);
  }

  LstmStep<T> step() const {
    return {coordinates,
            inputs,
            hidden,
            x.data(),
            h.data(),
            c.data(),
            {from_x.data(), from_hidden.data(), bias.data()}};
  }

  std::int64_t coordinates, inputs, hidden;
  std::vector<T> x, h, c, from_x, from_hidden, bias, of_h, of_c;
};

/// h' and c' by the definition, one after the other in double.
template <class T>
std::pair<std::vector<double>, std::vector<double>> by_definition(const Case<T>& at) {
  const auto size = static_cast<std::size_t>(at.hidden * at.coordinates);
  std::vector<double> h(size), c(size);
  const auto sigmoid = [](double z) { return 1 / (1 + std::exp(-z)); };
  for (std::int64_t n = 0; n < at.coordinates; ++n)
    for (std::int64_t unit = 0; unit < at.hidden; ++unit) {
      double gate[4];
      for (std::int64_t k = 0; k < 4; ++k) {
        const std::int64_t row = k * at.hidden + unit;
        gate[k] = static_cast<double>(at.bias[static_cast<std::size_t>(row)]);
        for (std::int64_t i = 0; i < at.inputs; ++i)
          gate[k] += static_cast<double>(at.from_x[static_cast<std::size_t>(row * at.inputs + i)]) *
                     static_cast<double>(at.x[static_cast<std::size_t>(i * at.coordinates + n)]);
        for (std::int64_t i = 0; i < at.hidden; ++i)
          gate[k] +=
              static_cast<double>(at.from_hidden[static_cast<std::size_t>(row * at.hidden + i)]) *
              static_cast<double>(at.h[static_cast<std::size_t>(i * at.coordinates + n)]);
      }
      const auto place = static_cast<std::size_t>(unit * at.coordinates + n);
      c[place] = sigmoid(gate[1]) * static_cast<double>(at.c[place]) +
                 sigmoid(gate[0]) * std::tanh(gate[2]);
      h[place] = sigmoid(gate[3]) * std::tanh(c[place]);
    }
  return {h, c};
}

/// What the cotangents say of h' and c'.
double value_of(const Case<double>& at) {
  const auto [h, c] = by_definition(at);
  double sum = 0;
  for (std::size_t i = 0; i < h.size(); ++i) sum += at.of_h[i] * h[i] + at.of_c[i] * c[i];
  return sum;
}

template <class T>
struct Gradients {
  explicit Gradients(const Case<T>& at)
      : x(at.x.size(), T{7}),
        h(at.h.size(), T{7}),
        c(at.c.size(), T{7}),
        from_x(at.from_x.size(), T{7}),
        from_hidden(at.from_hidden.size(), T{7}),
        bias(at.bias.size(), T{7}) {
    lstm_backward<T>(
        at.step(), at.of_h.data(), at.of_c.data(),
        {x.data(), h.data(), c.data(), {from_x.data(), from_hidden.data(), bias.data()}});
  }
  std::vector<T> x, h, c, from_x, from_hidden, bias;
};

template <class T>
std::pair<std::vector<T>, std::vector<T>> forward(const Case<T>& at) {
  std::vector<T> h(at.h.size(), T{7}), c(at.c.size(), T{7});
  lstm_forward<T>(at.step(), h.data(), c.data());
  return {h, c};
}

/// With each instruction set that this machine has.
class Lstm : public testing::TestWithParam<InstructionSet> {
 protected:
  void SetUp() override { select_instruction_set(GetParam()); }
  void TearDown() override { select_instruction_set(available_instruction_sets().back()); }
};
INSTANTIATE_TEST_SUITE_P(All, Lstm, testing::ValuesIn(available_instruction_sets()),
                         [](const auto& set) { return std::string(to_string(set.param)); });

// Fewer coordinates than a vector, a block but one, blocks and a rest.
TEST_P(Lstm, ForwardIsTheDefinition) {
  for (const std::int64_t n : {1, 127, 128, 300}) {
    const Case<double> exact(n, 3, 5);
    const auto wanted = by_definition(exact);
    const auto found = forward(exact);
    const Case<float> rounded(n, 3, 5);
    const auto near = by_definition(rounded);
    const auto found_float = forward(rounded);
    for (std::size_t i = 0; i < wanted.first.size(); ++i) {
      EXPECT_NEAR(found.first[i], wanted.first[i], 1e-14) << n;
      EXPECT_NEAR(found.second[i], wanted.second[i], 1e-14 * (1 + std::abs(wanted.second[i]))) << n;
      EXPECT_NEAR(static_cast<double>(found_float.first[i]), near.first[i], 1e-6) << n;
      EXPECT_NEAR(static_cast<double>(found_float.second[i]), near.second[i],
                  1e-6 * (1 + std::abs(near.second[i])))
          << n;
    }
  }
}

TEST_P(Lstm, BackwardIsTheSlope) {
  Case<double> at(387, 2, 3);  // four blocks: more than a part, whatever the threads
  const Gradients<double> found(at);
  const auto check = [&](std::vector<double>& values, const std::vector<double>& slopes,
                         std::size_t every) {
    for (std::size_t i = 0; i < values.size(); i += every) {
      const double kept = values[i], width = 1e-5;
      values[i] = kept + width;
      const double above = value_of(at);
      values[i] = kept - width;
      const double below = value_of(at);
      values[i] = kept;
      EXPECT_NEAR(slopes[i], (above - below) / (2 * width), 2e-7 * (1 + std::abs(slopes[i]))) << i;
    }
  };
  check(at.x, found.x, 13);
  check(at.h, found.h, 13);
  check(at.c, found.c, 13);
  check(at.from_x, found.from_x, 1);
  check(at.from_hidden, found.from_hidden, 1);
  check(at.bias, found.bias, 1);
}

TEST_P(Lstm, FloatGradientsAreThoseOfDouble) {
  const Case<float> at(1000, 2, 20);
  Case<double> exact(1000, 2, 20);
  const Gradients<float> found(at);
  const Gradients<double> wanted(exact);
  for (std::size_t i = 0; i < wanted.from_hidden.size(); ++i)
    EXPECT_NEAR(static_cast<double>(found.from_hidden[i]), wanted.from_hidden[i], 2e-3);
  for (std::size_t i = 0; i < wanted.h.size(); ++i)
    EXPECT_NEAR(static_cast<double>(found.h[i]), wanted.h[i], 1e-4);
}

// P1: where a coordinate stands, and beside which others, is no matter.
TEST_P(Lstm, ACoordinateIsTheSameAnywhere) {
  const Case<float> many(300, 2, 4);
  const auto all = forward(many);
  const Gradients<float> back(many);
  for (const std::int64_t n : {0, 5, 127, 128, 299}) {
    Case<float> one(1, 2, 4);
    const auto column = [&](const std::vector<float>& from, std::vector<float>& to) {
      for (std::size_t row = 0; row < to.size(); ++row)
        to[row] = from[row * 300 + static_cast<std::size_t>(n)];
    };
    column(many.x, one.x);
    column(many.h, one.h);
    column(many.c, one.c);
    column(many.of_h, one.of_h);
    column(many.of_c, one.of_c);
    one.from_x = many.from_x, one.from_hidden = many.from_hidden, one.bias = many.bias;
    std::vector<float> wanted(4);
    column(all.first, wanted);
    EXPECT_THAT(forward(one).first, ElementsAreArray(wanted)) << n;
    column(back.h, wanted);
    EXPECT_THAT(Gradients<float>(one).h, ElementsAreArray(wanted)) << n;
  }
}

TEST_P(Lstm, LargeSumsSaturateAndNotANumberStaysOne) {
  Case<float> at(3, 1, 1);
  at.from_x = {1e30F, 0, 1e30F, 1e30F};
  at.from_hidden = {0, 0, 0, 0}, at.bias = {0, -1e30F, 0, 0};
  at.x = {1.0F, -1.0F, std::numeric_limits<float>::quiet_NaN()};
  const auto [h, c] = forward(at);
  EXPECT_FLOAT_EQ(c[0], 1.0F);
  EXPECT_FLOAT_EQ(h[0], std::tanh(1.0F));
  EXPECT_NEAR(c[1], 0.0F, 1e-30);
  EXPECT_TRUE(std::isnan(h[2]) && std::isnan(c[2]));
}

}  // namespace
}  // namespace cuttle::kernels
