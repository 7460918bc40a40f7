// Contenders on the same episodes: accuracies, paired leads, averaged logits, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "cuttle/core/error.hpp"
#include "train/tiny_evaluation.hpp"

namespace cuttle {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::SizeIs;

/// Complete samples: models of different senses see the same episodes.
EvaluationPlan fair_plan() {
  EvaluationPlan plan = tiny_plan();
  plan.episode.complete = true;
  return plan;
}

class Comparison : public TinyShardsTest {
 protected:
  static TinyModel model_of(const std::vector<std::string>& senses = {}) {
    return TinyModel(shards_->path(), "maml", senses);
  }
  /// One that gives the `shift`th class beyond the right one this many logits more.
  static TinyModel one_that_says(std::int64_t shift, double margin) {
    TinyModel model = model_of();
    const auto say = [=](const Batch&, const Batch& query) {
      return answers(query, shift, margin);
    };
    model.follow({nullptr, say, nullptr});
    return model;
  }

  const std::unique_ptr<Communicator> solo_ = make_solo_communicator();
};

std::string exact(const ComparisonReport& report) {
  std::string text;
  for (const auto& interval : report.accuracy) text += exact(interval);
  for (const auto& interval : report.lead) text += exact(interval);
  return text + exact(report.averaged) + exact(report.lead_over_averaged);
}

/// Mean and standard errors of a - b.
void expect_lead(const Interval& lead, const std::vector<float>& a, const std::vector<float>& b) {
  const auto count = static_cast<double>(a.size());
  double sum = 0, squares = 0;
  for (std::size_t n = 0; n < a.size(); ++n) {
    const double difference = static_cast<double>(a[n]) - b[n];
    sum += difference;
    squares += difference * difference;
  }
  EXPECT_NEAR(lead.mean, sum / count, 1e-7);
  const double variance = (squares - sum * sum / count) / (count - 1);
  EXPECT_NEAR(lead.half_width,
              standard_errors(static_cast<std::int64_t>(count)) * std::sqrt(variance / count),
              1e-6);
  EXPECT_EQ(lead.count, static_cast<std::int64_t>(a.size()));
}

TEST_F(Comparison, LeadsArePairedDifferencesOfWhatEachScoresAlone) {
  const TinyModel fused = model_of(), image = model_of({"image"}), text = model_of({"text"});
  const auto plan = fair_plan();
  const auto report =
      compare(*solo_, {fused.contender(), image.contender(), text.contender()}, plan);
  const std::vector<EvaluationReport> alone = {
      fused.evaluate(*solo_, plan), image.evaluate(*solo_, plan), text.evaluate(*solo_, plan)};
  ASSERT_THAT(report.accuracy, SizeIs(3));
  ASSERT_THAT(report.lead, SizeIs(2));
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(exact(report.accuracy[i]), exact(alone[i].score)) << i;
  EXPECT_NE(exact(alone[0].score), exact(alone[1].score));  // else the order would not show
  EXPECT_NE(exact(alone[1].score), exact(alone[2].score));
  for (std::size_t i = 1; i < 3; ++i)
    expect_lead(report.lead[i - 1], alone[0].episode_scores, alone[i].episode_scores);
}

TEST_F(Comparison, TheSurerOfTwoOthersDecidesTheAverage) {
  const TinyModel first = one_that_says(1, 1.0), right = one_that_says(0, 2.0);
  for (const double margin : {1.0, 3.0}) {
    const TinyModel wrong = one_that_says(1, margin);
    const auto report =
        compare(*solo_, {first.contender(), right.contender(), wrong.contender()}, fair_plan());
    EXPECT_EQ(report.averaged.mean, margin < 2.0 ? 1.0 : 0.0);
    EXPECT_EQ(report.lead_over_averaged.mean, margin < 2.0 ? -1.0 : 0.0);
    EXPECT_EQ(report.lead[0].mean, -1.0);
    EXPECT_EQ(report.lead[1].mean, 0.0);
  }
}

TEST_F(Comparison, AContenderLeadsItselfByNothing) {
  const TinyModel model = model_of();
  const auto report = compare(*solo_, {model.contender(), model.contender()}, fair_plan());
  const Interval nothing{0.0, 0.0, 7};
  EXPECT_EQ(exact(report.lead[0]), exact(nothing));
  EXPECT_EQ(exact(report.lead_over_averaged), exact(nothing));
  EXPECT_GT(report.accuracy[0].half_width, 0.0);
}

TEST_F(Comparison, TheAverageOfOneOtherIsThatOther) {
  const TinyModel fused = model_of(), text = model_of({"text"});
  const auto report = compare(*solo_, {fused.contender(), text.contender()}, fair_plan());
  EXPECT_EQ(exact(report.averaged), exact(report.accuracy[1]));
  EXPECT_EQ(exact(report.lead_over_averaged), exact(report.lead[0]));
}

TEST_F(Comparison, SameBitsOnEveryRankOfEveryWorldSize) {
  const auto work = [](Communicator& comm) {
    const TinyModel fused = model_of(), image = model_of({"image"}), text = model_of({"text"});
    return exact(
        compare(comm, {fused.contender(), image.contender(), text.contender()}, fair_plan()));
  };
  const std::string alone = work(*solo_);
  for (const int ranks : {1, 3, 8}) EXPECT_THAT(on_ranks(ranks, work), Each(alone)) << ranks;
}

TEST_F(Comparison, OtherSamplesAreRefusedNamingModelAndEpisode) {
  const TempFolder folder;
  SyntheticOptions options;
  options.modalities = {"image", "text"};
  options.samples_per_class = 14;
  write_synthetic_shards(folder.path(), options);
  const auto plan = fair_plan();
  const auto work = [&](Communicator& comm) {
    const TinyModel mine = model_of(), same = model_of(), other(folder.path(), "protonet");
    return refusal_of([&] {
      compare(comm, {mine.contender("a"), same.contender("b"), other.contender("c")}, plan);
    });
  };
  const auto expected = HasSubstr("c draws other samples than a for episode 0 ");
  EXPECT_THAT(work(*solo_), expected);
  EXPECT_THAT(on_ranks(3, work), Each(expected));
}

TEST_F(Comparison, SensesThatMissDifferentSamplesNeedCompleteOnes) {
  const TinyModel image = model_of({"image"}), text = model_of({"text"});
  const std::string refusal = refusal_of(
      [&] { compare(*solo_, {image.contender("image"), text.contender("text")}, tiny_plan()); });
  EXPECT_THAT(refusal, HasSubstr("text draws other samples than image "));
  EXPECT_THAT(refusal, HasSubstr("complete samples"));
}

}  // namespace
}  // namespace cuttle
