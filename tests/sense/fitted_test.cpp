// Steps of preprocessing, against what is computed by hand.
#include "cuttle/sense/fitted.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

using testing::DoubleEq;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

const double kHole = std::numeric_limits<double>::quiet_NaN();

/// A row after a step that was fitted on others.
std::vector<double> after(const std::string& words, const FittedRows& rows,
                          std::vector<double> row) {
  static const auto types = builtin_fitted();
  const Section section = fitted_sections("list", {words}, types)[0];
  const FittedType& type = types.at(section.type);
  type.apply(type.fit(section, rows), row);
  return row;
}

std::string refusal(const std::string& words, const FittedRows& rows = {1, {1, 2}}) {
  try {
    after(words, rows, std::vector<double>(static_cast<std::size_t>(rows.columns)));
  } catch (const UserError& problem) {
    return problem.what();
  }
  return "";
}

const FittedRows kRows{2, {1, 7, 2, 7, 6, 7}};  // means 3 and 7, deviations sqrt(14 / 3) and 0

TEST(Fitted, StandardiseIsByPopulationDeviationAndLeavesWhatDoesNotVaryAtZero) {
  EXPECT_THAT(after("standardise", kRows, {4, 7}),
              ElementsAre(DoubleEq(1 / std::sqrt(14.0 / 3)), 0));
  EXPECT_THAT(after("standardise", {1, {0.1, 0.1, 0.1}}, {0.1}), ElementsAre(0));
}

TEST(Fitted, MinMaxIsByWhatWasSeenAndDoesNotCut) {
  EXPECT_THAT(after("min_max", kRows, {3.5, 7}), ElementsAre(0.5, 0));
  EXPECT_THAT(after("min_max", kRows, {11, 8}), ElementsAre(2, 1));
}

TEST(Fitted, ClipBringsOutliersToTheEdgeAndLeavesHoles) {
  const double edge = std::sqrt(14.0 / 3) * 2;
  EXPECT_THAT(after("clip deviations=2", kRows, {100, 9}), ElementsAre(DoubleEq(3 + edge), 7));
  EXPECT_THAT(after("clip deviations=2", kRows, {-100, 7}), ElementsAre(DoubleEq(3 - edge), 7));
  EXPECT_THAT(after("clip deviations=2", kRows, {5, 7}), ElementsAre(5, 7));
  EXPECT_TRUE(std::isnan(after("clip", kRows, {kHole, 7})[0]));
  EXPECT_THAT(after("clip", kRows, {std::numeric_limits<double>::infinity(), 7})[0],
              DoubleEq(3 + 1.5 * edge));
}

TEST(Fitted, UnitLengthIsOfTheRow) {
  EXPECT_THAT(after("unit_length", kRows, {3, -4}), ElementsAre(DoubleEq(0.6), DoubleEq(-0.8)));
  EXPECT_THAT(after("unit_length", kRows, {0, 0}), ElementsAre(0, 0));
}

TEST(Fitted, ImputeFillsHolesAlone) {
  const FittedRows rows{2, {1, 5, kHole, 5, 2, 4, 9, 4, 2, kHole, 1, 8}};
  EXPECT_THAT(after("impute", rows, {kHole, 3}), ElementsAre(3, 3));
  EXPECT_THAT(after("impute by=median", rows, {kHole, kHole}), ElementsAre(2, 5));
  EXPECT_THAT(after("impute by=median", {1, {1, 2, 4, 8}}, {kHole}), ElementsAre(3));
  EXPECT_THAT(after("impute by=most_frequent", rows, {kHole, kHole}), ElementsAre(1, 4));
}

TEST(Fitted, ImputeNearestGoesByTheColumnsThatAreKnown) {
  // The nearest to {0, 0, ?} are {0, 1, 10} and {?, 1, 20}; {0, 0, ?} has nothing to give.
  const FittedRows rows{3, {0, 1, 10, kHole, 1, 20, 0, 0, kHole, 5, 5, 90}};
  EXPECT_THAT(after("impute_nearest neighbours=1", rows, {0, 0, kHole}), ElementsAre(0, 0, 10));
  EXPECT_THAT(after("impute_nearest neighbours=2", rows, {0, 0, kHole}), ElementsAre(0, 0, 15));
  EXPECT_THAT(after("impute_nearest", rows, {0, 0, kHole}), ElementsAre(0, 0, 40));
  EXPECT_THAT(after("impute_nearest rows=2", rows, {5, 5, kHole}), ElementsAre(5, 5, 10));
  EXPECT_THAT(after("impute_nearest", rows, {kHole, kHole, kHole})[2], DoubleEq(40));
  EXPECT_THAT(after("impute_nearest", rows, {1, 2, 3}), ElementsAre(1, 2, 3));
  // Fewer known columns make no row nearer: it is the mean of squares, 1 against 1.44.
  const FittedRows unlike{3, {1, 1, 10, kHole, 1.2, 20}};
  EXPECT_THAT(after("impute_nearest neighbours=1", unlike, {0, 0, kHole}), ElementsAre(0, 0, 10));
}

