// Matching Networks against what their paper says, written down once more sample by sample.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <string>
#include <vector>

#include "adapt/comparing.hpp"

namespace cuttle {
namespace {

/// Equation 1 of Vinyals et al. 2016 and the full context embeddings of its appendix A.
struct MatchingReference {
  std::string distance = "squared";
  double scale = 1.0;
  std::int64_t steps = 0;  ///< 0: no full context
  bool balanced = false;

  /// On LibTorch's own LSTM, both directions at once.
  Tensor of_support(const Given& all, const std::string& part, const Tensor& x) const {
    if (steps == 0) return x;
    const std::int64_t width = x.size(1);
    Tensors weights;
    for (const char* way : {".forward", ".backward"}) {
      for (const char* name : {".weight_ih", ".weight_hh", ".bias"})
        weights.push_back(all.own(part + way + name));
      weights.push_back(torch::zeros({4 * width}, torch::kFloat64));
    }
    const auto none = torch::zeros({2, 1, width}, torch::kFloat64);
    const auto read = std::get<0>(torch::lstm(x.unsqueeze(1), {none, none}, weights, true, 1, 0.0,
                                              false, true, false))
                          .squeeze(1);
    return x + read.narrow(1, 0, width) + read.narrow(1, width, width);
  }
  Tensor of_query(const Given& all, const std::string& part, const Tensor& x,
                  const Tensor& g) const {
    if (steps == 0) return x;
    const std::int64_t width = x.size(0);
    Tensor h = torch::zeros_like(x), cell = torch::zeros_like(x);
    for (std::int64_t k = 0; k < steps; ++k) {
      Tensor read = torch::zeros_like(x), sum = torch::zeros({}, torch::kFloat64);
      for (std::int64_t i = 0; i < g.size(0); ++i) {
        const auto a = torch::exp(h.dot(g[i]));
        read = read + a * g[i];
        sum = sum + a;
      }
      const auto told = torch::cat({h, read / sum});
      const auto gate = [&](std::int64_t which) {
        const auto rows = [&](const char* name) {
          return all.own(part + ".attending." + name).narrow(0, which * width, width);
        };
        return rows("weight_ih").mv(x) + rows("weight_hh").mv(told) + rows("bias");
      };
      cell = torch::sigmoid(gate(1)) * cell + torch::sigmoid(gate(0)) * torch::tanh(gate(2));
      h = torch::sigmoid(gate(3)) * torch::tanh(cell) + x;
    }
    return h;
  }
  Tensor similarity(const Tensor& f, const Tensor& g) const {
    return distance == "cosine" ? f.dot(g) / (f.norm() * g.norm()) : -(f - g).square().sum();
  }

