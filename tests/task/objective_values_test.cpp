// Every objective against its equation written as loops, its gradient against finite differences,
// and the gradient's derivative too, in float64.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/task/objective.hpp"

namespace cuttle {
namespace {

using Rows = std::vector<std::vector<std::int64_t>>;
using Values = std::map<std::string, std::string>;
using Table = std::vector<std::vector<double>>;

const Rows kRows{{0, 1, 2, 4, 5}, {0, 1, 3, 4, 5}, {1, 2, 4, 5}};  // by sense, of six samples

Table table_of(const torch::Tensor& x) {
  Table rows;
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    rows.emplace_back();
    for (std::int64_t j = 0; j < x.size(1); ++j) rows.back().push_back(x[i][j].item<double>());
  }
  return rows;
}

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

/// Three senses of one objective, and a batch in which some samples lack some.
struct Bench {
  std::vector<ModalitySpec> specs = std::vector<ModalitySpec>(3);
  std::unique_ptr<Model> model;
  std::unique_ptr<const TaskKind> kind = builtin_task_kinds().at("class").make({Section("class")});
  std::unique_ptr<const Objective> objective;
  Tensors p;
  Batch batch;

  Bench(const std::string& type, const Values& keys, bool series = false, const Rows& rows = kRows,
        const std::string& completion = "none") {
    torch::set_num_threads(1);
    ModelOptions options;
    for (std::size_t m = 0; m < 3; ++m) {
      specs[m].name = std::string(1, static_cast<char>('a' + m));
      specs[m].kind = series ? ModalityKind::kSeries : ModalityKind::kVector;
      specs[m].shape = {3};
      options.encoders[specs[m].name] =
          series ? Section("gru", {{"width", "4"}})
                 : Section("mlp", {{"width", "5"}, {"depth", "1"}, {"fused", "false"}});
    }
    options.fusion = Section("gated", {{"embedding", "6"}});
    options.completion = Section(completion);
    model = std::make_unique<Model>(options, specs, 2, 1, ModelRegistry{});
    const Section section(type, keys);
    objective = builtin_objectives().at(type).make(
        {section, *model, model->declare(), "objective.o", *kind});
    if (objective->wants_tokens()) model->give_tokens();
    p = ParameterList::initial(model->layout(), 3, torch::kFloat64).tensors();
    torch::manual_seed(1);
    batch.size = 6;
    batch.way = 2;
    batch.labels = torch::tensor({0, 0, 0, 0, 1, 1}, torch::kInt64);
    for (const auto& has : rows) {
      ModalityInput input;
      const auto n = static_cast<std::int64_t>(has.size());
      if (n > 0)
        input.values = torch::randn(
            series ? std::vector<std::int64_t>{n, 3, 7} : std::vector<std::int64_t>{n, 3},
            torch::kFloat64);
      if (n > 0 && series) {
        input.mask = (torch::arange(7) < torch::randint(2, 8, {n, 1})).to(torch::kFloat64);
        input.values = input.values * input.mask.unsqueeze(1);
      }
      input.rows = torch::tensor(has, torch::kInt64);
      batch.modalities.push_back(input);
    }
  }
  torch::Tensor named(const std::string& name) const {
    for (std::int64_t i = 0; i < model->layout()->count(); ++i)
      if (model->layout()->spec(i).name == "objective.o." + name)
        return p[static_cast<std::size_t>(i)];
    ADD_FAILURE() << name;
    return {};
  }
  torch::Tensor loss(const Tensors& theta) const {
    return objective->loss(theta, model->look(theta, batch, {}), batch, {});
  }
  double value() const { return loss(p).item<double>(); }
  /// The mean of what `of_pair` makes of projections, or features, of the samples of both senses.
  template <class OfPair>
  double mean_of_pairs(bool projected, const OfPair& of_pair) const {
    const Pass pass = model->look(p, batch, {});
    double sum = 0;
    for (std::size_t a = 0; a < 3; ++a)
      for (std::size_t b = a + 1; b < 3; ++b) {
        std::vector<std::int64_t> both;
        for (std::int64_t row = 0; row < batch.size; ++row)
          if (std::count(kRows[a].begin(), kRows[a].end(), row) +
                  std::count(kRows[b].begin(), kRows[b].end(), row) ==
              2)
            both.push_back(row);
        const auto of_sense = [&](std::size_t m) {
          const auto x = pass.senses.pooled[m].index_select(0, torch::tensor(both, torch::kInt64));
          return table_of(projected ? x.matmul(named(specs[m].name + ".weight").t()) : x);
        };
        sum += of_pair(of_sense(a), of_sense(b));
      }
    return sum / 3;
  }
};

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

TEST(Objectives, AdversariesGetTheirOwnGradients) {
  const auto bench_of = [](const char* reversal) {
    return Bench("adversarial", {{"width", "4"}, {"hidden", "6"}, {"reversal", reversal}});
  };
  const Bench against = bench_of("0.5");
  const Pass pass = against.model->look(against.p, against.batch, {});
  double expected = 0;
  int count = 0;
  for (std::size_t m = 0; m < 3; ++m)
    for (const auto row : kRows[m]) {
      const auto x =
          pass.senses.pooled[m][row].matmul(against.named(against.specs[m].name + ".weight").t());
      const auto hidden = torch::gelu(torch::linear(x, against.named("discriminator.0.weight"),
                                                    against.named("discriminator.0.bias")));
      const auto scores = torch::linear(hidden, against.named("discriminator.1.weight"),
                                        against.named("discriminator.1.bias"));
      expected -= torch::log_softmax(scores, 0)[static_cast<std::int64_t>(m)].item<double>();
      ++count;
    }
  EXPECT_NEAR(against.value(), expected / count, 1e-12);
  EXPECT_FALSE(against.objective->second_order());
  // Finite differences are of the value, which both players' parameters move: the discriminator
  // goes down it, the others up, half as fast.
  Tensors leaves;
  for (const auto& value : against.p) leaves.push_back(value.clone().requires_grad_());
  const auto gradients = torch::autograd::grad({against.loss(leaves)}, leaves, {}, {}, false, true);
  int moved = 0;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (!gradients[i].defined()) continue;
    const std::string& name = against.model->layout()->spec(static_cast<std::int64_t>(i)).name;
    const double factor = name.find("discriminator") != std::string::npos ? 1.0 : -0.5;
    Tensors up = against.p, down = against.p;
    const auto direction = torch::ones_like(up[i]);
    up[i] = up[i] + 1e-6 * direction;
    down[i] = down[i] - 1e-6 * direction;
    const double slope =
        (against.loss(up).item<double>() - against.loss(down).item<double>()) / 2e-6;
    EXPECT_NEAR(gradients[i].sum().item<double>(), factor * slope, 1e-7) << name;
    moved += std::abs(slope) > 1e-6 ? 1 : 0;
  }
  EXPECT_GT(moved, 8);
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
  const Bench bench(type, keys, series);
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
}

}  // namespace
}  // namespace cuttle
