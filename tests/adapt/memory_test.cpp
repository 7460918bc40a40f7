// Learners with a memory (mann, meta_networks), in float64, each against its paper's equations
// written down slot after slot and sample after sample, and what their parts do.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "adapt/variants.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

const Values kSmallMann{{"hidden", "5"}, {"slots", "4"}, {"slot_width", "3"}, {"reads", "2"}};
const Values kSmallMetaNetworks{{"width", "8"}, {"meta_width", "3"}};

/// Equations 2 to 8 of the paper for one sequence, slot after slot.
struct MannReference {
  Own own;
  bool memory = true;
  torch::Tensor h = torch::zeros({5}, torch::kFloat64), c = h;
  std::vector<torch::Tensor> slots = Tensors(4, torch::zeros({3}, torch::kFloat64));
  std::vector<Tensors> read =
      std::vector<Tensors>(2, Tensors(4, torch::zeros({}, torch::kFloat64)));
  Tensors usage = Tensors(4, torch::zeros({}, torch::kFloat64));
  Tensors recalled = Tensors(2, torch::zeros({3}, torch::kFloat64));

  /// What the network says on seeing x and the answer before.
  torch::Tensor see(const torch::Tensor& x, const torch::Tensor& before) {
    Tensors seen{x, before};
    if (memory) seen.insert(seen.end(), recalled.begin(), recalled.end());
    const auto gates = own.affine("lstm.in", torch::cat(seen)) + own("lstm.back").matmul(h);
    const auto gate = [&](int i) { return gates.narrow(0, 5 * i, 5); };
    c = torch::sigmoid(gate(1)) * c + torch::sigmoid(gate(0)) * torch::tanh(gate(2));
    h = torch::sigmoid(gate(3)) * torch::tanh(c);
    Tensors known{h};
    if (memory) {
      remember();
      known.insert(known.end(), recalled.begin(), recalled.end());
    }
    return own.affine("head", torch::cat(known));
  }

 private:
  static torch::Tensor length(const torch::Tensor& x) { return (x.dot(x) + 0.01).sqrt(); }
  void remember() {
    const auto keys = torch::tanh(own.affine("key", h)), adds = torch::tanh(own.affine("add", h));
    std::vector<std::size_t> order{0, 1, 2, 3};
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return usage[a].item<double>() < usage[b].item<double>();
    });
    std::vector<Tensors> write = read;
    for (std::size_t head = 0; head < 2; ++head)
      for (std::size_t i = 0; i < 4; ++i) {
        const auto gate = torch::sigmoid(own("gate")[static_cast<std::int64_t>(head)][0]);
        write[head][i] = gate * read[head][i] + (i == order[head] ? 1 - gate : 0 * gate);
      }
    for (const std::size_t head : {0u, 1u}) slots[order[head]] = torch::zeros({3}, torch::kFloat64);
    const auto of = [](const torch::Tensor& heads, std::size_t head) {
      return heads.narrow(0, 3 * static_cast<std::int64_t>(head), 3);
    };
    for (std::size_t i = 0; i < 4; ++i)
      slots[i] = slots[i] + write[0][i] * of(adds, 0) + write[1][i] * of(adds, 1);
    for (std::size_t i = 0; i < 4; ++i) usage[i] = 0.95 * usage[i];
    for (std::size_t head = 0; head < 2; ++head) {
      const auto key = of(keys, head);
      Tensors scores;
      for (const auto& slot : slots)
        scores.push_back(torch::exp(own("sharpness")[0]) * key.dot(slot) /
                         (length(key) * length(slot)));
      const auto share = torch::softmax(torch::stack(scores), 0);
      auto sum = torch::zeros({3}, torch::kFloat64);
      for (std::size_t i = 0; i < 4; ++i) {
        read[head][i] = share[static_cast<std::int64_t>(i)];
        usage[i] = usage[i] + read[head][i] + write[head][i];
        sum = sum + read[head][i] * slots[i];
      }
      recalled[head] = sum;
    }
  }
};

