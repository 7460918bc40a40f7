// Classifiers without training in float64: each head against formulas in other forms (inverses of
// whole matrices, loops over samples, conditions of optimality), and the learner against loops.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "adapt/floor/head.hpp"
#include "support/tiny_task.hpp"

namespace cuttle {
namespace {

namespace F = torch::nn::functional;

double largest(const torch::Tensor& x) {
  return x.abs().max().item<double>();
}

struct Case {
  std::int64_t way, width;
  bool uneven;
};

std::ostream& operator<<(std::ostream& out, const Case& made) {
  return out << made.way << "way" << made.width << (made.uneven ? "uneven" : "");
}

class Heads : public testing::TestWithParam<Case> {
 protected:
  Heads() {
    torch::set_num_threads(1);
    torch::manual_seed(7);
    const auto& [way, width, uneven] = GetParam();
    std::vector<std::int64_t> labels;
    for (std::int64_t k = way; k-- > 0;)
      for (std::int64_t i = 0; i < (uneven ? 1 + k : 3); ++i) labels.push_back(k);
    known.labels = torch::tensor(labels);
    known.way = way;
    const auto n = static_cast<std::int64_t>(labels.size());
    const auto middle = torch::randn({way, width}, torch::kFloat64);
    known.x = 2.0 + middle.index_select(0, known.labels) +
              0.7 * torch::randn({n, width}, torch::kFloat64);
    const auto counts = torch::bincount(known.labels, {}, way).to(torch::kFloat64);
    known.weights =
        static_cast<double>(n) / static_cast<double>(way) / counts.index_select(0, known.labels);
    query = 2.0 + torch::randn({5, width}, torch::kFloat64);
  }
  static std::unique_ptr<const FloorHead> head(const std::string& name, double value = 0) {
    FloorOptions options;
    options.head = name;
    if (name == "mahalanobis" && value > 0) options.shrinkage = value;
    if (name == "cache" && value > 0) options.beta = value;
    if (name == "ridge" || name == "logistic" || name == "svm") options.penalty = value;
    return make_floor_head(options);
  }
  torch::Tensor scores(const std::string& name, double value = 0) const {
    const auto made = head(name, value);
    return made->scores(made->study(known), query);
  }
  /// Samples of a class, in any order.
  std::vector<torch::Tensor> of_class(std::int64_t k) const {
    std::vector<torch::Tensor> rows;
    for (std::int64_t i = 0; i < known.x.size(0); ++i)
      if (known.labels[i].item<std::int64_t>() == k) rows.push_back(known.x[i]);
    return rows;
  }
  torch::Tensor mean_of(std::int64_t k) const {
    const auto rows = of_class(k);
    auto sum = torch::zeros_like(rows[0]);
    for (const auto& row : rows) sum = sum + row;
    return sum / static_cast<double>(rows.size());
  }
  /// From the support's middle, in units of the root mean square length there.
  torch::Tensor in_units() const {
    auto middle = torch::zeros_like(known.x[0]);
    double square = 0, count = 0;
    for (std::int64_t i = 0; i < known.x.size(0); ++i) {
      middle = middle + known.weights[i] * known.x[i];
      count += known.weights[i].item<double>();
    }
    const auto rest = known.x - middle / count;
    for (std::int64_t i = 0; i < rest.size(0); ++i)
      square += (known.weights[i] * rest[i].dot(rest[i])).item<double>();
    return rest / std::sqrt(square / count);
  }
  /// [width, way]: what a linear head makes of samples in those units.
  torch::Tensor weights_of(const std::string& name, double penalty) const {
    const auto made = head(name, penalty);
    const auto lesson = made->study(known);
    const auto at = torch::cat({torch::zeros({1, known.x.size(1)}, torch::kFloat64),
                                torch::eye(known.x.size(1), torch::kFloat64)});
    const auto scores = made->scores(lesson, at);
    const auto apart = known.x[0] - known.x[1], same = in_units()[0] - in_units()[1];
    return (scores.slice(0, 1) - scores[0]) * apart.norm() / same.norm();
  }

