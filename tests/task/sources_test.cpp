// Sources of tasks that need no episodes of shards, against what their papers say of them: values
// fitted again from the samples, tables compared with frequencies, moments with their
// distributions.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "cuttle/task/task.hpp"
#include "task/sources/tabular_mdp.hpp"

namespace cuttle {
namespace {

RandomKey key_of(std::uint32_t slot) {
  return {4, Stream::kTesting, 0, slot};
}

/// A source that makes its own tasks, with the model that takes them.
struct Made {
  Made(const std::string& type, std::map<std::string, std::string> values, EpisodeOptions asked)
      : section(type, std::move(values)), episode(std::move(asked)) {
    const auto row = builtin_sources().at(type);
    inputs = row.inputs(section);
    model = std::make_unique<Model>(ModelOptions{}, inputs.modalities, 1, 1, ModelRegistry{});
    source = row.make({section, episode, Split::kTrain, nullptr, *model, nullptr, 0.0});
  }
  Section section;
  EpisodeOptions episode;
  TaskInputs inputs;
  std::unique_ptr<Model> model;
  std::unique_ptr<const TaskSource> source;
};

EpisodeOptions regression(std::int64_t shot, std::int64_t query, std::int64_t shot_min = 0) {
  EpisodeOptions episode;
  episode.target = "value";
  episode.of_values = true;
  episode.way = 1;
  episode.shot = shot;
  episode.shot_min = shot_min;
  episode.query = query;
  return episode;
}

std::vector<double> numbers(const torch::Tensor& x) {
  const auto flat = x.to(torch::kFloat64).contiguous().flatten();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}
std::vector<double> inputs_of(const Batch& batch) {
  return numbers(batch.modalities[0].values);
}
std::vector<double> targets_of(const Batch& batch) {
  return numbers(batch.targets);
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}
double deviation_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += std::pow(v - mean_of(values), 2);
  return std::sqrt(sum / static_cast<double>(values.size()));
}

/// a sin(x + phase) = A sin x + B cos x, by least squares.
struct Wave {
  double sine, cosine;
  double at(double x) const { return sine * std::sin(x) + cosine * std::cos(x); }
  double amplitude() const { return std::hypot(sine, cosine); }
  double phase() const { return std::atan2(cosine, sine); }
};
Wave fit(const std::vector<double>& x, const std::vector<double>& y) {
  double ss = 0, sc = 0, cc = 0, sy = 0, cy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double s = std::sin(x[i]), c = std::cos(x[i]);
    ss += s * s, sc += s * c, cc += c * c, sy += s * y[i], cy += c * y[i];
  }
  const double det = ss * cc - sc * sc;
  return {(cc * sy - sc * cy) / det, (ss * cy - sc * sy) / det};
}

TEST(Sinusoids, AreSinusoidsOfFinnsRanges) {
  const Made made("sinusoids", {}, regression(3, 30));
  EXPECT_EQ(made.inputs.target_width, 1);
  std::vector<double> amplitudes, phases, places;
  for (std::uint32_t slot = 0; slot < 500; ++slot) {
    const Task task = made.source->make(key_of(slot));
    // Fitted to what is asked; what is given lies on it, three samples as they are.
    const Wave wave = fit(inputs_of(task.query), targets_of(task.query));
    const auto x = inputs_of(task.support), y = targets_of(task.support);
    ASSERT_EQ(x.size(), 3u);
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(y[i], wave.at(x[i]), 2e-5);
    const auto asked = inputs_of(task.query), answers = targets_of(task.query);
    ASSERT_EQ(asked.size(), 30u);
    for (std::size_t i = 0; i < asked.size(); ++i) EXPECT_NEAR(answers[i], wave.at(asked[i]), 2e-5);
    amplitudes.push_back(wave.amplitude());
    phases.push_back(wave.phase());
    places.insert(places.end(), asked.begin(), asked.end());
  }
  const auto expect_uniform = [](std::vector<double> values, double low, double high,
                                 double slack) {
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    EXPECT_GE(*least, low - slack);
    EXPECT_LE(*most, high + slack);
    EXPECT_LT(*least, low + 0.02 * (high - low));
    EXPECT_GT(*most, high - 0.02 * (high - low));
    const double n = std::sqrt(static_cast<double>(values.size()));
    EXPECT_NEAR(mean_of(values), (low + high) / 2, 5 * (high - low) / std::sqrt(12.0) / n);
    EXPECT_NEAR(deviation_of(values), (high - low) / std::sqrt(12.0), (high - low) / n);
  };
  expect_uniform(amplitudes, 0.1, 5.0, 1e-4);
  expect_uniform(phases, 0.0, M_PI, 1e-3);
  expect_uniform(places, -5.0, 5.0, 0.0);
}