  Tensor operator()(const Given& all) const {
    std::vector<double> shots(kWay, 0.0);
    for (std::int64_t i = 0; i < all.support.size; ++i)
      shots[static_cast<std::size_t>(all.label(i))] += 1;
    std::vector<std::vector<Tensors>> said;
    for (std::size_t part = 0; part < all.known.parts.size(); ++part) {
      const std::string name = "part" + std::to_string(part);
      Tensors with;
      std::vector<std::int64_t> labels;
      for (std::int64_t i = 0; i < all.support.size; ++i)
        if (all.has(all.known, i, part)) {
          with.push_back(all.known.parts[part][i]);
          labels.push_back(all.label(i));
        }
      std::vector<Tensors> answers;
      const auto g = with.empty() ? Tensor() : of_support(all, name, torch::stack(with));
      for (std::int64_t q = 0; q < all.asked.mask.size(0); ++q) {
        answers.emplace_back(kWay);
        if (with.empty() || !all.has(all.asked, q, part)) continue;
        const auto f = of_query(all, name, all.asked.parts[part][q], g);
        Tensor sum = torch::zeros({}, torch::kFloat64);
        Tensors of_class(kWay);
        for (std::size_t i = 0; i < labels.size(); ++i) {
          const auto c = static_cast<std::size_t>(labels[i]);
          auto a = torch::exp(scale * similarity(f, g[static_cast<std::int64_t>(i)]));
          if (balanced) a = a / shots[c];
          of_class[c] = of_class[c].defined() ? of_class[c] + a : a;
          sum = sum + a;
        }
        for (std::size_t c = 0; c < kWay; ++c)
          if (of_class[c].defined()) answers.back()[c] = torch::log(of_class[c] / sum);
      }
      said.push_back(std::move(answers));
    }
    return together(said, all.known.weights);
  }
};

TEST(Matching, AnswersByAttentionOverTheSupport) {
  for (const char* fusion : {"concat", "gated", "late"})
    for (const char* distance : {"squared", "cosine"})
      for (const auto& oddity : kOddities) {
        SCOPED_TRACE(std::string(fusion) + " " + distance + " " + oddity);
        const auto learner = learner_of("matching", 1, fusion, "batch", {{"distance", distance}});
        const auto parameters = start(*learner, 0.3);
        MatchingReference reference{distance};
        reference.scale = std::string(distance) == "cosine" ? 10.0 : 0.1;
        reference.balanced = oddity == "uneven" || oddity == "no_class_2";
        const Task task = odd_task(learner->model(), oddity);
        expect_reference(*learner, parameters, task, reference);
        if (oddity.empty()) expect_differences(*learner, parameters, task);
      }
}

TEST(Matching, EmbedsInTheContextOfTheWholeSupport) {
  for (const char* fusion : {"concat", "late"})
    for (const std::int64_t steps : {1, 3})
      for (const auto& oddity : kOddities) {
        SCOPED_TRACE(std::string(fusion) + " " + std::to_string(steps) + " " + oddity);
        const auto learner = learner_of("matching", 1, fusion, "none",
                                        {{"full_context", "true"},
                                         {"distance", "squared"},
                                         {"processing_steps", std::to_string(steps)},
                                         {"scale", "0.5"}});
        const auto parameters = start(*learner, 0.3);
        MatchingReference reference;
        reference.scale = 0.5;
        reference.steps = steps;
        reference.balanced = oddity == "uneven" || oddity == "no_class_2";
        const Task task = odd_task(learner->model(), oddity);
        expect_reference(*learner, parameters, task, reference);
        if (oddity.empty()) expect_differences(*learner, parameters, task);
      }
}

/// A sample's neighbours in the support change what it is, and where it stands does: not without.
TEST(Matching, FullContextReadsTheSupportInTheKeysOrder) {
  for (const char* context : {"false", "true"}) {
    const auto learner = learner_of("matching", 1, "concat", "none", {{"full_context", context}});
    const auto parameters = start(*learner, 0.3);
    const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
    const auto answers = [&](std::uint32_t slot) {
      const RandomKey key{9, Stream::kTesting, 0, slot};
      return learner->adapt(parameters, task.support, key)->predict(task.query);
    };
    EXPECT_TRUE(torch::equal(answers(1), answers(1)));
    const double apart = largest(answers(1) - answers(2));
    if (std::string(context) == "true")
      EXPECT_GT(apart, 1e-6);
    else
      EXPECT_EQ(apart, 0.0);
  }
}

TEST(Matching, OfClassesGivesLogarithmsOfProbabilities) {
  const auto learner = learner_of("matching", 1, "concat", "none");
  const auto parameters = start(*learner, 0.3);
  const Task task = tiny_task(learner->model(), 1, torch::kFloat64);
  const auto outputs = learner->adapt(parameters, task.support, task.key)->predict(task.query);
  EXPECT_LT(largest(torch::exp(outputs).sum(1) - 1), 1e-12);
}

/// Of values: the attention's mean of the support's.
TEST(Matching, OfValuesGivesTheirWeightedMean) {
  ModelOptions options;
  options.fusion = "concat";
  options.encoders["image"] = Section("conv4", {{"width", "4"}, {"depth", "2"}, {"norm", "none"}});
  options.encoders["text"] =
      Section("char_conv", {{"width", "4"}, {"depth", "2"}, {"norm", "none"}});
  const auto model = std::make_shared<Model>(options, tiny_modalities(), 0, 1, ModelRegistry{});
  const std::shared_ptr<const TaskKind> kind =
      builtin_task_kinds().at("value").make({Section("value")});
  const Section section("matching", {{"distance", "squared"}, {"scale", "0.3"}});
  TaskInputs inputs{tiny_modalities(), 2, 0};
  inputs.outputs = 2;
  const auto learner = make_learner(
      builtin_learners(),
      {section, model, kind, std::make_shared<const Objectives>(), model->declare(), inputs});
  const auto parameters = start(*learner, 0.3);
  Task task = tiny_task(*model, 1, torch::kFloat64);
  for (auto* batch : {&task.support, &task.query}) {
    batch->labels = Tensor();
    batch->way = 2;
    batch->targets = torch::randn({batch->size, 2}, torch::kFloat64);
  }
  const Tensors leaves = leaves_of(parameters);
  const auto known = model->embed(leaves, task.support, {}).parts[0];
  const auto asked = model->embed(leaves, task.query, {}).parts[0];
  Tensors rows;
  for (std::int64_t q = 0; q < asked.size(0); ++q) {
    Tensor sum = torch::zeros({2}, torch::kFloat64), total = torch::zeros({}, torch::kFloat64);
    for (std::int64_t i = 0; i < known.size(0); ++i) {
      const auto a = torch::exp(-0.3 * (asked[q] - known[i]).square().sum());
      sum = sum + a * task.support.targets[i];
      total = total + a;
    }
    rows.push_back(sum / total);
  }
  const auto outputs = torch::stack(rows);
  const auto predicted = learner->adapt(parameters, task.support, task.key)->predict(task.query);
  EXPECT_LT(largest(predicted - outputs), 1e-12);
  const auto loss = (outputs - task.query.targets).square().mean();
  EXPECT_LT(relative_error(learner->meta_gradient(parameters, task).gradient,
                           flat_gradient(*learner, loss, leaves)),
            1e-9);
}

}  // namespace
}  // namespace cuttle