  PartOfSupport known;
  torch::Tensor query;
};

TEST_P(Heads, MeansAreNearByDistanceOrAngle) {
  const auto by_distance = scores("mean"), by_angle = scores("cosine");
  for (std::int64_t q = 0; q < query.size(0); ++q)
    for (std::int64_t k = 0; k < known.way; ++k) {
      const auto mean = mean_of(k), apart = query[q] - mean;
      EXPECT_NEAR(by_distance[q][k].item<double>(), -apart.dot(apart).item<double>(), 1e-9);
      EXPECT_NEAR(by_angle[q][k].item<double>(),
                  (query[q].dot(mean) / query[q].norm() / mean.norm()).item<double>(), 1e-9);
    }
}

TEST_P(Heads, MahalanobisIsByTheInverseOfTheShrunkCovariance) {
  for (const double shrinkage : {0.1, 0.5, 1.0}) {
    const std::int64_t width = known.x.size(1);
    auto covariance = torch::zeros({width, width}, torch::kFloat64);
    for (std::int64_t k = 0; k < known.way; ++k)  // of classes alike in number
      for (const auto& row : of_class(k)) {
        const auto rest = row - mean_of(k);
        covariance +=
            torch::outer(rest, rest) / static_cast<double>(of_class(k).size() * known.way);
      }
    const auto shrunk = (1 - shrinkage) * covariance + shrinkage * covariance.trace() /
                                                           static_cast<double>(width) *
                                                           torch::eye(width, torch::kFloat64);
    const auto inverse = torch::linalg_inv(shrunk);
    const auto made = scores("mahalanobis", shrinkage);
    for (std::int64_t q = 0; q < query.size(0); ++q)
      for (std::int64_t k = 0; k < known.way; ++k) {
        const auto apart = query[q] - mean_of(k);
        const double expected = -0.5 * apart.dot(inverse.matmul(apart)).item<double>();
        EXPECT_NEAR(made[q][k].item<double>(), expected, 1e-9 * std::abs(expected));
      }
  }
}

TEST_P(Heads, RidgeSolvesTheNormalEquations) {
  const auto x = in_units(), counted = known.weights.unsqueeze(1) * x;
  const auto hot = torch::eye(known.way, torch::kFloat64).index_select(0, known.labels);
  const auto normal = x.t().matmul(counted) + 0.3 * torch::eye(x.size(1), torch::kFloat64);
  const auto expected = torch::linalg_inv(normal).matmul(counted.t()).matmul(hot);
  EXPECT_LT(largest(weights_of("ridge", 0.3) - expected), 1e-9);
}

TEST_P(Heads, LogisticStandsWhereTheLossHasNoSlope) {
  for (const double penalty : {1e-3, 1.0, 50.0}) {
    const auto w = weights_of("logistic", penalty).clone().requires_grad_();
    const auto losses = F::cross_entropy(in_units().matmul(w), known.labels,
                                         F::CrossEntropyFuncOptions().reduction(torch::kNone));
    const auto loss = (known.weights * losses).sum() + penalty / 2 * w.square().sum();
    EXPECT_LT(largest(torch::autograd::grad({loss}, {w})[0]), 1e-9 * std::max(1.0, penalty));
  }
}

/// The dual by single steps: of one sample, as much as is best goes from one class to another, and
/// so on until nothing moves.
torch::Tensor by_pairs(const torch::Tensor& kernel, const torch::Tensor& caps) {
  const std::int64_t n = caps.size(0), way = caps.size(1);
  auto a = torch::zeros_like(caps);
  auto slope = caps.gt(0).to(torch::kFloat64).neg();
  const auto k = kernel.accessor<double, 2>(), cap = caps.accessor<double, 2>();
  auto at = a.accessor<double, 2>(), s = slope.accessor<double, 2>();
  double moved = 1;
  for (int round = 0; round < 200000 && moved > 1e-12; ++round) {
    moved = 0;
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t from = 0; from < way; ++from)
        for (std::int64_t to = 0; to < way; ++to) {
          if (s[i][from] <= s[i][to]) continue;
          const double best = (s[i][from] - s[i][to]) / (2 * k[i][i]);
          const double step = std::min(best, cap[i][to] - at[i][to]);
          at[i][to] += step;
          at[i][from] -= step;
          for (std::int64_t j = 0; j < n; ++j) {
            s[j][to] += step * k[j][i];
            s[j][from] -= step * k[j][i];
          }
          moved = std::max(moved, step);
        }
  }
  return a;
}

TEST_P(Heads, TheSupportVectorMachineIsThatOfItsDual) {
  if (known.way == 20) GTEST_SKIP() << "single steps take long";
  const auto x = in_units();
  const auto hot = torch::eye(known.way, torch::kFloat64).index_select(0, known.labels);
  const auto kernel = x.matmul(x.t()) + 1e-3 * torch::eye(x.size(0), torch::kFloat64);
  for (const double penalty : {0.1, 1.0, 5.0}) {
    const auto a = by_pairs(kernel, known.weights.unsqueeze(1) * hot / penalty);
    EXPECT_LT(largest(weights_of("svm", penalty) - x.t().matmul(a)), 1e-6);
  }
}

TEST_P(Heads, TheCacheAddsAffinities) {
  const double beta = 3.0;
  const auto made = scores("cache", beta);
  for (std::int64_t q = 0; q < query.size(0); ++q) {
    std::vector<double> expected(static_cast<std::size_t>(known.way), 0.0);
    for (std::int64_t i = 0; i < known.x.size(0); ++i) {
      const double cosine =
          F::cosine_similarity(query[q], known.x[i], F::CosineSimilarityFuncOptions().dim(0))
              .item<double>();
      expected[static_cast<std::size_t>(known.labels[i].item<std::int64_t>())] +=
          known.weights[i].item<double>() * std::exp(-beta * (1 - cosine));
    }
    for (std::size_t k = 0; k < expected.size(); ++k)
      EXPECT_NEAR(made[q][static_cast<std::int64_t>(k)].item<double>(), expected[k], 1e-9);
  }
}

TEST_P(Heads, OneShotHasNoSpread) {
  if (known.way == 20) GTEST_SKIP();
  std::vector<std::int64_t> first;
  for (std::int64_t k = 0; k < known.way; ++k)
    first.push_back(known.labels.eq(k).nonzero()[0].item<std::int64_t>());
  const auto rows = torch::tensor(first);
  known = {known.x.index_select(0, rows), known.labels.index_select(0, rows),
           torch::ones({known.way}, torch::kFloat64), known.way};
  EXPECT_LT(largest(scores("mahalanobis") - 0.5 * scores("mean")), 1e-9);
}

INSTANTIATE_TEST_SUITE_P(Floor, Heads,
                         testing::Values(Case{2, 4, false}, Case{3, 40, false}, Case{4, 6, true},
                                         Case{5, 40, true}, Case{20, 8, false}),
                         testing::PrintToStringParamName());

using Values = std::map<std::string, std::string>;

/// The learner with late fusion, and a task some of whose samples lack a sense; one class has no
/// image at all, and classes are uneven.
struct Late {
  explicit Late(const Values& values, const char* fusion = "late") {
    torch::set_num_threads(1);
    TinySettings settings;
    settings.algorithm = "floor";
    settings.fusion = fusion;
    settings.norm = "none";
    learner = tiny_learner(settings, values);
    parameters = std::make_unique<ParameterList>(
        ParameterList::initial(learner->model().layout(), 3, torch::kFloat64));
    task = tiny_task(learner->model(), 1, torch::kFloat64);
    task.support.labels = torch::tensor(std::vector<std::int64_t>{0, 2, 1, 1, 2, 2});
    task.support.even = false;
    auto& image = task.support.modalities[0];  // without sample 0, the only one of class 0
    const auto kept = image.rows.gt(0).nonzero().squeeze(1);
    image.rows = image.rows.index_select(0, kept);
    image.values = image.values.index_select(0, kept);
  }
  torch::Tensor predicted() const {
    return learner->adapt(*parameters, task.support, task.key)->predict(task.query);
  }
  Embedding seen(const Batch& batch) const {
    const torch::NoGradGuard no_grad;
    return learner->model().embed(parameters->tensors(), batch, {});
  }

