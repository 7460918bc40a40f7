// Steps of preprocessing, against what is computed by hand.
#include "cuttle/sense/fitted.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

using testing::DoubleEq;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

const double kHole = std::numeric_limits<double>::quiet_NaN();

/// A sample after a step that was fitted on others.
FittedSamples sample_after(const std::string& words, const FittedSamples& training,
                           FittedSamples sample, const ModalitySpec& spec = {}) {
  static const auto types = builtin_fitted();
  const Section section = fitted_sections("list", {words}, types)[0];
  const FittedType& type = types.at(section.type);
  FittedStep step{section.type, words};
  type.fit(section, spec, training, step);
  type.apply(step, sample);
  return sample;
}

/// A row after a step that was fitted on others.
std::vector<double> after(const std::string& words, const FittedSamples& rows,
                          std::vector<double> row) {
  const auto columns = static_cast<std::int64_t>(row.size());
  return sample_after(words, rows, {columns, std::move(row)}).values;
}

/// A text after a step that was fitted on others.
std::string text_after(const std::string& words, const std::string& text,
                       const std::vector<std::string>& training = {}) {
  return sample_after(words, {0, {}, {}, training}, {0, {}, {}, {text}}).texts[0];
}

std::string refusal(const std::string& words, const FittedSamples& rows = {1, {1, 2}}) {
  try {
    after(words, rows, std::vector<double>(static_cast<std::size_t>(rows.columns)));
  } catch (const UserError& problem) {
    return problem.what();
  }
  return "";
}

const FittedSamples kRows{2, {1, 7, 2, 7, 6, 7}};  // means 3 and 7, deviations sqrt(14 / 3) and 0

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
  const FittedSamples rows{2, {1, 5, kHole, 5, 2, 4, 9, 4, 2, kHole, 1, 8}};
  EXPECT_THAT(after("impute", rows, {kHole, 3}), ElementsAre(3, 3));
  EXPECT_THAT(after("impute by=median", rows, {kHole, kHole}), ElementsAre(2, 5));
  EXPECT_THAT(after("impute by=median", {1, {1, 2, 4, 8}}, {kHole}), ElementsAre(3));
  EXPECT_THAT(after("impute by=most_frequent", rows, {kHole, kHole}), ElementsAre(1, 4));
}

TEST(Fitted, ImputeNearestGoesByTheColumnsThatAreKnown) {
  // The nearest to {0, 0, ?} are {0, 1, 10} and {?, 1, 20}; {0, 0, ?} has nothing to give.
  const FittedSamples rows{3, {0, 1, 10, kHole, 1, 20, 0, 0, kHole, 5, 5, 90}};
  EXPECT_THAT(after("impute_nearest neighbours=1", rows, {0, 0, kHole}), ElementsAre(0, 0, 10));
  EXPECT_THAT(after("impute_nearest neighbours=2", rows, {0, 0, kHole}), ElementsAre(0, 0, 15));
  EXPECT_THAT(after("impute_nearest", rows, {0, 0, kHole}), ElementsAre(0, 0, 40));
  EXPECT_THAT(after("impute_nearest rows=2", rows, {5, 5, kHole}), ElementsAre(5, 5, 10));
  EXPECT_THAT(after("impute_nearest", rows, {kHole, kHole, kHole})[2], DoubleEq(40));
  EXPECT_THAT(after("impute_nearest", rows, {1, 2, 3}), ElementsAre(1, 2, 3));
  // Fewer known columns make no row nearer: it is the mean of squares, 1 against 1.44.
  const FittedSamples unlike{3, {1, 1, 10, kHole, 1.2, 20}};
  EXPECT_THAT(after("impute_nearest neighbours=1", unlike, {0, 0, kHole}), ElementsAre(0, 0, 10));
}