/// The support in the order that the learner chose and its state tells.
Batch order_in(const Adapted& adapted, const Batch& support) {
  const auto state = adapted.state();
  Batch ordered = support;
  ordered.labels = state.at("support.labels");
  for (std::size_t m = 0; m < 2; ++m) {
    const std::string name = m == 0 ? "support.image." : "support.text.";
    const auto entry = [&](const char* what) {
      const auto found = state.find(name + what);
      return found == state.end() ? torch::Tensor() : found->second;
    };
    ordered.modalities[m] = {entry("values"), entry("mask"), entry("rows")};
  }
  return ordered;
}

/// Every query is the step after the whole support.
torch::Tensor mann_reference(const Own& own, bool memory, const torch::Tensor& known,
                             const torch::Tensor& answers, const torch::Tensor& asked) {
  Tensors outputs;
  for (std::int64_t q = 0; q < asked.size(0); ++q) {
    MannReference sequence{own, memory};
    auto before = torch::zeros({answers.size(1)}, torch::kFloat64);
    for (std::int64_t s = 0; s < known.size(0); ++s) {
      sequence.see(known[s], before);
      before = answers[s];
    }
    outputs.push_back(sequence.see(asked[q], before));
  }
  return torch::stack(outputs);
}

/// In training everything is asked for when it comes: the support in its order, then the queries in
/// one that the key draws.
torch::Tensor mann_sequence_loss(const Own& own, bool memory, const torch::Tensor& samples,
                                 const torch::Tensor& labels, std::int64_t support,
                                 const RandomKey& key) {
  Random random(key.with(Stream::kModel, 15));
  const std::int64_t queries = samples.size(0) - support;
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < support; ++i) order.push_back(i);
  for (const std::int64_t i : random.sample(queries, queries)) order.push_back(support + i);
  MannReference sequence{own, memory};
  auto before = torch::zeros({3}, torch::kFloat64);
  Tensors costs;
  for (const std::int64_t i : order) {
    const auto said = sequence.see(samples[i], before);
    costs.push_back(said.logsumexp(0) - said[labels[i].item<std::int64_t>()]);
    before = torch::one_hot(labels[i], 3).to(torch::kFloat64);
  }
  return torch::stack(costs).mean();
}

TEST(Mann, AnswersAndLearnsAsThePaperWrites) {
  for (const std::string variant : {"concat", "late", "uneven", "lacking", "without"}) {
    SCOPED_TRACE(variant);
    auto values = kSmallMann;
    if (variant == "without") values["slots"] = "0";
    const bool joint = variant == "concat" || variant == "without";
    const auto learner = learner_of("mann", 1, joint ? "concat" : "late", "none", values);
    const auto parameters = start(*learner, 0.5);
    const Task task = odd_task(learner->model(), variant);
    const auto adapted = learner->adapt(parameters, task.support, task.key);
    const Batch support = order_in(*adapted, task.support);
    const auto leaves = leaves_of(parameters);
    const auto known = rows_of_embedding(learner->model().embed(leaves, support, {}));
    const auto asked = rows_of_embedding(learner->model().embed(leaves, task.query, {}));
    const auto answers = torch::one_hot(support.labels, 3).to(torch::kFloat64);
    const auto outputs =
        mann_reference(own_of(*learner, leaves), variant != "without", known, answers, asked);
    EXPECT_LT(largest(adapted->predict(task.query) - outputs), 1e-11);
    const auto result = learner->meta_gradient(parameters, task);
    const auto loss = F::cross_entropy(outputs, task.query.labels);  // what is reported
    EXPECT_NEAR(result.values[0], loss.item<double>(), 1e-10);
    const auto reference = flat_gradient(
        *learner,
        mann_sequence_loss(own_of(*learner, leaves), variant != "without",
                           torch::cat({known, asked}),
                           torch::cat({support.labels, task.query.labels}), support.size, task.key),
        leaves);
    EXPECT_LT(relative_error(result.gradient, reference), 1e-9);
  }
}