  std::unique_ptr<const Learner> learner;
  std::unique_ptr<ParameterList> parameters;
  Task task;
};

/// A part's cosines [queries][way] by loops; nan where query or class lacks it.
std::vector<std::vector<double>> cosines(const Late& late, std::size_t part, bool centred,
                                         bool unit) {
  const auto support = late.seen(late.task.support), query = late.seen(late.task.query);
  const auto at = static_cast<std::int64_t>(part);
  std::map<std::int64_t, std::vector<torch::Tensor>> classes;
  for (std::int64_t i = 0; i < late.task.support.size; ++i)
    if (support.mask[i][at].item<double>() > 0)
      classes[late.task.support.labels[i].item<std::int64_t>()].push_back(support.parts[part][i]);
  // Classes of the whole support count alike, and so do their samples: 2, 1 and 2/3.
  const std::map<std::int64_t, double> weight{{0, 2.0}, {1, 1.0}, {2, 2.0 / 3}};
  auto centre = torch::zeros({support.parts[part].size(1)}, torch::kFloat64);
  double count = 0;
  for (const auto& [k, rows] : classes)
    for (const auto& row : rows) {
      centre = centre + weight.at(k) * row;
      count += weight.at(k);
    }
  const auto feature = [&](const torch::Tensor& x) {
    const auto rest = centred ? x - centre / count : x;
    return unit ? rest / rest.norm() : rest;
  };
  std::vector<std::vector<double>> made;
  for (std::int64_t q = 0; q < late.task.query.size; ++q) {
    made.emplace_back(3, std::nan(""));
    if (query.mask[q][at].item<double>() == 0) continue;
    const auto x = feature(query.parts[part][q]);
    for (const auto& [k, rows] : classes) {
      auto sum = torch::zeros_like(centre);
      for (const auto& row : rows) sum = sum + feature(row);
      made.back()[static_cast<std::size_t>(k)] =
          (x.dot(sum) / x.norm() / sum.norm()).item<double>();
    }
  }
  return made;
}

TEST(Floor, SensesAnswerForWhatTheyHave) {
  for (const bool centred : {true, false})
    for (const bool unit : {true, false}) {
      const Late late(
          {{"centre", centred ? "support" : "none"}, {"unit", unit ? "true" : "false"}});
      const auto made = late.predicted();
      const auto image = cosines(late, 0, centred, unit), text = cosines(late, 1, centred, unit);
      for (std::size_t q = 0; q < image.size(); ++q) {
        std::vector<double> expected;
        double sum = 0, known = 0;
        for (std::size_t k = 0; k < 3; ++k) {
          const double i = image[q][k], t = text[q][k];
          expected.push_back(std::isnan(i) ? t : std::isnan(t) ? i : (i + t) / 2);
          if (!std::isnan(expected[k])) {
            sum += expected[k];
            known += 1;
          }
        }
        for (std::size_t k = 0; k < 3; ++k)  // a class that shares nothing: neither near nor far
          EXPECT_NEAR(
              made[static_cast<std::int64_t>(q)][static_cast<std::int64_t>(k)].item<double>(),
              std::isnan(expected[k]) ? sum / known : expected[k], 1e-9);
      }
    }
}

TEST(Floor, TheCentreOfTrainingIsTheMeanOverWhatWasSeen) {
  Late late(Values{{"centre", "training"}}, "concat");
  const auto result = late.learner->meta_gradient(*late.parameters, late.task);
  const auto layout = late.learner->model().layout();
  const auto seen = layout->views(result.gradient);
  const auto support = late.seen(late.task.support), query = late.seen(late.task.query);
  const auto mean = torch::cat({support.parts[0], query.parts[0]}).mean(0);
  std::int64_t centre = -1, filled = -1;
  for (std::int64_t i = 0; i < layout->count(); ++i) {
    if (layout->spec(i).name == "learner.centre.0") centre = i;
    if (layout->spec(i).name == "learner.filled.0") filled = i;
  }
  EXPECT_LT(largest(seen[static_cast<std::size_t>(centre)] - mean), 1e-6);  // float32
  EXPECT_EQ(seen[static_cast<std::size_t>(filled)].item<double>(), 1.0);
  EXPECT_EQ(result.gradient[layout->observed_at(centre)].item<double>(), 1.0);
  // Half filled with half of it is the same centre.
  const auto by = [&](double share) {
    late.parameters->tensors()[static_cast<std::size_t>(centre)].copy_(share * mean);
    late.parameters->tensors()[static_cast<std::size_t>(filled)].fill_(share);
    return late.predicted();
  };
  const auto whole = by(1.0);
  EXPECT_LT(largest(by(0.5) - whole), 1e-9);
  EXPECT_GT(largest(by(0.0) - whole), 1e-3);
  EXPECT_TRUE(by(0.0).isfinite().all().item<bool>());
}

TEST(Floor, TheModelStaysAsItCame) {
  const Late late(Values{{"centre", "training"}});
  const auto layout = late.learner->model().layout();
  EXPECT_EQ(layout->learned_size(), 0);
  for (std::int64_t i = 0; i < layout->count(); ++i)
    EXPECT_EQ(layout->spec(i).section == ParameterSection::kFrozen,
              layout->spec(i).name.rfind("learner.", 0) != 0)
        << layout->spec(i).name;
}

TEST(Floor, ByDistanceItSaysWhatAProtoNetSays) {
  for (const char* fusion : {"concat", "late"}) {
    const Late late(Values{{"head", "mean"}}, fusion);
    TinySettings settings;
    settings.algorithm = "protonet";
    settings.fusion = fusion;
    settings.norm = "none";
    const auto protonet = tiny_learner(settings);
    const auto theirs = ParameterList::initial(protonet->model().layout(), 3, torch::kFloat64);
    const auto adapted = protonet->adapt(theirs, late.task.support, late.task.key);
    EXPECT_LT(largest(late.predicted() - adapted->predict(late.task.query)), 1e-9);
  }
}

TEST(Floor, EveryHeadAnswersEveryTask) {
  for (const char* head : {"mean", "cosine", "mahalanobis", "ridge", "logistic", "svm", "cache"}) {
    Late late(Values{{"head", head}});
    EXPECT_TRUE(late.predicted().isfinite().all().item<bool>()) << head;
    auto& image = late.task.support.modalities[0];  // nobody has one
    image.rows = torch::zeros({0}, torch::kInt64);
    image.values = torch::Tensor();
    EXPECT_TRUE(late.predicted().isfinite().all().item<bool>()) << head;
    late.task.query.modalities[1].rows = torch::zeros({0}, torch::kInt64);
    late.task.query.modalities[1].values = torch::Tensor();
    EXPECT_EQ(largest(late.predicted()), 0.0) << head;
  }
}

}  // namespace
}  // namespace cuttle
