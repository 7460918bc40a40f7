// Learned comparisons against what their papers say, written down once more pair by pair.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <string>
#include <vector>

#include "adapt/comparing.hpp"

namespace cuttle {
namespace {

/// Sung et al. 2018, pair by pair on a real concatenation.
Tensor relation_reference(const Given& all) {
  std::vector<std::vector<Tensors>> said;
  for (std::size_t part = 0; part < all.known.parts.size(); ++part) {
    std::vector<Tensors> answers;
    for (std::int64_t q = 0; q < all.asked.mask.size(0); ++q) {
      answers.emplace_back(kWay);
      for (std::int64_t c = 0; c < kWay && all.has(all.asked, q, part); ++c) {
        Tensors of_class;
        for (std::int64_t i = 0; i < all.support.size; ++i)
          if (all.label(i) == c && all.has(all.known, i, part))
            of_class.push_back(all.known.parts[part][i]);
        if (of_class.empty()) continue;
        auto x = torch::cat({torch::stack(of_class).mean(0), all.asked.parts[part][q]});
        for (const char* layer : {".0", ".1", ".2"}) {
          const std::string name = "part" + std::to_string(part) + layer;
          x = all.own(name + ".weight").mv(x) + all.own(name + ".bias");
          if (x.numel() > 1) x = torch::relu(x);
        }
        answers.back()[static_cast<std::size_t>(c)] = x[0];
      }
    }
    said.push_back(std::move(answers));
  }
  return together(said, all.known.weights);
}

TEST(Relation, ScoresAsThePaperSays) {
  for (const char* fusion : {"concat", "gated", "late"})
    for (const char* loss : {"squared_error", "cross_entropy"})
      for (const auto& oddity : kOddities) {
        SCOPED_TRACE(std::string(fusion) + " " + loss + " " + oddity);
        const auto learner =
            learner_of("relation", 1, fusion, "batch", {{"loss", loss}, {"hidden", "5"}});
        const auto parameters = start(*learner, 0.5);
        const Task task = odd_task(learner->model(), oddity);
        const bool squared = std::string(loss) == "squared_error";
        const auto own = [&](const Given&, const Tensor& outputs) {
          if (!squared) return F::cross_entropy(outputs, task.query.labels);
          Tensor sum = torch::zeros({}, torch::kFloat64);
          for (std::int64_t q = 0; q < task.query.size; ++q)
            for (std::int64_t c = 0; c < kWay; ++c) {
              const double right = task.query.labels[q].item<std::int64_t>() == c ? 1.0 : 0.0;
              const auto score = 1 / (1 + torch::exp(-outputs[q][c]));
              sum = sum + (score - right) * (score - right);
            }
          return sum / static_cast<double>(task.query.size * kWay);
        };
        expect_reference(*learner, parameters, task, relation_reference, own);
        if (oddity.empty())
          expect_differences(loss_of(*learner, task, relation_reference, own), parameters,
                             learner->meta_gradient(parameters, task).gradient);
      }
}

/// Every sample with every other, by the parts that both have.
struct SiameseReference {
  std::string loss, mining;
  double margin = 1.0;

  /// Undefined: they have nothing in common.
  Tensor score(const Given& all, const Embedding& a, std::int64_t i, const Embedding& b,
               std::int64_t j) const {
    Tensor sum, total;
    for (std::size_t part = 0; part < a.parts.size(); ++part) {
      if (!all.has(a, i, part) || !all.has(b, j, part)) continue;
      const auto place = [&](const Tensor& x) {
        return loss == "contrastive" ? x / torch::sqrt(x.dot(x) + 1e-12) : x;
      };
      const auto gap = place(a.parts[part][i]) - place(b.parts[part][j]);
      const auto said =
          loss == "pair"
              ? (all.own("part" + std::to_string(part)) * gap.abs()).sum() + all.own("bias")[0]
              : -gap.square().sum();
      const auto weight = a.weights[static_cast<std::int64_t>(part)];
      sum = sum.defined() ? sum + weight * said : weight * said;
      total = total.defined() ? total + weight : weight;
    }
    if (!sum.defined()) return {};
    // Samples that lack everything are in one place, where the root has no slope.
    return loss == "pair" ? sum / total : -torch::sqrt(1e-12 - sum / total);
  }
  Tensor operator()(const Given& all) const {
    std::vector<Tensors> answers;
    for (std::int64_t q = 0; q < all.asked.mask.size(0); ++q) {
      answers.emplace_back(kWay);
      for (std::int64_t c = 0; c < kWay; ++c) {
        Tensors of_class;
        for (std::int64_t i = 0; i < all.support.size; ++i) {
          const auto said = score(all, all.asked, q, all.known, i);
          if (all.label(i) == c && said.defined()) of_class.push_back(said);
        }
        if (!of_class.empty())
          answers.back()[static_cast<std::size_t>(c)] = torch::stack(of_class).mean();
      }
    }
    return together({answers}, torch::ones({1}, torch::kFloat64));
  }