TEST(Mann, RemembersValues) {
  const auto learner = value_learner("mann", kSmallMann);
  const auto parameters = start(*learner, 0.5);
  const Task task = value_task();
  const auto adapted = learner->adapt(parameters, task.support, task.key);
  Batch support = task.support;
  support.targets = adapted->state().at("support.targets");
  support.modalities[0].values = adapted->state().at("support.x.values");
  const auto& p = parameters.tensors();
  const auto known = learner->model().embed(p, support, {}).parts[0];
  const auto asked = learner->model().embed(p, task.query, {}).parts[0];
  const auto outputs = mann_reference(own_of(*learner, p), true, known, support.targets, asked);
  EXPECT_LT(largest(adapted->predict(task.query) - outputs), 1e-11);
}

TEST(Mann, TracesHowManyInstancesItHasSeen) {
  const auto learner = learner_of("mann", 1, "concat", "none", kSmallMann);
  const auto parameters = start(*learner, 0.5);
  const Task task = odd_task(learner->model(), "concat");  // two samples of each of three classes
  const auto& kind = learner->kind();
  const auto trace = learner->trace(parameters, task);
  ASSERT_EQ(trace.size(), 2U);
  const Batch support = order_in(*learner->adapt(parameters, task.support, task.key), task.support);
  const auto& p = parameters.tensors();
  const auto known = rows_of_embedding(learner->model().embed(p, support, {}));
  MannReference sequence{own_of(*learner, p)};
  auto before = torch::zeros({3}, torch::kFloat64);
  std::vector<Tensors> said(2);
  std::vector<std::vector<std::int64_t>> rows(2);
  std::vector<std::size_t> seen(3);
  for (std::int64_t s = 0; s < support.size; ++s) {
    const auto label = support.labels[s].item<std::int64_t>();
    const std::size_t instance = seen[static_cast<std::size_t>(label)]++;
    said[instance].push_back(sequence.see(known[s], before));
    rows[instance].push_back(s);
    before = torch::one_hot(support.labels[s], 3).to(torch::kFloat64);
  }
  for (std::size_t k = 0; k < 2; ++k) {
    const Batch asked = select_rows(support, rows[k]);
    const auto outputs = torch::stack(said[k]);
    EXPECT_NEAR(trace[k].support_loss, kind.loss(outputs, asked).item<double>(), 1e-11) << k;
    EXPECT_EQ(trace[k].support_metrics, kind.measure(outputs, asked)) << k;
    Task shorter = task;
    if (k == 0) {
      std::vector<std::int64_t> firsts;
      for (std::int64_t c = 0; c < 3; ++c)
        firsts.push_back(task.support.labels.eq(c).to(torch::kInt64).argmax().item<std::int64_t>());
      std::sort(firsts.begin(), firsts.end());
      shorter.support = select_rows(task.support, firsts);
    }
    const auto answers = predicted(*learner, parameters, shorter);
    EXPECT_EQ(trace[k].query_loss, kind.loss(answers, task.query).item<double>()) << k;
    EXPECT_EQ(trace[k].query_metrics, kind.measure(answers, task.query)) << k;
  }
}

/// The answer of the last sample comes with the query.
TEST(Mann, AnswersComeOneStepLate) {
  const auto learner = learner_of("mann", 1, "concat", "none", kSmallMann);
  const auto parameters = start(*learner, 0.5);
  const Task task = odd_task(learner->model(), "concat");
  auto state = learner->adapt(parameters, task.support, task.key)->state();
  const auto before = learner->restore(state, 3)->predict(task.query);
  auto labels = state.at("support.labels").clone();
  labels[-1] = (labels[-1] + 1).remainder(3);
  state["support.labels"] = labels;
  const auto changed = learner->restore(state, 3)->predict(task.query) - before;
  EXPECT_GT(largest(changed), 1e-4);
  // With no way from the input to the LSTM for answers, none matters.
  auto deaf = parameters.clone();
  auto weight = deaf.tensors()[places_of(*learner->model().layout()).at("learner.lstm.in.weight")];
  weight.narrow(1, weight.size(1) - 3 - 6, 3).zero_();
  state["parameters"] = deaf.flat();
  const auto first = learner->restore(state, 3)->predict(task.query);
  state["support.labels"] = torch::zeros_like(labels);
  EXPECT_TRUE(torch::equal(learner->restore(state, 3)->predict(task.query), first));
}