TEST(Sinusoids, NoiseAndLargestAmplitudeAreTheConfigs) {
  const Made made("sinusoids", {{"noise", "0.5"}, {"amplitude_max", "2"}}, regression(2, 400));
  std::vector<double> rest;
  for (std::uint32_t slot = 0; slot < 20; ++slot) {
    const Task task = made.source->make(key_of(slot));
    const auto x = inputs_of(task.query), y = targets_of(task.query);
    const Wave wave = fit(x, y);
    EXPECT_LT(wave.amplitude(), 2.2);
    for (std::size_t i = 0; i < x.size(); ++i) rest.push_back(y[i] - wave.at(x[i]));
  }
  EXPECT_NEAR(deviation_of(rest), 0.5, 0.02);
  EXPECT_NEAR(mean_of(rest), 0.0, 0.03);
}

bool same(const Task& a, const Task& b) {
  return torch::equal(a.support.modalities[0].values, b.support.modalities[0].values) &&
         torch::equal(a.support.targets, b.support.targets) &&
         torch::equal(a.query.modalities[0].values, b.query.modalities[0].values) &&
         torch::equal(a.query.targets, b.query.targets);
}

class Prior : public testing::TestWithParam<const char*> {};

TEST_P(Prior, TheKeyIsTheTask) {
  const Made made(GetParam(), {}, regression(4, 3));
  const Made again(GetParam(), {}, regression(4, 3));
  EXPECT_TRUE(same(made.source->make(key_of(1)), made.source->make(key_of(1))));
  EXPECT_TRUE(same(made.source->make(key_of(1)), again.source->make(key_of(1))));
  EXPECT_FALSE(same(made.source->make(key_of(1)), made.source->make(key_of(2))));
  const Task task = made.source->make(key_of(1));
  EXPECT_EQ(task.key.slot, 1u);
  // What is asked is not what was given.
  const auto given = task.support.modalities[0].values, asked = task.query.modalities[0].values;
  EXPECT_FALSE(asked.unsqueeze(1).eq(given.unsqueeze(0)).all(2).any().item<bool>());
}

TEST_P(Prior, SizeIsThatOfTheTask) {
  const Made made(GetParam(), {}, regression(6, 3, 2));
  std::set<std::int64_t> shots;
  for (std::uint32_t slot = 0; slot < 100; ++slot) {
    const EpisodeSize size = made.source->size(key_of(slot));
    const Task task = made.source->make(key_of(slot));
    EXPECT_EQ(task.support.size, size.support);
    EXPECT_EQ(task.query.size, size.query);
    EXPECT_EQ(size.query, 3);
    for (const Batch* batch : {&task.support, &task.query}) {
      EXPECT_EQ(batch->modalities[0].values.sizes(),
                torch::IntArrayRef({batch->size, made.inputs.modalities[0].shape[0]}));
      EXPECT_EQ(batch->targets.sizes(), torch::IntArrayRef({batch->size, 1}));
      EXPECT_TRUE(torch::equal(batch->modalities[0].rows, torch::arange(batch->size)));
      EXPECT_EQ(batch->way, 1);
    }
    shots.insert(size.support);
  }
  EXPECT_EQ(shots, (std::set<std::int64_t>{2, 3, 4, 5, 6}));
  EXPECT_EQ(Made(GetParam(), {}, regression(6, 3)).source->size(key_of(1)).support, 6);
}

INSTANTIATE_TEST_SUITE_P(Sources, Prior, testing::Values("sinusoids", "causal_tables"));

/// How far y jumps between neighbours in the column, relative to its deviation: next to nothing if
/// it is a function of the column.
double jumps(const std::vector<double>& column, const std::vector<double>& y) {
  std::vector<std::size_t> order(column.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return column[a] < column[b]; });
  double sum = 0;
  for (std::size_t i = 1; i < order.size(); ++i) sum += std::abs(y[order[i]] - y[order[i - 1]]);
  return sum / static_cast<double>(column.size()) / deviation_of(y);
}

TEST(CausalTables, WithoutNoiseTheTargetIsAFunctionOfTheCauses) {
  int noisy = 0;
  for (std::uint32_t slot = 0; slot < 20; ++slot) {
    for (const bool noise : {false, true}) {
      const Made made("causal_tables", {{"features", "4"}, {"noise", noise ? "0.5" : "0"}},
                      regression(2, 3000));
      const Task task = made.source->make(key_of(slot));
      const auto root = numbers(task.query.modalities[0].values.select(1, 0));
      const auto y = targets_of(task.query);
      // The variable that all others come from is a column: the target is never that one.
      EXPECT_NEAR(mean_of(root), 0.0, 0.1);
      EXPECT_NEAR(deviation_of(root), 1.0, 0.1);
      EXPECT_GT(deviation_of(y), 1e-4);
      if (noise)
        noisy += jumps(root, y) > 0.1;
      else
        EXPECT_LT(jumps(root, y), 0.03) << slot;
    }
  }
  EXPECT_GE(noisy, 15);
}

