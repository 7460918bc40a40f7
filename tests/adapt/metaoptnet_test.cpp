// MetaOptNet's support vector machine in float64: its dual against the primal and against projected
// gradients, and the learner against a graph through thousands of such steps.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "adapt/learners/svm.hpp"
#include "adapt/proofs.hpp"

namespace cuttle {
namespace {

/// Rows of v less a level each, cut off at `caps`, so that they sum to 0. The level is the least of
/// those that cutting off the first, the first two, ... of the highest would need; then once more
/// from who is cut off, with the graph.
torch::Tensor onto_caps(const torch::Tensor& v, const torch::Tensor& caps) {
  const auto values = v.detach();
  const auto order = std::get<1>((values - caps).sort(1, true));
  const auto high = values.gather(1, order), top = caps.gather(1, order);
  const auto sums = top.cumsum(1) - top + high.flip(1).cumsum(1).flip(1);
  const auto lowest = std::get<0>((sums / torch::arange(v.size(1), 0, -1)).min(1, true));
  const auto free = (values - lowest).lt(caps).to(torch::kFloat64);
  const auto level = (v * free + caps * (1 - free)).sum(1, true) / free.sum(1, true).clamp_min(1.0);
  return free * (v - level) + (1 - free) * caps;
}

/// The dual's A [n, way] by projected gradients from 0, with the graph of every step.
torch::Tensor by_projected_gradients(const torch::Tensor& kernel, const torch::Tensor& caps,
                                     int steps) {
  const double steepest = torch::linalg_eigvalsh(kernel.detach()).max().item<double>();
  const auto own = caps.gt(0).to(torch::kFloat64);
  auto a = torch::zeros_like(caps);
  for (int i = 0; i < steps; ++i) a = onto_caps(a - (kernel.matmul(a) - own) / steepest, caps);
  return a;
}

struct Machine {
  torch::Tensor x, kernel, caps, dual;  // [n, d], [n, n], [n, way], [n, way]
};

SvmDual::Numbers numbers(const torch::Tensor& tensor) {
  const auto flat = tensor.contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

/// `common`: what all features share. C differs from sample to sample; the last counts for nothing.
Machine machine(std::int64_t way, std::int64_t shot, std::int64_t width, double c, double common) {
  const std::int64_t n = way * shot;
  const auto labels = torch::arange(n, torch::kInt64).remainder(way);
  Machine made;
  made.x =
      torch::relu(common + torch::randn({way, width}, torch::kFloat64).index_select(0, labels) +
                  torch::randn({n, width}, torch::kFloat64));
  made.kernel = made.x.matmul(made.x.t()) + torch::eye(n, torch::kFloat64);
  made.caps = c * (0.5 + torch::rand({n, 1}, torch::kFloat64)) *
              torch::one_hot(labels, way).to(torch::kFloat64);
  made.caps[n - 1].zero_();
  const auto count = static_cast<std::size_t>(n);
  auto dual = SvmDual(numbers(made.kernel), numbers(made.caps.t()), count).optimum();
  made.dual = torch::from_blob(dual.data(), {way, n}, torch::kFloat64).t().clone();
  return made;
}

/// Feasible, and worth to 1e-12 what the primal of equation 6 is worth at w = A^T x: no other point
/// of either is better. The 1 on the kernel's diagonal is a column of its own for each sample.
TEST(SvmDual, IsWorthWhatThePrimalIs) {
  torch::manual_seed(1);
  for (const double c : {0.01, 0.1, 1.0, 10.0})
    for (const double common : {0.0, 3.0})
      for (const auto& [way, shot, width] :
           {std::tuple(5, 1, 16), {3, 6, 4}, {5, 5, 64}, {20, 3, 16}, {1, 4, 3}}) {
        const Machine at = machine(way, shot, width, c, common);
        const std::int64_t n = at.x.size(0);
        EXPECT_LT(largest(at.dual.sum(1)), 1e-13);
        EXPECT_LE((at.dual - at.caps).max().item<double>(), 1e-15);
        EXPECT_EQ(largest(at.dual[n - 1]), 0.0);
        const auto own = at.caps.gt(0).to(torch::kFloat64), c_n = at.caps.sum(1);
        const auto scores = at.kernel.matmul(at.dual);  // with the columns of their own
        const auto size = (at.dual * scores).sum();     // sum_k |w_k|^2
        const auto worst = std::get<0>((scores + 1.0 - own).max(1)) - (scores * own).sum(1);
        const auto primal = size / 2 + (c_n * worst).sum();
        const auto dual = (at.dual * own).sum() - size / 2;
        EXPECT_NEAR(primal.item<double>(), dual.item<double>(),
                    1e-11 * (1.0 + primal.item<double>()))
            << way << " " << shot << " " << c << " " << common;
      }
}

TEST(SvmDual, IsWhereProjectedGradientsEnd) {
  torch::manual_seed(2);
  for (const double c : {0.05, 0.5}) {
    const Machine at = machine(3, 4, 6, c, 0.0);
    const torch::NoGradGuard no_grad;
    EXPECT_LT(largest(by_projected_gradients(at.kernel, at.caps, 3000) - at.dual), 1e-10);
    const auto held = at.dual.eq(at.caps).to(torch::kFloat64).sum().item<double>();
    EXPECT_GT(held, 2);  // some are at their caps, some are not
    EXPECT_LT(held, 30);
  }
}

/// What a learner without a second graph would say: A taken as it is.
enum class Through { kOptimum, kNothing };

/// Lee et al. 2019, equations 6 to 9, written down once more: of each part the samples that have it
/// and their classes alone.
torch::Tensor reference_outputs(const Learner& learner, const Tensors& leaves, const Task& task,
                                double c, const torch::Tensor& counts, Through through) {
  const auto embedding =
      learner.model().embed(leaves, concatenate(task.support, task.query), Context());
  const std::int64_t n = task.support.size, asked = task.query.size, way = task.support.way;
  const auto scale = leaves[places_of(*learner.model().layout()).at("learner.scale")].exp();
  auto sum = torch::zeros({asked, way}, torch::kFloat64), total = torch::zeros_like(sum);
  for (std::size_t p = 0; p < embedding.parts.size(); ++p) {
    const auto mask = embedding.mask.select(1, static_cast<std::int64_t>(p));
    const auto query = embedding.parts[p].narrow(0, n, asked);
    const auto rows = mask.narrow(0, 0, n).nonzero().squeeze(1);
    if (rows.numel() == 0) continue;
    const auto x = embedding.parts[p].narrow(0, 0, n).index_select(0, rows);
    const auto labels = task.support.labels.index_select(0, rows);
    std::vector<std::int64_t> classes;
    for (std::int64_t k = 0; k < way; ++k)
      if (labels.eq(k).any().item<bool>()) classes.push_back(k);
    const auto columns = torch::tensor(classes, torch::kInt64);
    const auto caps = c * (torch::one_hot(labels, way).to(torch::kFloat64) *
                           counts.index_select(0, rows).unsqueeze(1))
                              .index_select(1, columns);
    const auto seen = through == Through::kOptimum ? x : x.detach();
    const auto a = by_projected_gradients(
        seen.matmul(seen.t()) + torch::eye(x.size(0), torch::kFloat64), caps, 1500);
    const auto w = a.t().matmul(x);
    const auto weight = (mask.narrow(0, n, asked) * embedding.weights[static_cast<std::int64_t>(p)])
                            .unsqueeze(1)
                            .expand({asked, columns.size(0)});
    sum = sum.index_add(1, columns, weight * scale * query.matmul(w.t()));
    total = total.index_add(1, columns, weight);
  }
  return sum / total.masked_fill(total.eq(0), 1.0);
}

/// The support set of a variant; gives what its samples count.
torch::Tensor change_support(const std::string& variant, Batch& support) {
  auto counts = torch::ones({support.size}, torch::kFloat64);
  if (variant == "uneven") {  // four samples, one and one; classes count alike
    support.even = false;
    support.labels = torch::tensor({0, 2, 0, 0, 1, 0}, torch::kInt64);
    counts = torch::tensor({0.5, 2.0, 0.5, 0.5, 2.0, 0.5}, torch::kFloat64);
  }
  if (variant == "lacking") support = keep_modalities(support, {true, false});
  if (variant == "unseen") {  // nobody of class 1 has a text
    auto& text = support.modalities[1];
    const auto kept = support.labels.index_select(0, text.rows).ne(1).nonzero().squeeze(1);
    text = {text.values.index_select(0, kept), text.mask.index_select(0, kept),
            text.rows.index_select(0, kept)};
  }
  return counts;
}

TEST(MetaOptNet, GradientEqualsThatThroughALongSolve) {
  for (const std::string variant : {"concat", "gated", "late", "uneven", "lacking", "unseen"})
    for (const double c : {0.1, 2.0}) {
      if (c < 1 && variant != "concat" && variant != "uneven") continue;
      SCOPED_TRACE(variant + " " + std::to_string(c));
      const bool one = variant == "concat" || variant == "gated";
      const auto learner =
          learner_of("metaoptnet", 1, one ? variant : "late", "batch", {{"c", std::to_string(c)}});
      const auto parameters = start(*learner, 0.4);
      Task task = tiny_task(learner->model(), 1, torch::kFloat64);
      const auto counts = change_support(variant, task.support);
      const Tensors leaves = leaves_of(parameters);
      const auto outputs = reference_outputs(*learner, leaves, task, c, counts, Through::kOptimum);
      const auto loss = F::cross_entropy(outputs, task.query.labels);
      const auto result = learner->meta_gradient(parameters, task);
      EXPECT_NEAR(result.values[0], loss.item<double>(), 1e-10);
      const auto expected = flat_gradient(*learner, loss, leaves);
      EXPECT_LT(relative_error(result.gradient, expected), 1e-7);
      const auto predicted =
          learner->adapt(parameters, task.support, task.key)->predict(task.query);
      EXPECT_LT(largest(predicted - outputs), 1e-9);
      expect_differences(*learner, parameters, task);
      // The optimum moves with the features: leaving that out is another gradient.
      const auto fixed =
          F::cross_entropy(reference_outputs(*learner, leaves, task, c, counts, Through::kNothing),
                           task.query.labels);
      EXPECT_GT(relative_error(flat_gradient(*learner, fixed, leaves), expected), 1e-2);
    }
}

TEST(MetaOptNet, CBoundsWhatASampleWeighs) {
  const Task task = tiny_task(learner_of("metaoptnet", 1)->model(), 1, torch::kFloat64);
  const auto answers = [&](const char* c) {
    const auto learner = learner_of("metaoptnet", 1, "concat", "batch", {{"c", c}});
    return learner->adapt(start(*learner, 0.0), task.support, task.key)->predict(task.query);
  };
  const auto small = answers("1e-6"), twice = answers("2e-6"), large = answers("1e3");
  EXPECT_LT(largest(twice - 2.0 * small), 1e-9 * largest(large));  // all are at their caps
  EXPECT_LT(largest(answers("1e4") - large), 1e-12);               // and here nobody is
  EXPECT_GT(largest(answers("0.05") - large), 1e-3);
}

TEST(MetaOptNet, OneClassAloneIsAnswered) {
  const auto learner = learner_of("metaoptnet", 1, "late");
  Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  task.support.labels.zero_();
  task.support.even = false;
  const auto predicted =
      learner->adapt(start(*learner, 0.4), task.support, task.key)->predict(task.query);
  EXPECT_EQ(largest(predicted), 0.0);  // there is nothing to tell it from
}

}  // namespace
}  // namespace cuttle