/// Two classes on either side of zero; `side` says which is where.
Batch around(double side, std::int64_t per_class, Random& random) {
  Batch batch;
  batch.way = 2;
  batch.size = 2 * per_class;
  batch.even = true;
  batch.labels = torch::arange(batch.size).remainder(2);
  auto x = torch::empty({batch.size, 1});
  for (std::int64_t i = 0; i < batch.size; ++i)
    x[i][0] = (i % 2 == 0 ? side : -side) + 1.2 * random.normal();
  batch.modalities.push_back({x, {}, torch::arange(batch.size)});
  return batch;
}
Task sides_task(std::uint32_t slot, std::int64_t shot) {
  const RandomKey key{11, Stream::kTesting, 0, slot};
  Random random(key);
  const double side = random.below(2) == 0 ? 1 : -1;
  const Batch support = around(side, shot, random);
  return {support, around(side, 4, random), key};
}

/// Figure 2 of the paper in small: a trained network is right more often after more instances.
TEST(Mann, IsRightMoreOftenTheMoreInstancesItHasSeen) {
  const auto learner = vector_learner(
      "mann", "class", 1, {{"hidden", "32"}, {"slots", "8"}, {"slot_width", "16"}, {"reads", "2"}});
  const auto layout = learner->model().layout();
  const ParameterList parameters = ParameterList::initial(layout, 3);
  const auto& flat = parameters.flat();
  torch::optim::Adam adam({flat}, torch::optim::AdamOptions(0.01));
  std::uint32_t slot = 0;
  for (int step = 0; step < 400; ++step) {
    auto gradient = torch::zeros_like(flat);
    for (int task = 0; task < 8; ++task, ++slot)
      gradient += learner->meta_gradient(parameters, sides_task(slot, 1 + slot % 4)).gradient / 8;
    flat.mutable_grad() = gradient;
    adam.step();
  }
  const auto right = [&](std::int64_t shot) {
    double sum = 0;
    for (std::uint32_t i = 0; i < 300; ++i) {
      const Task task = sides_task(1'000'000 + i, shot);
      const auto said = predicted(*learner, parameters, task).argmax(1);
      sum += said.eq(task.query.labels).to(torch::kFloat64).mean().item<double>() / 300;
    }
    return sum;
  };
  const double once = right(1), often = right(4);
  EXPECT_GT(once, 0.6) << often;
  EXPECT_GT(often, once + 0.02) << once;
}

TEST(Mann, EveryHeadNeedsASlot) {
  auto values = kSmallMann;
  values["reads"] = "5";
  EXPECT_THROW(learner_of("mann", 1, "concat", "none", values), UserError);
}

/// log and sign, number by number (Andrychowicz et al. 2016, appendix A), through the perceptron
/// `name` that makes fast weights.
torch::Tensor fast_weights(const Own& own, const std::string& name, const torch::Tensor& slope) {
  auto made = torch::empty_like(slope);
  Tensors all;
  for (std::int64_t i = 0; i < slope.numel(); ++i) {
    const double g = slope.flatten()[i].item<double>();
    const bool large = std::abs(g) >= std::exp(-10.0);
    const auto seen = torch::tensor({large ? std::log(std::abs(g)) / 10 : -1.0,
                                     large ? (g > 0 ? 1.0 : -1.0) : std::exp(10.0) * g},
                                    torch::kFloat64);
    all.push_back(own.affine(name + ".1", torch::relu(own.affine(name + ".0", seen)))[0]);
  }
  return torch::stack(all).view(slope.sizes());
}

/// Algorithm 1, sample after sample, with the slopes of cross-entropy (`classes`) or squared error
/// through relu by hand.
struct MetaNetworksReference {
  Own own;
  bool classes = true;
  torch::Tensor counts;  ///< how much each sample counts, 1 on average
  torch::Tensor fast_q = {};
  Tensors kept = {}, fast_hidden = {}, fast_output = {};