TEST(Fitted, PcaTurnsToTheDirectionsOfMostVariance) {
  // Along (1, 1) with variance 16 / 3 (over n - 1), along (1, -1) with variance 1 / 3, around (1,
  // 2).
  const double r = std::sqrt(0.5);
  const auto x = [&](double u, double v) { return 1 + r * (u + v); };
  const auto y = [&](double u, double v) { return 2 + r * (u - v); };
  const FittedSamples rows{2,
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
  EXPECT_THAT(refusal("standardise", {2, {1, kHole}, {1}, {}, {"age", "height"}}),
              HasSubstr("column height has no value"));
  EXPECT_THAT(refusal("pca", {2, {1, kHole, 2, 3}}), HasSubstr("put impute before it"));
  EXPECT_THAT(refusal("pca", {2, {1, 2}}), HasSubstr("one training sample"));
  EXPECT_THAT(refusal("pca columns=3", {2, {1, 2, 3, 3, 4, 5, 6, 7}}),
              HasSubstr("vary in 2 directions at most"));
  EXPECT_THAT(refusal("pca columns=2", {3, {1, 2, 3, 3, 4, 5}}), HasSubstr("in 1 directions"));
  EXPECT_THAT(refusal("pca columns=2", {2, {0, 0, 1, 1, 2, 2}}), HasSubstr("vary in 1 directions"));
  EXPECT_THAT(refusal("pca", {2, {1, 1, 1, 1}}), HasSubstr("vary in 0 directions"));
}

TEST(Fitted, DifferencesAreOfMomentsThatFollowEachOther) {
  const FittedSamples changes = sample_after("difference", {}, {2, {1, 10, 3, 20, 7, 5}});
  EXPECT_EQ(changes.columns, 2);
  EXPECT_THAT(changes.values, ElementsAre(2, 10, 4, -15));
  EXPECT_THAT(sample_after("difference", {}, {2, {5, 6}}).values, ElementsAre(0, 0));
}

TEST(Fitted, ASeasonIsTheMeanOfItsMomentsOverTrainingSeries) {
  // Two series, of 5 and 3 moments and one column: moments 1 to 3 have means 2, 4 and 9.
  const FittedSamples training{1, {1, 4, 9, 2, kHole, 3, 4, 9}, {5, 3}};
  EXPECT_THAT(sample_after("seasonal period=3", training, {1, {5, 5, 5, 5}}).values,
              ElementsAre(3, 1, -4, 3));
  const FittedSamples two{2, {1, 10, 3, 30, 5, 50}, {3}};
  EXPECT_THAT(sample_after("seasonal period=2", two, {2, {0, 0, 0, 0}}).values,
              ElementsAre(-3, -30, -3, -30));
  EXPECT_THAT(refusal("seasonal period=9", training), HasSubstr("a value at moment 5 of 9"));
  EXPECT_THAT(refusal("seasonal", training), HasSubstr("seasonal period=24"));
}

TEST(Fitted, WindowsHaveTheirMomentsSideBySide) {
  const FittedSamples windows =
      sample_after("windows length=2 stride=2", {}, {2, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}});
  EXPECT_EQ(windows.columns, 4);
  EXPECT_THAT(windows.values, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_THAT(sample_after("windows length=3", {}, {1, {1, 2, 3, 4}}).values,
              ElementsAre(1, 2, 3, 2, 3, 4));
  EXPECT_THAT(sample_after("windows length=3", {}, {1, {1, 2}}).values, ElementsAre(1, 2, 2));
}

TEST(Fitted, SilenceIsCutAtTheEndsAlone) {
  ModalitySpec spec;
  spec.kind = ModalityKind::kAudio;
  spec.sample_rate = 100;  // frames of 2
  const FittedSamples sound{1, {0, 1, 0, 0, 900, -900, 0, 0, 90, 90, 8, 8, 0, 0}};
  const auto trimmed = [&](const std::string& words, const FittedSamples& of) {
    return sample_after(words, {}, of, spec).values;
  };
  EXPECT_THAT(trimmed("trim_silence keep=0", sound), ElementsAre(900, -900, 0, 0, 90, 90));
  EXPECT_THAT(trimmed("trim_silence keep=0 below=10", sound), ElementsAre(900, -900));
  EXPECT_THAT(trimmed("trim_silence keep=0.03 below=10", sound),
              ElementsAre(1, 0, 0, 900, -900, 0, 0, 90));
  EXPECT_THAT(trimmed("trim_silence keep=0 below=10", {1, {0, 0, 100, -100, 33}}),
              ElementsAre(100, -100, 33));  // the last frame is short, and as loud as its mean
  EXPECT_THAT(trimmed("trim_silence keep=9", sound), testing::SizeIs(14));
  EXPECT_THAT(trimmed("trim_silence", {1, {0, 0, 0}}), ElementsAre(0, 0, 0));
  EXPECT_THAT(trimmed("trim_silence keep=0", {1, {0, 0, 5}}), ElementsAre(5));
}

TEST(Fitted, LettersBecomeSmallInEveryScript) {
  EXPECT_EQ(text_after("lower", "Où est LA GARE? ЖИЗНЬ, ΑΒΓ 42"), "où est la gare? жизнь, αβγ 42");
  EXPECT_EQ(text_after("lower", "A\xff\xfe B"), "a\xff\xfe b");
}

TEST(Fitted, StopWordsAreThoseOfManyTrainingTexts) {
  const std::vector<std::string> training{"The cat", "the dog, the dog", "a THE bird", "cat"};
  EXPECT_EQ(text_after("stop_words share=0.75", "The cat and the dog", training), "cat and dog");
  EXPECT_EQ(text_after("stop_words share=0.5", "(the) cat, dog the", training), "() , dog");
  EXPECT_EQ(text_after("stop_words share=0.5", "The CAT", training), "The CAT");  // nothing is left
  EXPECT_EQ(text_after("stop_words share=1", "the cat", training), "the cat");
}

TEST(Fitted, StopWordsMayComeFromAFile) {
  const std::string path = testing::TempDir() + "stop words.txt", quoted = "'" + path + "'";
  std::ofstream(path) << "What\nIs\nn'est\n";
  EXPECT_EQ(text_after("stop_words file=" + quoted, "what is new"), "new");
  EXPECT_EQ(text_after("stop_words file=" + quoted, "il n'est pas"), "il pas");
  EXPECT_THAT(refusal("stop_words file=/no/such"), HasSubstr("/no/such"));
  EXPECT_THAT(refusal("stop_words file='/no such"), HasSubstr("a quote that does not end"));
  std::ofstream(path) << "is\xff";
  EXPECT_THAT(refusal("stop_words file=" + quoted), HasSubstr("no text in UTF-8 (byte 2)"));
  std::ofstream(path) << "?!";
  EXPECT_THAT(refusal("stop_words file=" + quoted), HasSubstr("has no word"));
}

TEST(Fitted, StemsAreSnowballs) {
  EXPECT_EQ(text_after("stem", "Transferring transfers, generously!"),
            "transfer transfer, generous!");
  EXPECT_EQ(text_after("stem language=french", "Les continuellement grandes"),
            "le continuel grand");
  EXPECT_THAT(refusal("stem language=klingon"), HasSubstr("language of stem"));
}

TEST(Fitted, TfIdfCountsWordsAndRareOnesMore) {
  const std::vector<std::string> training{"A cat, a dog", "the cat", "THE dog: dog", "it's"};
  const auto row = [&](const std::string& words, const std::string& text) {
    return sample_after(words, {0, {}, {}, training}, {0, {}, {}, {text}}).values;
  };
  const double twice = std::log(5 / 3.0) + 1, once = std::log(5 / 2.0) + 1;
  // cat, dog, the; all four are in one text or two.
  EXPECT_THAT(row("tf_idf", "Dog, dog the bird it's"),
              ElementsAre(0, DoubleEq(2 * twice), DoubleEq(twice)));
  EXPECT_THAT(row("tf_idf", "?"), ElementsAre(0, 0, 0));
  EXPECT_THAT(row("tf_idf texts=1", "a it's"),
              ElementsAre(DoubleEq(once), 0, 0, DoubleEq(once), 0));
  EXPECT_THAT(row("tf_idf texts=1 columns=2", "a cat dog"),
              ElementsAre(DoubleEq(twice), DoubleEq(twice)));
  EXPECT_THAT(refusal("tf_idf texts=3", {0, {}, {}, training}), HasSubstr("no word is in 3"));
  const auto made = sample_after("tf_idf", {0, {}, {}, training}, {0, {}, {}, {"cat"}});
  EXPECT_EQ(made.rows(), 1);
  EXPECT_TRUE(made.texts.empty() && made.lengths == std::vector<std::int64_t>{1});
}

TEST(Fitted, NumbersOfADamagedFileAreRefused) {
  ModalitySpec spec;
  spec.sample_rate = 100;
  for (const auto& [name, type] : builtin_fitted()) {
    const bool text = type.kinds == std::vector<ModalityKind>{ModalityKind::kText};
    FittedSamples training{2, {1, 2, 3, 5, 4, 1}, {3}};
    if (text) training = {0, {}, {}, {"a b", "a"}};
    const FittedSamples sample =
        text ? FittedSamples{0, {}, {}, {"b"}} : FittedSamples{2, {1, kHole}};
    Section section(name);
    if (name == "seasonal") section.values["period"] = "2";
    FittedStep step{name, name};
    type.fit(section, spec, training, step);
    auto refuses = [&](const FittedStep& damaged) {
      FittedSamples one = sample;
      EXPECT_THROW(type.apply(damaged, one), UserError) << name;
    };
    if (!step.numbers.empty()) refuses({name, name});
    for (auto& [what, values] : step.numbers) {
      FittedStep damaged = step;
      damaged.numbers[what].push_back(0);
      refuses(damaged);
    }
    if (!step.texts.empty()) refuses({name, name, 0, {}, {"z", "no language"}});
  }
}

TEST(Fitted, WhatGoesFromMomentToMomentNeedsEvenTimes) {
  ModalitySpec spec;
  spec.name = "visits";
  spec.kind = ModalityKind::kSeries;
  spec.shape = {2};
  spec.columns = {"dose", "day:elapsed"};
  for (const std::string step : {"difference", "seasonal period=2", "windows"}) try {
      fit_sense("list", spec, {step}, {}, builtin_fitted());
      ADD_FAILURE() << step;
    } catch (const UserError& problem) {
      EXPECT_THAT(problem.what(), HasSubstr("uneven times (its channel day:elapsed)"));
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
