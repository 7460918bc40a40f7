// Series with holes at steps of any distance, against the equations of Che et al. 2018 in doubles.
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "cuttle/sense/raw.hpp"

namespace cuttle {
namespace {

const float kUnseen = std::nanf("");
using Series = std::vector<std::vector<float>>;  // by step

RawModality raw_of(const std::vector<Series>& samples) {
  RawModality raw;
  raw.offsets = {0};
  for (const Series& sample : samples) {
    for (const auto& step : sample) {
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(step.data());
      raw.bytes.insert(raw.bytes.end(), bytes, bytes + step.size() * sizeof(float));
    }
    raw.offsets.push_back(static_cast<std::int64_t>(raw.bytes.size()));
    raw.present.push_back(1);
  }
  return raw;
}

ModalitySpec timed() {
  ModalitySpec spec{"x", ModalityKind::kSeries, {3}, 0.0, {4, 1, 2}, {5, 2, 0.5f}};
  spec.columns = {"pulse", "day:elapsed", "pressure"};
  spec.mean = {4, 1, 2};
  spec.holes = true;
  return spec;
}

const Series kVisits{{9, 0, kUnseen}, {kUnseen, 2, 3}, {kUnseen, 2.5f, kUnseen}, {7, 7, kUnseen}};

/// d_t = s_t - s_(t-1), and d_(t-1) more where nothing was seen at t-1; d_1 = 0.
double since(const Series& series, const std::vector<double>& s, std::size_t t, std::size_t c) {
  if (t == 0) return 0;
  const double before = std::isnan(series[t - 1][c]) ? since(series, s, t - 1, c) : 0;
  return s[t] - s[t - 1] + before;
}

void expect(const torch::Tensor& found, const Series& series, const std::vector<double>& s,
            const ModalitySpec& spec) {
  const std::size_t channels = series[0].size();
  for (std::size_t t = 0; t < series.size(); ++t)
    for (std::size_t c = 0; c < channels; ++c) {
      double last = 0;
      for (std::size_t u = 0; u <= t; ++u)
        if (!std::isnan(series[u][c]))
          last = spec.mean.empty() ? series[u][c] : (series[u][c] - spec.mean[c]) / spec.stddev[c];
      const auto at = [&](std::size_t which) {
        return found[static_cast<std::int64_t>(which * channels + c)][static_cast<std::int64_t>(t)]
            .item<double>();
      };
      EXPECT_NEAR(at(0), last, 1e-6) << t << " " << c;
      EXPECT_EQ(at(1), std::isnan(series[t][c]) ? 0 : 1) << t << " " << c;
      EXPECT_NEAR(at(2), std::log1p(since(series, s, t, c)), 1e-6) << t << " " << c;
    }
}

TEST(Irregular, IsLastValueMaskAndTimeSinceItWasSeen) {
  const auto spec = timed();
  EXPECT_EQ(spec.clock(), 1);
  const auto input = irregular_input(raw_of({kVisits, {kVisits[3]}}), spec, 0);
  ASSERT_EQ(input.values.sizes(), torch::IntArrayRef({2, 9, 4}));
  expect(input.values[0], kVisits, {0, 2 / 2.0, 2.5 / 2, 7 / 2.0}, spec);
  expect(input.values[1], {kVisits[3]}, {0}, spec);
  EXPECT_EQ(input.values[1].slice(1, 1).abs().sum().item<double>(), 0);  // padding
  EXPECT_EQ(input.mask[1].sum().item<double>(), 1);
  EXPECT_EQ(irregular_input(raw_of({kVisits}), spec, 2).values.size(2), 2);
}

TEST(Irregular, CountsStepsWhereNoChannelSaysTheTime) {
  ModalitySpec spec{"x", ModalityKind::kSeries, {3}, 0.0, {}, {}};
  for (const auto& columns : {std::vector<std::string>{}, {"a", "b", "c"}, {"elapsed"}}) {
    spec.columns = columns;
    EXPECT_EQ(spec.clock(), -1);
    expect(irregular_input(raw_of({kVisits}), spec, 0).values[0], kVisits, {0, 1, 2, 3}, spec);
  }
}

TEST(Irregular, ATimeThatIsAHoleOrGoesBackPassesNoTime) {
  ModalitySpec spec = timed();
  spec.mean.clear();
  spec.stddev.clear();
  Series hole = kVisits, back = kVisits;
  hole[2][1] = kUnseen;
  back[3][1] = 1;
  const auto found = irregular_input(raw_of({hole, back}), spec, 0).values;
  EXPECT_TRUE(found.isfinite().all().item<bool>());
  const auto pressure = found.select(1, 6 + 2);  // seen at step 1, at time 2
  EXPECT_EQ(pressure[0][2].item<double>(), 0);
  EXPECT_NEAR(pressure[0][3].item<double>(), std::log1p(5), 1e-6);
  EXPECT_NEAR(pressure[1][2].item<double>(), std::log1p(0.5), 1e-6);
  EXPECT_NEAR(pressure[1][3].item<double>(), std::log1p(0.5), 1e-6);
}

TEST(Irregular, WithoutHolesTheValuesAreThoseOfSeries) {
  const auto spec = timed();
  const auto raw = raw_of({{{1, 0, 2}, {3, 1, 4}}, {{5, 0, 6}}});
  EXPECT_TRUE(torch::equal(irregular_input(raw, spec, 0).values.narrow(1, 0, 3),
                           series_input(raw, spec, 0).values));
}

}  // namespace
}  // namespace cuttle