  /// Of a sample's loss with respect to its output.
  torch::Tensor error(const torch::Tensor& output, const torch::Tensor& answer) const {
    if (classes) return torch::softmax(output, 0) - answer;
    return 2 * (output - answer) / static_cast<double>(answer.size(0));
  }
  torch::Tensor represent(const torch::Tensor& x) const {
    return torch::relu(own.affine("represent", x) + fast_q.matmul(x));
  }
  void learn(const Tensors& x, const Tensors& answers) {
    auto slope_q = torch::zeros_like(own("represent.weight"));
    const auto n = static_cast<double>(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto r = torch::relu(own.affine("represent", x[i]));
      const auto e = error(own.affine("base.1", r), answers[i]);
      const auto back = own("base.1.weight").t().matmul(e) * r.gt(0);
      slope_q = slope_q + counts[static_cast<std::int64_t>(i)] / n * back.outer(x[i]);
    }
    fast_q = fast_weights(own, "meta_represent", slope_q);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto h = torch::relu(own.affine("base.0", x[i]));
      const auto e = error(own.affine("base.1", h), answers[i]);
      const auto back = own("base.1.weight").t().matmul(e) * h.gt(0);
      fast_hidden.push_back(fast_weights(own, "meta_base", back.outer(x[i])));
      fast_output.push_back(fast_weights(own, "meta_base", e.outer(h)));
      kept.push_back(represent(x[i]));
    }
  }
  torch::Tensor answer(const torch::Tensor& x) const {
    const auto r = represent(x);
    const auto length = [](const torch::Tensor& v) { return (v.dot(v) + 1e-12).sqrt(); };
    Tensors weights;
    for (std::size_t i = 0; i < kept.size(); ++i)
      weights.push_back(counts[static_cast<std::int64_t>(i)] *
                        torch::exp(torch::exp(own("sharpness")[0]) * r.dot(kept[i]) /
                                   (length(r) * length(kept[i]))));
    const auto total = torch::stack(weights).sum();
    auto hidden = torch::zeros_like(fast_hidden[0]), output = torch::zeros_like(fast_output[0]);
    for (std::size_t i = 0; i < kept.size(); ++i) {
      hidden = hidden + weights[i] / total * fast_hidden[i];
      output = output + weights[i] / total * fast_output[i];
    }
    const auto h = torch::relu(own.affine("base.0", x) + hidden.matmul(x));
    return own.affine("base.1", h) + output.matmul(h);
  }
};

torch::Tensor meta_networks_reference(MetaNetworksReference reference, const torch::Tensor& known,
                                      const torch::Tensor& answers, const torch::Tensor& asked) {
  const auto projected = [&](const torch::Tensor& rows) {
    Tensors x;
    for (std::int64_t i = 0; i < rows.size(0); ++i)
      x.push_back(reference.own.affine("project", rows[i]));
    return x;
  };
  Tensors outputs;
  // Slopes are numbers (fast_weights reads them as such): no graph goes through them.
  reference.learn(projected(known), answers.unbind());
  for (const auto& x : projected(asked)) outputs.push_back(reference.answer(x));
  return torch::stack(outputs);
}

TEST(MetaNetworks, AnswersAndLearnsAsThePaperWrites) {
  for (const std::string variant : {"concat", "late", "uneven", "lacking"}) {
    SCOPED_TRACE(variant);
    const auto learner = learner_of("meta_networks", 1, variant == "concat" ? "concat" : "late",
                                    "none", kSmallMetaNetworks);
    const auto parameters = start(*learner, 0.2);
    const Task task = odd_task(learner->model(), variant);
    const auto leaves = leaves_of(parameters);
    const auto known = rows_of_embedding(learner->model().embed(leaves, task.support, {}));
    const auto asked = rows_of_embedding(learner->model().embed(leaves, task.query, {}));
    const auto outputs =
        meta_networks_reference({own_of(*learner, leaves), true, counts_of(variant)}, known,
                                torch::one_hot(task.support.labels, 3).to(torch::kFloat64), asked);
    EXPECT_LT(largest(predicted(*learner, parameters, task) - outputs), 1e-10);
    const auto reference =
        flat_gradient(*learner, F::cross_entropy(outputs, task.query.labels), leaves);
    const auto result = learner->meta_gradient(parameters, task);
    EXPECT_LT(relative_error(result.gradient, reference), 1e-9);
    const auto mine = learner->model().layout()->views(result.gradient);
    const auto theirs = learner->model().layout()->views(reference);
    for (const auto& [name, i] : places_of(*learner->model().layout())) {
      if (name.rfind("learner.", 0) != 0) continue;
      EXPECT_GT(largest(theirs[i]), 0.0) << name;
      EXPECT_LT(relative_error(mine[i], theirs[i]), 1e-8) << name;
    }
  }
}