TEST(CausalTables, SupportAndQueryAreOfOneModel) {
  const Made made("causal_tables", {{"features", "3"}, {"noise", "0"}}, regression(2000, 2000));
  const Task task = made.source->make(key_of(3));
  auto root = numbers(task.support.modalities[0].values.select(1, 0));
  auto y = targets_of(task.support);
  const auto more = numbers(task.query.modalities[0].values.select(1, 0));
  const auto answers = targets_of(task.query);
  root.insert(root.end(), more.begin(), more.end());
  y.insert(y.end(), answers.begin(), answers.end());
  EXPECT_LT(jumps(root, y), 0.02);
}

TEST(TabularMdp, TablesAreDrawnAsThePaperSays) {
  std::vector<double> rewards, chances, squares;
  for (std::uint32_t slot = 0; slot < 300; ++slot) {
    const TabularMdp mdp(key_of(slot), 4, 3, 5);
    for (std::int64_t s = 0; s < 4; ++s)
      for (std::int64_t a = 0; a < 3; ++a) {
        rewards.push_back(mdp.reward(s, a));
        double sum = 0;
        for (std::int64_t next = 0; next < 4; ++next) {
          const double p = mdp.transition(s, a, next);
          EXPECT_GE(p, 0.0);
          sum += p;
          chances.push_back(p);
          squares.push_back(p * p);
        }
        EXPECT_NEAR(sum, 1.0, 1e-12);
      }
  }
  EXPECT_NEAR(mean_of(rewards), 1.0, 0.08);
  EXPECT_NEAR(deviation_of(rewards), 1.0, 0.06);
  // Flat Dirichlet over 4: each p is Beta(1, 3), E p^2 = 2 / (4 * 5).
  EXPECT_NEAR(mean_of(squares), 0.1, 0.005);
  const auto above_half =
      std::count_if(chances.begin(), chances.end(), [](double p) { return p > 0.5; });
  EXPECT_NEAR(static_cast<double>(above_half) / static_cast<double>(chances.size()), 0.125, 0.015);
}

TEST(TabularMdp, CoursesFollowTheTables) {
  constexpr std::int64_t kEpisodes = 60000;
  const TabularMdp mdp(key_of(5), 3, 2, 4);
  const auto course = mdp.begin(kEpisodes, key_of(6));
  std::vector<std::int64_t> states(kEpisodes, 0);
  for (int t = 0; t < 3; ++t) {
    const auto seen = course->observe();
    EXPECT_TRUE(torch::equal(
        seen, torch::one_hot(torch::tensor(states, torch::kInt64), 3).to(torch::kFloat32)));
    std::vector<std::int64_t> actions;
    for (std::int64_t e = 0; e < kEpisodes; ++e) actions.push_back((e / 3 + t) % 2);
    const auto rewards = course->act(actions);
    const auto next = course->observe().argmax(1).contiguous();
    std::map<std::pair<std::int64_t, std::int64_t>, std::vector<double>> counts;
    for (std::int64_t e = 0; e < kEpisodes; ++e) {
      const auto i = static_cast<std::size_t>(e);
      EXPECT_EQ(rewards[i], mdp.reward(states[i], actions[i]));
      auto& row = counts[{states[i], actions[i]}];
      row.resize(3);
      states[i] = next.data_ptr<std::int64_t>()[e];
      ++row[static_cast<std::size_t>(states[i])];
    }
    EXPECT_EQ(counts.size(), t == 0 ? 2u : 6u);
    for (const auto& [from, row] : counts) {
      const double total = std::accumulate(row.begin(), row.end(), 0.0);
      for (std::int64_t s = 0; s < 3; ++s) {
        const double p = mdp.transition(from.first, from.second, s);
        EXPECT_NEAR(row[static_cast<std::size_t>(s)] / total, p,
                    5 * std::sqrt(p * (1 - p) / total) + 1e-9);
      }
    }
  }
}

