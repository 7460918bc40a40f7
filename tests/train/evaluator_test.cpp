// Evaluation: the same report everywhere, and each of its numbers against a plain computation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <set>

#include "cuttle/core/error.hpp"
#include "train/tiny_evaluation.hpp"

namespace cuttle {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class Evaluation : public TinyShardsTest {
 protected:
  static TinyModel model_of(const std::string& algorithm) {
    return TinyModel(shards_->path(), algorithm);
  }
  /// The tasks that a learner is given when the plan is evaluated.
  static std::vector<Task> tasks_given(const EvaluationPlan& plan) {
    std::vector<Task> given;
    TinyModel model = model_of("protonet");
    model.follow({nullptr,
                  [&](const Batch& support, const Batch& query) {
                    given.push_back({support, query, {}});
                    return answers(query, 0, 1.0);
                  },
                  nullptr});
    model.evaluate(*solo_, plan);
    return given;
  }

  static std::unique_ptr<Communicator> solo_;
};

std::unique_ptr<Communicator> Evaluation::solo_ = make_solo_communicator();

/// Which senses each sample has, as bits.
std::vector<int> senses_of(const Batch& batch) {
  std::vector<int> senses(static_cast<std::size_t>(batch.size), 0);
  for (std::size_t m = 0; m < batch.modalities.size(); ++m)
    for (std::int64_t i = 0; i < batch.modalities[m].rows.numel(); ++i)
      senses[batch.modalities[m].rows[i].item<std::int64_t>()] |= 1 << m;
  return senses;
}

/// True if the rows that `hidden` has left are those of `whole`.
bool keeps_values(const Batch& hidden, const Batch& whole) {
  for (std::size_t m = 0; m < whole.modalities.size(); ++m) {
    const auto& left = hidden.modalities[m];
    const auto& all = whole.modalities[m];
    for (std::int64_t i = 0; i < left.rows.numel(); ++i) {
      const auto place = all.rows.eq(left.rows[i]).nonzero();
      if (place.numel() != 1) return false;
      const auto row = all.values[place.item<std::int64_t>()];
      if (!torch::equal(left.values[i], row)) return false;
    }
  }
  return torch::equal(hidden.labels, whole.labels);
}

TEST_F(Evaluation, ReportsTheSameBitsOnEveryRankOfEveryWorldSize) {
  EvaluationPlan plan = tiny_plan();
  plan.missing_rate = 0.3;
  plan.trace = true;
  plan.confusion = true;
  const std::string alone = exact(model_of("maml").evaluate(*solo_, plan));
  for (const int ranks : {1, 2, 3, 8})  // of 8 one has no episode
    EXPECT_THAT(
        on_ranks(ranks,
                 [&](Communicator& comm) { return exact(model_of("maml").evaluate(comm, plan)); }),
        Each(alone))
        << ranks << " ranks";
}

TEST_F(Evaluation, TellsEachRankOfItsOwnEpisodes) {
  EXPECT_THAT(on_ranks(3,
                       [&](Communicator& comm) {
                         const TinyModel model = model_of("protonet");
                         std::string told;
                         model.evaluate(comm, tiny_plan(),
                                        [&](std::int64_t done) { told += std::to_string(done); });
                         return told;
                       }),
              ElementsAre("123", "12", "12"));
}

TEST_F(Evaluation, MeansAccuracyAndLossOverEpisodes) {
  const TinyModel model = model_of("protonet");
  const auto report = model.evaluate(*solo_, tiny_plan());
  ASSERT_THAT(report.episode_scores, SizeIs(7));
  double sum = 0, squares = 0, losses = 0;
  for (std::int64_t n = 0; n < 7; ++n) {
    const Task task = model.task(tiny_plan(), n);
    const auto logits = model.logits(task);
    std::int64_t right = 0;
    for (std::int64_t i = 0; i < 6; ++i) {
      const auto chances = torch::softmax(logits[i].to(torch::kFloat64), 0);
      const auto label = task.query.labels[i].item<std::int64_t>();
      losses -= std::log(chances[label].item<double>()) / 6;
      right += chances.argmax().item<std::int64_t>() == label;
    }
    const double share = static_cast<double>(right) / 6;
    EXPECT_FLOAT_EQ(report.episode_scores[static_cast<std::size_t>(n)], share) << n;
    sum += share;
    squares += share * share;
  }
  ASSERT_THAT(report.metrics, SizeIs(1));
  const Interval& accuracy = report.metrics[0];
  EXPECT_NEAR(accuracy.mean, sum / 7, 1e-7);
  EXPECT_NEAR(accuracy.half_width, 2.4469119 * std::sqrt((squares - sum * sum / 7) / 6 / 7), 1e-6);
  EXPECT_EQ(exact(report.score), exact(accuracy));
  EXPECT_NEAR(report.loss.mean, losses / 7, 1e-5);
  EXPECT_EQ(accuracy.count, 7);
  EXPECT_THAT(report.trace, SizeIs(0));
}

TEST_F(Evaluation, CountsEveryQueryUnderItsClassAndTheAnswer) {
  TinyModel model = model_of("protonet");
  const auto always_the_first = [](const Batch&, const Batch& query) {
    return torch::one_hot(torch::zeros_like(query.labels), query.way) * 1.0;
  };
  model.follow({nullptr, always_the_first, nullptr});
  const auto& classes = model.data->classes_of(Split::kTest);
  const auto row_of = [&](std::int32_t id) {
    return std::find(classes.begin(), classes.end(), id) - classes.begin();
  };
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> expected;
  for (std::int64_t n = 0; n < 7; ++n) {
    const auto drawn = model.episode(tiny_plan(), n).classes;
    for (std::size_t label = 0; label < 3; ++label)
      expected[{row_of(drawn[label]), row_of(drawn[0])}] += 2;
  }
  EXPECT_FALSE(model.evaluate(*solo_, tiny_plan()).confusion);  // only on request
  auto plan = tiny_plan();
  plan.confusion = true;
  const auto report = model.evaluate(*solo_, plan);
  EXPECT_NEAR(report.score.mean, 1.0 / 3.0, 1e-6);
  ASSERT_TRUE(report.confusion);
  ASSERT_EQ(report.confusion->classes(), 6);
  ASSERT_TRUE(report.counts);
  const auto scores = report.counts->class_scores();
  for (std::int64_t i = 0; i < 6; ++i) {
    std::int64_t truths = 0, predictions = 0;
    for (std::int64_t j = 0; j < 6; ++j) {
      truths += expected[{i, j}];
      predictions += expected[{j, i}];
    }
    EXPECT_EQ(scores[static_cast<std::size_t>(i)].truths, truths);
    EXPECT_EQ(scores[static_cast<std::size_t>(i)].predictions, predictions);
  }
  for (std::int64_t i = 0; i < 6; ++i)
    for (std::int64_t j = 0; j < 6; ++j)
      EXPECT_EQ(report.confusion->count(i, j), (expected[{i, j}])) << i << " taken for " << j;
}

/// More classes than a confusion matrix has room for.
TEST_F(Evaluation, ManyClassesAreCountedAndTheirMatrixIsRefusedBeforeTheFirstTask) {
  const TempFolder folder;
  SyntheticOptions options;
  options.modalities = {"text"};
  options.classes = {3, 3, 10001};
  options.samples_per_class = 3;
  write_synthetic_shards(folder.path(), options);
  auto plan = tiny_plan();
  TinyModel model(folder.path(), "protonet");
  model.follow({nullptr, [](const Batch&, const Batch& q) { return answers(q, 0, 1.0); }, nullptr});
  const auto report = model.evaluate(*solo_, plan);
  ASSERT_TRUE(report.counts);
  EXPECT_EQ(report.counts->classes(), 10001);
  EXPECT_EQ(report.counts->scores().macro_recall, 1.0);
  plan.confusion = true;
  const auto fail = [](const Batch&, const Batch&) -> torch::Tensor {
    throw Error("work has started");
  };
  model.follow({nullptr, fail, nullptr});
  EXPECT_THAT(refusal_of([&] { model.evaluate(*solo_, plan); }),
              HasSubstr("a confusion matrix of 10001 classes was asked for"));
}

TEST_F(Evaluation, OneEpisodeHasNoInterval) {
  auto plan = tiny_plan();
  plan.episodes = 1;
  const TinyModel model = model_of("protonet");
  const auto alone = model.evaluate(*solo_, plan).score;
  EXPECT_FALSE(margin_of(alone));
  EXPECT_THAT(model.parts.kind->say_score(alone.mean, margin_of(alone)),
              testing::AllOf(HasSubstr("accuracy"), testing::Not(HasSubstr("+-"))));
  plan.episodes = 2;
  EXPECT_TRUE(margin_of(model.evaluate(*solo_, plan).score));
}

TEST_F(Evaluation, MoreEpisodesGoOnWithTheSameList) {
  EvaluationPlan plan = tiny_plan();
  const TinyModel model = model_of("protonet");
  const auto seven = model.evaluate(*solo_, plan).episode_scores;
  plan.episodes = 3;
  EXPECT_EQ(model.evaluate(*solo_, plan).episode_scores,
            std::vector<float>(seven.begin(), seven.begin() + 3));
}

TEST_F(Evaluation, HidesTheModalitiesThatThePlanLeavesOut) {
  EvaluationPlan plan = tiny_plan();
  plan.modalities = {true, false};
  const TinyModel model = model_of("protonet");
  const auto given = tasks_given(plan);
  ASSERT_THAT(given, SizeIs(7));
  for (std::size_t n = 0; n < 7; ++n) {
    const Task whole = model.task(plan, static_cast<std::int64_t>(n));
    for (const auto part : {&Task::support, &Task::query}) {
      const Batch& seen = given[n].*part;
      EXPECT_TRUE(keeps_values(seen, whole.*part));
      EXPECT_EQ(seen.modalities[0].rows.numel(), (whole.*part).modalities[0].rows.numel());
      EXPECT_EQ(seen.modalities[1].rows.numel(), 0);
    }
  }
}

TEST_F(Evaluation, CountsEpisodesThatHaveNothingToLookAt) {
  const TinyModel model = model_of("protonet");
  auto plan = tiny_plan();
  EXPECT_EQ(model.evaluate(*solo_, plan).blind, 0);
  plan.modalities = {false, false};
  for (const auto& text : on_ranks(3, [&](Communicator& comm) {
         return std::to_string(model_of("protonet").evaluate(comm, plan).blind);
       }))
    EXPECT_EQ(text, std::to_string(plan.episodes));
}

TEST_F(Evaluation, MissingRateHidesAtRandomButNeverTheLastSense) {
  EvaluationPlan plan = tiny_plan();
  plan.episodes = 30;
  plan.missing_rate = 0.4;
  const TinyModel model = model_of("protonet");
  const auto given = tasks_given(plan), again = tasks_given(plan);
  ASSERT_THAT(given, SizeIs(30));
  for (const auto part : {&Task::support, &Task::query}) {
    double could_lose = 0, lost = 0;
    for (std::size_t n = 0; n < 30; ++n) {
      const Batch whole = model.task(plan, static_cast<std::int64_t>(n)).*part;
      const Batch& seen = given[n].*part;
      EXPECT_TRUE(keeps_values(seen, whole));
      const auto had = senses_of(whole), has = senses_of(seen);
      EXPECT_EQ(has, senses_of(again[n].*part));
      for (std::size_t i = 0; i < had.size(); ++i) {
        EXPECT_NE(has[i], 0) << "sample " << i << " of episode " << n;
        could_lose += had[i] == 3;
        lost += has[i] != had[i];
      }
    }
    // One of two goes unless both stay: 1 - 0.6^2, within four standard errors of the fewer
    // samples.
    EXPECT_NEAR(lost / could_lose, 0.64, 4 * std::sqrt(0.64 * 0.36 / could_lose));
  }
}

TEST_F(Evaluation, TheRateInEffectIsOfAllSensesOfAllEpisodesAtEveryWorldSize) {
  EvaluationPlan plan = tiny_plan();
  EXPECT_EQ(model_of("protonet").evaluate(*solo_, plan).hidden_rate, 0.0);
  const auto count = [&](const std::vector<bool>& in_use) {
    plan.missing_rate = 0.7;
    plan.modalities = in_use;
    const TinyModel model = model_of("protonet");
    const auto given = tasks_given(plan);
    double had = 0, has = 0;
    for (std::size_t n = 0; n < given.size(); ++n)
      for (const auto part : {&Task::support, &Task::query}) {
        const Batch whole = model.task(plan, static_cast<std::int64_t>(n)).*part;
        for (std::size_t m = 0; m < 2; ++m) {
          if (!in_use[m]) continue;
          had += static_cast<double>(whole.modalities[m].rows.numel());
          has += static_cast<double>((given[n].*part).modalities[m].rows.numel());
        }
      }
    return 1 - has / had;
  };
  const double expected = count({true, true});
  EXPECT_GT(expected, 0.2);
  EXPECT_LT(expected, 0.5);  // of two senses one stays
  for (const int ranks : {1, 2, 3, 8})
    for (const auto& told : on_ranks(ranks, [&](Communicator& comm) {
           return fmt::format("{}", model_of("protonet").evaluate(comm, plan).hidden_rate);
         }))
      EXPECT_NEAR(std::stod(told), expected, 1e-12) << ranks << " ranks";
  EXPECT_EQ(count({true, false}), 0.0);  // what --modalities leaves out is not counted as hidden
  EXPECT_EQ(model_of("protonet").evaluate(*solo_, plan).hidden_rate, 0.0);
}

TEST_F(Evaluation, AtMissingRateOneEverySampleHasOneSenseOfThoseInUse) {
  EvaluationPlan plan = tiny_plan();
  plan.missing_rate = 1.0;
  std::set<int> left;
  for (const auto& task : tasks_given(plan))
    for (const int senses : senses_of(task.query)) left.insert(senses);
  EXPECT_THAT(left, ElementsAre(1, 2));
  plan.modalities = {true, false};
  const TinyModel model = model_of("protonet");
  const auto given = tasks_given(plan);
  for (std::size_t n = 0; n < 7; ++n) {
    auto had = senses_of(model.task(plan, static_cast<std::int64_t>(n)).query);
    for (int& senses : had) senses &= 1;
    EXPECT_EQ(senses_of(given[n].query), had);
  }
}

TEST_F(Evaluation, TraceStartsBeforeTheFirstStepAndEndsWithTheReport) {
  EvaluationPlan plan = tiny_plan();
  plan.trace = true;
  const TinyModel model = model_of("maml");
  const auto report = model.evaluate(*solo_, plan);
  ASSERT_EQ(model.parts.learner->eval_steps(), 3);
  ASSERT_THAT(report.trace, SizeIs(4));
  for (std::size_t k = 0; k < 4; ++k) EXPECT_EQ(report.trace[k].step, static_cast<std::int64_t>(k));
  EXPECT_THAT(report.trace[3].query_metrics, ElementsAre(report.score.mean));
  EXPECT_NEAR(report.trace[3].query_loss, report.loss.mean, 1e-6);
  EXPECT_LT(report.trace[3].support_loss, report.trace[0].support_loss);
  EXPECT_THAT(model_of("protonet").evaluate(*solo_, plan).trace, SizeIs(0));
}

TEST_F(Evaluation, TraceLinesAreMeansOverTheEpisodes) {
  EvaluationPlan plan = tiny_plan();
  plan.trace = true;
  TinyModel model = model_of("maml");
  const auto script = [](const Task& task) {
    std::vector<StepDiagnostics> lines;
    for (std::int64_t k = 0; k < 4; ++k) {
      const double base =
          8.0 * static_cast<double>(k) + task.key.slot;  // slots 0 to 6: 3 in the mean
      lines.push_back({k, base, base + 1.0, {base + 0.5}, {base + 1.5}});
    }
    return lines;
  };
  model.follow({nullptr, [](const Batch&, const Batch& q) { return answers(q, 0, 1.0); }, script});
  const auto lines = model.evaluate(*solo_, plan).trace;
  ASSERT_THAT(lines, SizeIs(4));
  for (std::size_t k = 0; k < 4; ++k) {
    const double mean = 8.0 * static_cast<double>(k) + 3.0;
    EXPECT_EQ(lines[k].support_loss, mean);
    EXPECT_THAT(lines[k].support_metrics, ElementsAre(mean + 0.5));
    EXPECT_EQ(lines[k].query_loss, mean + 1.0);
    EXPECT_THAT(lines[k].query_metrics, ElementsAre(mean + 1.5));
  }
}

TEST_F(Evaluation, RefusesASplitWithoutClassesOnEveryRank) {
  const TempFolder folder;
  SyntheticOptions options;
  options.modalities = {"image", "text"};
  options.classes = {8, 0, 6};
  write_synthetic_shards(folder.path(), options);
  EvaluationPlan plan = tiny_plan();
  plan.split = Split::kValidation;
  EXPECT_THAT(on_ranks(3,
                       [&](Communicator& comm) {
                         const TinyModel model(folder.path(), "protonet");
                         return refusal_of([&] { model.evaluate(comm, plan); });
                       }),
              Each(HasSubstr("split validation has 0 classes")));
}

TEST_F(Evaluation, OneRanksTroubleEndsItOnAll) {
  EXPECT_THAT(on_ranks(3,
                       [&](Communicator& comm) {
                         TinyModel model = model_of("protonet");
                         const auto fail = [&](const Batch&, const Batch& query) {
                           CUTTLE_VALIDATE(comm.rank() != 1, "the second rank stumbles");
                           return answers(query, 0, 1.0);
                         };
                         model.follow({nullptr, fail, nullptr});
                         return refusal_of([&] { model.evaluate(comm, tiny_plan()); });
                       }),
              Each(HasSubstr("the second rank stumbles")));
}

TEST_F(Evaluation, NamesTheEpisodeThatIsNotFinite) {
  EvaluationPlan plan = tiny_plan();
  plan.trace = true;
  const auto failure = [&](Communicator& comm, bool in_trace) -> std::string {
    TinyModel model = model_of("maml");
    const auto predict = [&](const Batch&, const Batch& query) {
      return answers(query, 0, in_trace ? 1.0 : std::nan(""));
    };
    const auto trace = [&](const Task& task) {
      const double loss = task.key.slot == 4 ? std::nan("") : 1.0;  // of the seven
      return std::vector<StepDiagnostics>(4, {0, 1.0, loss, {1.0}, {1.0}});
    };
    model.follow({nullptr, predict, trace});
    try {
      model.evaluate(comm, plan);
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  };
  for (const int ranks : {1, 3})
    EXPECT_THAT(on_ranks(ranks, [&](Communicator& comm) { return failure(comm, true); }),
                Each(HasSubstr("test episode 4: its trace is nan")))
        << ranks;
  EXPECT_THAT(failure(*solo_, false), HasSubstr("test episode 0: its loss is nan"));
  plan.skip_nonfinite = true;
  EXPECT_EQ(failure(*solo_, true), "");
}

TEST(DescribeEpisodes, SpeaksOfWhatTheyAreMadeOf) {
  EpisodeOptions episode;
  episode.shot = 3;
  episode.query = 4;
  const auto said = [&](const std::string& target) {
    return describe_episodes(*builtin_task_kinds().at(target).make({Section(target)}), episode);
  };
  EXPECT_EQ(said("class"), "5-way 3-shot, 4 queries per class");
  EXPECT_EQ(said("value"), "regression from 3 samples, 4 queries");
  EXPECT_EQ(said("return"), "3 episodes to adapt to, 4 to score");
}

TEST(EvaluationPlanOfAConfig, HasTheRunsSeedUnlessItHasItsOwn) {
  RunConfig config;
  config.seed = 7;
  EXPECT_EQ(evaluation_plan(config, Split::kTest, 3).seed, 7u);
  config.evaluation.seed = 4;
  EXPECT_EQ(evaluation_plan(config, Split::kTest, 3).seed, 4u);
  EXPECT_EQ(evaluation_plan(config, Split::kValidation, 3).seed, 4u);
}

TEST(EvaluationKey, NamesSeedSplitAndEpisode) {
  EvaluationPlan plan = tiny_plan();
  std::set<std::uint32_t> draws;
  for (const auto split : {Split::kTrain, Split::kValidation, Split::kTest})
    for (const std::uint64_t seed : {5, 6})
      for (const std::int64_t number : {0, 1, 599}) {
        plan.split = split;
        plan.seed = seed;
        EXPECT_EQ(evaluation_key(plan, number).slot, number);
        draws.insert(Random(evaluation_key(plan, number)).bits());
      }
  EXPECT_THAT(draws, SizeIs(18));
}

}  // namespace
}  // namespace cuttle