TEST(Fitted, PcaTurnsToTheDirectionsOfMostVariance) {
  // Along (1, 1) with variance 16 / 3 (over n - 1), along (1, -1) with variance 1 / 3, around (1,
  // 2).
  const double r = std::sqrt(0.5);
  const auto x = [&](double u, double v) { return 1 + r * (u + v); };
  const auto y = [&](double u, double v) { return 2 + r * (u - v); };
  const FittedRows rows{2,
                        {x(2, 0.5), y(2, 0.5), x(-2, 0.5), y(-2, 0.5), x(2, -0.5), y(2, -0.5),
                         x(-2, -0.5), y(-2, -0.5)}};
  const std::vector<double> asked{1 + r * 3, 2 + r * 3};
  EXPECT_THAT(after("pca columns=1", rows, asked), ElementsAre(DoubleNear(3, 1e-12)));
  EXPECT_THAT(after("pca columns=1 whiten=true", rows, asked),
              ElementsAre(DoubleNear(3 / std::sqrt(16.0 / 3), 1e-12)));
  EXPECT_EQ(after("pca", rows, asked).size(), 2u);
  EXPECT_EQ(after("pca", {2, {0, 0, 1, 1, 2, 2}}, {1, 1}).size(), 1u);
}

TEST(Fitted, WhatCannotBeFittedIsSaid) {
  EXPECT_THAT(refusal("standardise", {2, {1, kHole, 2, kHole}}),
              HasSubstr("column 2 has no value"));
  EXPECT_THAT(refusal("pca", {2, {1, kHole, 2, 3}}), HasSubstr("put impute before it"));
  EXPECT_THAT(refusal("pca", {2, {1, 2}}), HasSubstr("one training sample"));
  EXPECT_THAT(refusal("pca columns=3", {2, {1, 2, 3, 3, 4, 5, 6, 7}}),
              HasSubstr("vary in 2 directions at most"));
  EXPECT_THAT(refusal("pca columns=2", {3, {1, 2, 3, 3, 4, 5}}), HasSubstr("in 1 directions"));
  EXPECT_THAT(refusal("pca columns=2", {2, {0, 0, 1, 1, 2, 2}}), HasSubstr("vary in 1 directions"));
  EXPECT_THAT(refusal("pca", {2, {1, 1, 1, 1}}), HasSubstr("vary in 0 directions"));
}

TEST(Fitted, NumbersOfADamagedFileAreRefused) {
  const auto types = builtin_fitted();
  for (const auto& [name, type] : types) {
    std::vector<double> row{1, kHole};
    if (name == "unit_length") continue;  // it has none
    EXPECT_THROW(type.apply({}, row), UserError) << name;
    Section section(name);
    FittedNumbers numbers = type.fit(section, {2, {1, 2, 3, 5, 4, 1}});
    for (auto& [what, values] : numbers) {
      FittedNumbers damaged = numbers;
      damaged[what].push_back(0);
      EXPECT_THROW(type.apply(damaged, row), UserError) << name << " " << what;
    }
  }
}

TEST(Fitted, WordsAreChecked) {
  EXPECT_THAT(refusal("standardize"), HasSubstr("did you mean 'standardise'"));
  EXPECT_THAT(refusal("impute bye=mean"), HasSubstr("did you mean by="));
  EXPECT_THAT(refusal("impute median"), HasSubstr("'median' of impute is no key=value"));
  EXPECT_THAT(refusal("unit_length by=row"), HasSubstr("it has no keys"));
  EXPECT_THAT(refusal("clip deviations=0"), HasSubstr("deviations of clip"));
  EXPECT_THAT(refusal("clip deviations=1 deviations=2"), HasSubstr("twice"));
  EXPECT_THAT(refusal(""), HasSubstr("is no step"));
}

}  // namespace
}  // namespace cuttle