  Tensor own(const Given& all, const Tensor& query_labels) const {
    const std::int64_t known = all.support.size, n = known + query_labels.numel();
    const auto label = [&](std::int64_t i) {
      return i < known ? all.label(i) : query_labels[i - known].item<std::int64_t>();
    };
    const auto side = [&](std::int64_t i) -> const Embedding& {
      return i < known ? all.known : all.asked;
    };
    const auto place = [&](std::int64_t i) { return i < known ? i : i - known; };
    // By sample: distances (or scores) to those of its class, and to others.
    std::vector<Tensors> same(static_cast<std::size_t>(n)), other = same;
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        if (i == j) continue;
        auto said = score(all, side(i), place(i), side(j), place(j));
        if (!said.defined()) continue;
        if (loss != "pair") said = -said;
        (label(i) == label(j) ? same : other)[static_cast<std::size_t>(i)].push_back(said);
      }
    const auto mean = [](const Tensors& terms) {
      return terms.empty() ? torch::zeros({}, torch::kFloat64) : torch::stack(terms).mean();
    };
    Tensors of_same, of_other, triplets;
    for (std::size_t a = 0; a < same.size(); ++a) {
      for (const auto& s : same[a])
        of_same.push_back(loss == "pair" ? torch::log(1 + torch::exp(-s)) : s * s);
      for (const auto& s : other[a])
        of_other.push_back(loss == "pair" ? torch::log(1 + torch::exp(s))
                                          : torch::relu(margin - s).pow(2));
      const auto hinge = [&](const Tensor& p, const Tensor& negative) {
        triplets.push_back(torch::relu(margin + p - negative));
      };
      if (same[a].empty() || other[a].empty()) continue;
      if (mining == "hard") hinge(torch::stack(same[a]).max(), torch::stack(other[a]).min());
      for (const auto& p : same[a]) {
        if (mining == "all")
          for (const auto& negative : other[a]) hinge(p, negative);
        if (mining != "semi_hard") continue;
        Tensor nearest, farthest = other[a][0];
        for (const auto& negative : other[a]) {
          if (number(negative) > number(farthest)) farthest = negative;
          const bool beyond = number(negative) > number(p);
          if (beyond && (!nearest.defined() || number(negative) < number(nearest)))
            nearest = negative;
        }
        hinge(p, nearest.defined() ? nearest : farthest);
      }
    }
    if (loss == "triplet") return mean(triplets);
    return (mean(of_same) + mean(of_other)) / 2;
  }
};

struct SiameseCase {
  const char *loss, *mining, *margin;
};
const std::vector<SiameseCase> kSiamese{{"pair", "all", "1"},
                                        {"contrastive", "all", "0.7"},
                                        {"triplet", "all", "0.7"},
                                        {"triplet", "hard", "0.7"},
                                        {"triplet", "semi_hard", "0.7"}};

TEST(Siamese, ComparesEveryPairAsThePapersSay) {
  for (const auto& [loss, mining, margin] : kSiamese)
    for (const char* fusion : {"concat", "late"})
      for (const auto& oddity : kOddities) {
        SCOPED_TRACE(std::string(loss) + " " + mining + " " + fusion + " " + oddity);
        const auto learner = learner_of("siamese", 1, fusion, "batch",
                                        {{"loss", loss}, {"mining", mining}, {"margin", margin}});
        const auto parameters = start(*learner, 0.5);
        const Task task = odd_task(learner->model(), oddity);
        const SiameseReference reference{loss, mining, std::stod(margin)};
        const auto own = [&](const Given& all, const Tensor&) {
          return reference.own(all, task.query.labels);
        };
        expect_reference(*learner, parameters, task, reference, own);
        if (oddity.empty())
          expect_differences(loss_of(*learner, task, reference, own), parameters,
                             learner->meta_gradient(parameters, task).gradient);
      }
}

/// Each way of mining leaves other triplets, so no key is without effect.
TEST(Siamese, MiningAndMarginMatter) {
  Tensors gradients;
  for (const auto& [mining, margin] :
       {std::pair("all", "0.7"), {"hard", "0.7"}, {"semi_hard", "0.7"}, {"semi_hard", "0.4"}}) {
    const auto learner = learner_of("siamese", 1, "late", "none",
                                    {{"loss", "triplet"}, {"mining", mining}, {"margin", margin}});
    const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
    const auto gradient = learner->meta_gradient(start(*learner, 0.5), task).gradient;
    for (const auto& before : gradients) EXPECT_GT(relative_error(gradient, before), 1e-3);
    gradients.push_back(gradient);
  }
}

/// Where episodes have one class there is nothing to tell apart, and nothing breaks.
TEST(Siamese, OneClassAloneGivesAFiniteGradient) {
  for (const auto& [loss, mining, margin] : kSiamese) {
    const auto learner = learner_of("siamese", 1, "late", "none",
                                    {{"loss", loss}, {"mining", mining}, {"margin", margin}});
    Task task = odd_task(learner->model(), "one_class");
    task.query.labels = torch::zeros_like(task.query.labels);
    const auto gradient = learner->meta_gradient(start(*learner, 0.5), task).gradient;
    EXPECT_TRUE(torch::isfinite(gradient).all().item<bool>()) << loss << " " << mining;
  }
}

/// 1,200 samples have 1.7e9 triplets; only what grows with their square is held.
// 600 samples beside 600: their triplets would not fit into any memory.
TEST(Siamese, MiningOfManySamples) {
  std::vector<std::int64_t> rows(600);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int64_t>(i % 6);
  for (const char* mining : {"all", "hard", "semi_hard"}) {
    const auto learner = learner_of("siamese", 1, "late", "none",
                                    {{"loss", "triplet"}, {"mining", mining}, {"margin", "0.7"}});
    Task task = tiny_task(learner->model(), 1, torch::kFloat64);
    task.query = select_rows(task.support, rows);
    task.support = task.query;
    const auto gradient = learner->meta_gradient(start(*learner, 0.5), task).gradient;
    EXPECT_TRUE(torch::isfinite(gradient).all().item<bool>()) << mining;
    EXPECT_GT(gradient.norm().item<double>(), 0) << mining;
  }
}

}  // namespace
}  // namespace cuttle
