// Every objective against its equation written as loops, its gradient against finite differences,
// and the gradient's derivative too, in float64.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <string>
#include <vector>

#include "cuttle/adapt/learner.hpp"
#include "cuttle/core/error.hpp"
#include "task/objective_bench.hpp"

namespace cuttle {
namespace {

double inner(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double cosine(const std::vector<double>& a, const std::vector<double>& b) {
  return inner(a, b) / std::sqrt(inner(a, a) * inner(b, b));
}

Table less_mean(Table x) {
  for (std::size_t j = 0; j < x[0].size(); ++j) {
    double mean = 0;
    for (const auto& row : x) mean += row[j] / static_cast<double>(x.size());
    for (auto& row : x) row[j] -= mean;
  }
  return x;
}

TEST(Objectives, CorrelationOfSamplesIsTheCosineOfWhatDiffersFromTheMeans) {
  const Bench bench("correlation", {{"width", "4"}});
  const double expected = bench.mean_of_pairs(true, [](const Table& u, const Table& v) {
    const Table a = less_mean(u), b = less_mean(v);
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += cosine(a[i], b[i]);
    return 1 - sum / static_cast<double>(a.size());
  });
  EXPECT_NEAR(bench.value(), expected, 1e-8);
}

TEST(Objectives, CorrelationOfColumnsBringsTheirTableToTheIdentity) {
  const Bench bench("correlation", {{"width", "4"}, {"by", "columns"}, {"others", "0.3"}});
  const double expected = bench.mean_of_pairs(true, [](const Table& u, const Table& v) {
    const Table a = less_mean(u), b = less_mean(v);
    const auto column = [](const Table& x, std::size_t k) {
      std::vector<double> values;
      for (const auto& row : x) values.push_back(row[k]);
      return values;
    };
    double own = 0, others = 0;
    for (std::size_t k = 0; k < 4; ++k)
      for (std::size_t l = 0; l < 4; ++l) {
        const auto x = column(a, k), y = column(b, l);
        const double c =
            inner(x, y) / std::sqrt((inner(x, x) + 1e-6 * static_cast<double>(a.size())) *
                                    (inner(y, y) + 1e-6 * static_cast<double>(a.size())));
        (k == l ? own : others) += k == l ? (1 - c) * (1 - c) : c * c;
      }
    return own / 4 + 0.3 * others / 4;
  });
  EXPECT_NEAR(bench.value(), expected, 1e-10);
}

TEST(Objectives, CoLearningIsTheDivergenceOfWhatSensesSayOfOthers) {
  const Bench bench("co_learning", {{"temperature", "0.7"}});
  const double expected = bench.mean_of_pairs(false, [](const Table& u, const Table& v) {
    const auto says = [](const Table& x, std::size_t i) {
      const Table c = less_mean(x);
      std::vector<double> shares;
      double sum = 0;
      for (std::size_t j = 0; j < c.size(); ++j)
        shares.push_back(i == j ? 0 : std::exp(cosine(c[i], c[j]) / 0.7));
      for (const double share : shares) sum += share;
      for (double& share : shares) share /= sum;
      return shares;
    };
    double sum = 0;
    for (std::size_t i = 0; i < u.size(); ++i) {
      const auto one = says(u, i), other = says(v, i);
      for (std::size_t j = 0; j < u.size(); ++j) {
        if (i == j) continue;
        const double mean = (one[j] + other[j]) / 2;
        sum += one[j] * std::log(one[j] / mean) + other[j] * std::log(other[j] / mean);
      }
    }
    return sum / 2 / static_cast<double>(u.size());
  });
  EXPECT_NEAR(bench.value(), expected, 1e-8);
  EXPECT_GT(expected, 1e-3);
}

TEST(Objectives, AutoencoderCountsWhatIsNotMadeAgainOfEachSense) {
  const Bench bench("autoencoder", {{"hidden", "7"}});
  const Pass pass = bench.model->look(bench.p, bench.batch, {});
  double expected = 0;
  for (std::size_t m = 0; m < 3; ++m) {
    const std::string name = bench.specs[m].name;
    double missed = 0, all = 0;
    for (std::size_t i = 0; i < kRows[m].size(); ++i) {
      const auto code = pass.embedding.parts[0][kRows[m][i]];
      const auto hidden = torch::gelu(
          torch::linear(code, bench.named(name + ".0.weight"), bench.named(name + ".0.bias")));
      const auto made =
          torch::linear(hidden, bench.named(name + ".1.weight"), bench.named(name + ".1.bias"));
      const auto sense = bench.batch.modalities[m].values[static_cast<std::int64_t>(i)];
      missed += (made - sense).square().sum().item<double>();
      all += sense.square().sum().item<double>();
    }
    expected += missed / (all + 1e-6) / 3;
  }
  EXPECT_NEAR(bench.value(), expected, 1e-12);
}

TEST(Objectives, CompletionIsTheShareThatOtherSensesMiss) {
  const Bench bench("completion", {}, false, kRows, "predicted");
  const Senses senses = bench.model->look(bench.p, bench.batch, {}).senses;
  const auto map = [&](std::size_t a, std::size_t b, const char* part) {
    const std::string name =
        "completion." + bench.specs[a].name + ".from_" + bench.specs[b].name + part;
    for (std::int64_t i = 0; i < bench.model->layout()->count(); ++i)
      if (bench.model->layout()->spec(i).name == name) return bench.p[static_cast<std::size_t>(i)];
    ADD_FAILURE() << name;
    return torch::Tensor();
  };
  double expected = 0;
  for (std::size_t a = 0; a < 3; ++a) {
    double missed = 0, all = 0;
    for (const auto row : kRows[a]) {
      auto said = torch::zeros({5}, torch::kFloat64);
      int others = 0;
      for (std::size_t b = 0; b < 3; ++b) {
        if (a == b || std::count(kRows[b].begin(), kRows[b].end(), row) == 0) continue;
        said = said + map(a, b, ".weight").matmul(senses.pooled[b][row]) + map(a, b, ".bias");
        ++others;
      }
      if (others == 0) continue;
      missed += (said / others - senses.pooled[a][row]).square().sum().item<double>();
      all += senses.pooled[a][row].square().sum().item<double>();
    }
    expected += missed / (all + 1e-6) / 3;
  }
  EXPECT_NEAR(bench.value(), expected, 1e-12);
  for (const char* none : {"none", "retrieved"})
    EXPECT_THROW(Bench("completion", {}, false, kRows, none), UserError);
}

TEST(Objectives, ContrastiveByClassesIsTheMeanOverAllOfAClass) {
  const Bench bench("contrastive", {{"by", "classes"}, {"width", "4"}, {"temperature", "0.4"}});
  EXPECT_TRUE(bench.objective->classes());
  EXPECT_FALSE(Bench("contrastive", {}).objective->classes());
  std::vector<std::vector<std::int64_t>> labels{{0, 1, 0, 1}, {1, 1, 0, 1}, {1, 0, 1}};
  std::size_t pair = 0;  // samples 0 1 4 5, 1 2 4 5, 1 4 5
  const double expected = bench.mean_of_pairs(true, [&](const Table& u, const Table& v) {
    const auto& of = labels[pair++];
    double sum = 0;
    for (const auto& [from, to] : {std::pair(&u, &v), {&v, &u}})
      for (std::size_t i = 0; i < of.size(); ++i) {
        double all = 0, own = 0;
        int count = 0;
        for (std::size_t j = 0; j < of.size(); ++j)
          all += std::exp(cosine((*from)[i], (*to)[j]) / 0.4);
        for (std::size_t j = 0; j < of.size(); ++j) {
          if (of[i] != of[j]) continue;
          own += cosine((*from)[i], (*to)[j]) / 0.4 - std::log(all);
          ++count;
        }
        sum -= own / count / static_cast<double>(of.size()) / 2;
      }
    return sum;
  });
  EXPECT_NEAR(bench.value(), expected, 1e-8);
}

TEST(Objectives, ThatGoByClassesAreRefusedWhereThereAreNone) {
  const auto refusal_of = [](const char* target, const char* by) {
    Bench bench("completion", {}, false, kRows, "generated");
    const Section adapt("maml"), kind(target);
    const auto objectives = std::make_shared<const Objectives>(
        make_objectives({{"align", {Section("contrastive", {{"by", by}}), 1.0, "outer"}}},
                        builtin_objectives(), *bench.model, *bench.kind));
    const std::shared_ptr<Model> model = std::move(bench.model);
    TaskInputs inputs{bench.specs, 2, 2, 2};
    try {
      make_learner(builtin_learners(), {adapt, model, builtin_task_kinds().at(target).make({kind}),
                                        objectives, model->declare(), inputs});
    } catch (const UserError& problem) {
      return std::string(problem.what());
    }
    return std::string();
  };
  EXPECT_THAT(refusal_of("value", "classes"), testing::HasSubstr("objectives.align: goes by the"));
  EXPECT_EQ(refusal_of("value", "samples"), "");
  EXPECT_EQ(refusal_of("class", "classes"), "");
}

/// The least path, softly, as three nested loops.
double soft_dtw_of(const Table& a, const Table& b, double smoothing) {
  const std::size_t n = a.size(), m = b.size();
  Table r(n + 1, std::vector<double>(m + 1, std::numeric_limits<double>::infinity()));
  r[0][0] = 0;
  for (std::size_t i = 1; i <= n; ++i)
    for (std::size_t j = 1; j <= m; ++j) {
      double sum = 0;
      for (const double way : {r[i - 1][j], r[i][j - 1], r[i - 1][j - 1]})
        sum += std::exp(-way / smoothing);
      r[i][j] = 1 - cosine(a[i - 1], b[j - 1]) - smoothing * std::log(sum);
    }
  return r[n][m];
}

TEST(Objectives, TemporalTellsPairsByTheirSoftDtw) {
  const Bench bench("temporal",
                    {{"one", "a"},
                     {"other", "c"},
                     {"width", "4"},
                     {"stretches", "3"},
                     {"smoothing", "0.2"},
                     {"temperature", "0.3"}},
                    true);
  const Pass pass = bench.model->look(bench.p, bench.batch, {});
  const std::vector<std::int64_t> both{1, 2, 4, 5};
  // Means of thirds of the real steps, by integrals over steps of length 1.
  const auto steps_of = [&](std::size_t m, std::int64_t row) {
    const auto place = std::find(kRows[m].begin(), kRows[m].end(), row) - kRows[m].begin();
    const auto tokens =
        pass.features[m].tokens[place].matmul(bench.named(bench.specs[m].name + ".weight").t());
    const double length = pass.features[m].mask[place].sum().item<double>();
    Table means(3, std::vector<double>(4, 0.0));
    constexpr int kParts = 3000;
    for (int part = 0; part < kParts; ++part) {
      const auto step = static_cast<std::int64_t>((part + 0.5) / kParts * length);
      for (std::size_t k = 0; k < 4; ++k)
        means[static_cast<std::size_t>(part * 3 / kParts)][k] +=
            tokens[step][static_cast<std::int64_t>(k)].item<double>();
    }
    return means;
  };
  std::vector<Table> a, c;
  for (const auto row : both) {
    a.push_back(steps_of(0, row));
    c.push_back(steps_of(2, row));
  }
  double expected = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    double row = 0, column = 0;
    const auto near = [&](std::size_t x, std::size_t y) {
      return std::exp(-soft_dtw_of(a[x], c[y], 0.2) / (5 * 0.3));
    };
    for (std::size_t j = 0; j < 4; ++j) {
      row += near(i, j);
      column += near(j, i);
    }
    expected -= 0.5 * (std::log(near(i, i) / row) + std::log(near(i, i) / column)) / 4;
  }
  EXPECT_NEAR(bench.value(), expected, 2e-3);  // of the integrals
}

TEST(Objectives, TemporalNeedsTwoSensesByName) {
  for (const Values& keys : {Values{{"one", "a"}}, Values{{"one", "a"}, {"other", "a"}},
                             Values{{"one", "a"}, {"other", "d"}}})
    EXPECT_THROW(Bench("temporal", keys, true), UserError);
  EXPECT_THROW(Bench("temporal", {{"one", "a"}, {"other", "b"}}, false), UserError);  // vectors
}

struct Chosen {
  const char* type;
  Values keys;
  bool series = false;
};
class Derivatives : public testing::TestWithParam<Chosen> {};

TEST_P(Derivatives, AreThoseOfTheValueAndOfTheGradient) {
  const auto& [type, keys, series] = GetParam();
  Bench bench(type, keys, series);
  if (std::string(type) == "smote")  // has nothing to fill where classes are even
    bench.batch.labels = torch::tensor({0, 0, 0, 0, 1, 1}, torch::kInt64);
  Tensors leaves, direction;
  torch::manual_seed(9);
  for (const auto& value : bench.p) {
    leaves.push_back(value.clone().requires_grad_());
    direction.push_back(torch::randn_like(value));
  }
  const auto along = [&](const Tensors& gradients) {
    auto sum = torch::zeros({}, torch::kFloat64);
    for (std::size_t i = 0; i < gradients.size(); ++i)
      if (gradients[i].defined()) sum = sum + (gradients[i] * direction[i]).sum();
    return sum;
  };
  const auto moved = [&](double step) {
    Tensors theta;
    for (std::size_t i = 0; i < leaves.size(); ++i)
      theta.push_back((leaves[i].detach() + step * direction[i]).requires_grad_());
    return theta;
  };
  const auto gradient = [&](const Tensors& theta) {
    return torch::autograd::grad({bench.loss(theta)}, theta, {}, true, true, true);
  };
  const auto slope = along(gradient(leaves));
  constexpr double kStep = 1e-5;
  const auto up = moved(kStep), down = moved(-kStep);
  const double size = std::max(1e-2, std::abs(slope.item<double>()));
  EXPECT_NEAR(slope.item<double>(),
              ((bench.loss(up) - bench.loss(down)) / (2 * kStep)).item<double>(), 1e-6 * size);
  const auto bend = along(torch::autograd::grad({slope}, leaves, {}, {}, false, true));
  const double expected =
      ((along(gradient(up)) - along(gradient(down))) / (2 * kStep)).item<double>();
  EXPECT_NEAR(bend.item<double>(), expected, 1e-5 * std::max(1.0, std::abs(expected)));
  EXPECT_GT(std::abs(expected), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(
    Types, Derivatives,
    testing::Values(Chosen{"contrastive", {{"width", "4"}}},
                    Chosen{"contrastive", {{"width", "4"}, {"by", "classes"}}},
                    Chosen{"correlation", {{"width", "4"}}},
                    Chosen{"correlation", {{"width", "4"}, {"by", "columns"}, {"others", "0.3"}}},
                    Chosen{"co_learning", {}}, Chosen{"autoencoder", {{"hidden", "5"}}},
                    Chosen{"mixup", {}}, Chosen{"smote", {}},
                    Chosen{"temporal",
                           {{"one", "a"}, {"other", "b"}, {"stretches", "4"}, {"width", "4"}},
                           true}));

TEST(Objectives, NothingSharedIsNothingSaid) {
  const Rows apart{{0, 1}, {2, 3}, {}};
  for (const char* type : {"contrastive", "correlation", "co_learning"})
    EXPECT_EQ(Bench(type, {}, false, apart).value(), 0.0) << type;
  EXPECT_EQ(Bench("temporal", {{"one", "a"}, {"other", "b"}}, true, apart).value(), 0.0);
  EXPECT_TRUE(std::isfinite(Bench("autoencoder", {}, false, apart).value()));
  EXPECT_TRUE(std::isfinite(Bench("adversarial", {}, false, apart).value()));
  for (const char* type : {"completion", "generative"})
    EXPECT_EQ(Bench(type, {}, false, apart, "generated").value(), 0.0) << type;
}

}  // namespace
}  // namespace cuttle