TEST(TabularMdp, TasksAreEnvironmentsOfTheirKeys) {
  EpisodeOptions episode;
  episode.target = "return";
  episode.shot = 7;
  episode.query = 9;
  const Made made("tabular_mdp", {{"states", "4"}, {"actions", "3"}, {"horizon", "6"}}, episode);
  EXPECT_EQ(made.inputs.target_width, 3);  // a logit per action
  EXPECT_EQ(made.inputs.modalities[0].shape, std::vector<std::int64_t>{4});
  const Task task = made.source->make(key_of(2));
  EXPECT_EQ(task.support.size, 7);
  EXPECT_EQ(task.query.size, 9);
  const auto& mdp = dynamic_cast<const TabularMdp&>(*task.support.environment);
  EXPECT_EQ(task.query.environment, task.support.environment);
  EXPECT_EQ(mdp.actions(), 3);
  EXPECT_EQ(mdp.horizon(), 6);
  const TabularMdp same(key_of(2), 4, 3, 6), other(key_of(3), 4, 3, 6);
  EXPECT_EQ(mdp.reward(3, 2), same.reward(3, 2));
  EXPECT_EQ(mdp.transition(3, 2, 1), same.transition(3, 2, 1));
  EXPECT_NE(mdp.reward(3, 2), other.reward(3, 2));
  const EpisodeSize size = made.source->size(key_of(2));
  EXPECT_EQ(size.support, 42);  // passes through the model
  EXPECT_EQ(size.query, 54);
}

/// What one action earns in one task, over many episodes.
double mean_reward(const Environment& environment, std::int64_t action) {
  constexpr std::int64_t kEpisodes = 4000;
  const auto course = environment.begin(kEpisodes, key_of(9));
  return mean_of(course->act(std::vector<std::int64_t>(kEpisodes, action)));
}

TEST(Bandits, ArmsPayOneWithChancesOfTheirTask) {
  EpisodeOptions episode;
  episode.target = "return";
  episode.shot = 2;
  const Made made("bandits", {{"arms", "3"}, {"horizon", "4"}}, episode);
  EXPECT_EQ(made.inputs.target_width, 3);
  std::vector<double> chances;
  for (std::uint32_t slot = 0; slot < 200; ++slot) {
    const auto environment = made.source->make(key_of(slot)).support.environment;
    EXPECT_EQ(environment->actions(), 3);
    EXPECT_EQ(environment->horizon(), 4);
    for (std::int64_t arm = 0; arm < 3; ++arm) chances.push_back(mean_reward(*environment, arm));
    EXPECT_EQ(chances.back(), mean_reward(*environment, 2));  // the same task, the same key
  }
  EXPECT_NEAR(mean_of(chances), 0.5, 0.04);
  EXPECT_NEAR(deviation_of(chances), std::sqrt(1.0 / 12), 0.02);  // uniform
  const auto course = made.source->make(key_of(1)).query.environment->begin(50, key_of(2));
  EXPECT_TRUE(course->observe().equal(torch::ones({50, 1})));
  for (const double reward : course->act(std::vector<std::int64_t>(50, 1)))
    EXPECT_TRUE(reward == 0.0 || reward == 1.0);
}

/// Two steps east, one north-west: places by hand, and one goal explains all rewards.
TEST(Navigation, RewardsAreSquaredDistancesToTheTasksGoal) {
  EpisodeOptions episode;
  episode.target = "return";
  const Made made("navigation", {{"horizon", "5"}}, episode);
  EXPECT_EQ(made.inputs.target_width, 8);
  const double diagonal = 0.1 * std::sqrt(0.5);
  const double x[]{0.1, 0.2, 0.2 - diagonal}, y[]{0.0, 0.0, diagonal};
  for (std::uint32_t slot = 0; slot < 50; ++slot) {
    const auto course = made.source->make(key_of(slot)).query.environment->begin(2, key_of(3));
    double reward[3];
    int step = 0;
    EXPECT_TRUE(course->observe().equal(torch::zeros({2, 2})));
    for (const std::int64_t action : {0, 0, 3}) {
      const auto rewards = course->act({action, 4});  // the other goes west
      EXPECT_NEAR(course->observe()[0][0].item<double>(), x[step], 1e-6);
      EXPECT_NEAR(course->observe()[0][1].item<double>(), y[step], 1e-6);
      EXPECT_NEAR(course->observe()[1][0].item<double>(), -0.1 * (step + 1), 1e-6);
      reward[step++] = rewards[0];
    }
    // r0 - r1 = (x1 - x0) (x0 + x1 - 2 g) for the goal's g.
    const double east = 0.5 * (x[0] + x[1] - (reward[0] - reward[1]) / (x[1] - x[0]));
    const double rest = std::sqrt(std::max(0.0, -reward[0] - (x[0] - east) * (x[0] - east)));
    EXPECT_LE(std::abs(east), 0.5);
    EXPECT_LE(rest, 0.5 + 1e-9);
    const auto squared = [&](double north) {
      return -(x[2] - east) * (x[2] - east) - (y[2] - north) * (y[2] - north);
    };
    EXPECT_LT(std::min(std::abs(squared(rest) - reward[2]), std::abs(squared(-rest) - reward[2])),
              1e-9);
  }
}

}  // namespace
}  // namespace cuttle