TEST(MetaNetworks, LearnsValues) {
  const auto learner = value_learner("meta_networks", kSmallMetaNetworks);
  const auto parameters = start(*learner, 0.5);
  const Task task = value_task();
  const auto leaves = leaves_of(parameters);
  const auto known = learner->model().embed(leaves, task.support, {}).parts[0];
  const auto asked = learner->model().embed(leaves, task.query, {}).parts[0];
  const auto outputs =
      meta_networks_reference({own_of(*learner, leaves), false, torch::ones({5}, torch::kFloat64)},
                              known, task.support.targets, asked);
  EXPECT_LT(largest(predicted(*learner, parameters, task) - outputs), 1e-10);
  const auto loss = (outputs - task.query.targets).square().mean();
  EXPECT_LT(relative_error(learner->meta_gradient(parameters, task).gradient,
                           flat_gradient(*learner, loss, leaves)),
            1e-9);
}

TEST(MetaNetworks, TheSupportSpeaksThroughFastWeightsAlone) {
  const auto learner = learner_of("meta_networks", 1, "concat", "none", kSmallMetaNetworks);
  const Task task = odd_task(learner->model(), "concat");
  Task other = task;
  other.support.labels = (task.support.labels + 1).remainder(3);
  const auto parameters = start(*learner, 0.5), without = parameters.clone();
  for (const auto& [name, i] : places_of(*learner->model().layout()))
    if (name.rfind("learner.meta_", 0) == 0) without.tensors()[i].zero_();
  const auto said = [&](const ParameterList& at, const Task& of) {
    return predicted(*learner, at, of);
  };
  EXPECT_TRUE(torch::equal(said(without, task), said(without, other)));
  EXPECT_GT(largest(said(parameters, task) - said(parameters, other)), 1e-3);
}

TEST(MetaNetworks, WithoutFastWeightsTheBaseLearnerAnswers) {
  const auto learner =
      learner_of("meta_networks", 1, "concat", "none", {{"width", "8"}, {"fast_weights", "false"}});
  const auto parameters = start(*learner, 0.5);
  const Task task = odd_task(learner->model(), "concat");
  const auto leaves = leaves_of(parameters);
  const Own own = own_of(*learner, leaves);
  Tensors outputs;
  for (const auto& row : rows_of_embedding(learner->model().embed(leaves, task.query, {})).unbind())
    outputs.push_back(
        own.affine("base.1", torch::relu(own.affine("base.0", own.affine("project", row)))));
  const auto said = torch::stack(outputs);
  EXPECT_LT(largest(predicted(*learner, parameters, task) - said), 1e-10);
  const auto result = learner->meta_gradient(parameters, task);
  EXPECT_LT(
      relative_error(result.gradient,
                     flat_gradient(*learner, F::cross_entropy(said, task.query.labels), leaves)),
      1e-9);
  for (const auto& slope : learner->model().layout()->views(result.gradient))
    EXPECT_GT(largest(slope), 0.0);
}

TEST(MetaNetworks, NoOrderOfTheSupportChangesAnAnswer) {
  const auto learner = learner_of("meta_networks", 1, "late", "none", kSmallMetaNetworks);
  const auto parameters = start(*learner, 0.5);
  const Task task = odd_task(learner->model(), "uneven");
  EXPECT_LT(largest(predicted(*learner, parameters, task) -
                    predicted(*learner, parameters, with_order(task, {4, 2, 0, 5, 1, 3}))),
            1e-11);
}

}  // namespace
}  // namespace cuttle
