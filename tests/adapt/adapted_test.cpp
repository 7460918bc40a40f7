// What adaptation produces: predictions, saved state, traces; and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include <algorithm>

#include "cuttle/core/error.hpp"
#include "support/every_learner.hpp"
#include "support/tiny_task.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;

std::unique_ptr<const Learner> learner_of(const std::string& algorithm) {
  TinySettings settings;
  settings.algorithm = algorithm;
  settings.inner_steps = 3;
  return tiny_learner(settings);
}

class EveryAlgorithm : public testing::TestWithParam<std::string> {};

TEST_P(EveryAlgorithm, RestoredStatePredictsTheSameBits) {
  const auto learner = learner_of(GetParam());
  const auto parameters = ParameterList::initial(learner->model().layout(), 3);
  const Task task = tiny_task(learner->model(), 4, torch::kFloat32);
  const auto adapted = learner->adapt(parameters, task.support, task.key);
  const auto restored = learner->restore(adapted->state(), task.support.way);
  EXPECT_TRUE(torch::equal(adapted->predict(task.query), restored->predict(task.query)));
  EXPECT_EQ(adapted->predict(task.query).sizes(), torch::IntArrayRef({9, 3}));
}

/// Older versions kept what training alone needs as well.
TEST_P(EveryAlgorithm, StatesOfAllParametersAreTaken) {
  const auto learner = learner_of(GetParam());
  const auto& layout = *learner->model().layout();
  const Task task = tiny_task(learner->model(), 4, torch::kFloat32);
  const auto adapted =
      learner->adapt(ParameterList::initial(learner->model().layout(), 3), task.support, task.key);
  auto state = adapted->state();
  for (const char* name : {"parameters", "fast_weights"}) {
    const auto entry = state.find(name);
    if (entry == state.end()) continue;
    EXPECT_EQ(entry->second.numel(), layout.kept_size());
    entry->second = layout.flatten(layout.from_kept(entry->second));
    EXPECT_EQ(entry->second.numel(), layout.flat_size());
  }
  const auto restored = learner->restore(state, task.support.way);
  EXPECT_TRUE(torch::equal(adapted->predict(task.query), restored->predict(task.query)));
}

/// A frozen encoder's part of a support set may come as features; what is saved says so.
TEST_P(EveryAlgorithm, RestoredStateKnowsFeaturesFromInputs) {
  TinySettings settings;
  settings.algorithm = GetParam();
  settings.norm = "none";
  settings.frozen_text = true;
  const auto learner = tiny_learner(settings);
  const Model& model = learner->model();
  const auto parameters = ParameterList::initial(model.layout(), 3);
  Task task = tiny_task(model, 4, torch::kFloat32);
  auto& text = task.support.modalities[1];
  Context context;
  context.mode = Mode::kUse;
  {
    const torch::NoGradGuard no_grad;
    text.values = model.encoder(1).forward(parameters.tensors(), text, context).pooled;
  }
  text.mask = torch::Tensor();
  text.encoded = true;
  const auto adapted = learner->adapt(parameters, task.support, task.key);
  const auto restored = learner->restore(adapted->state(), task.support.way);
  EXPECT_TRUE(torch::equal(adapted->predict(task.query), restored->predict(task.query)));
}

TEST_P(EveryAlgorithm, AdaptingLeavesTheMetaParametersAlone) {
  const auto learner = learner_of(GetParam());
  const auto parameters = ParameterList::initial(learner->model().layout(), 3);
  const std::string before = parameters.sha256();
  const Task task = tiny_task(learner->model(), 4, torch::kFloat32);
  learner->adapt(parameters, task.support, task.key)->predict(task.query);
  learner->meta_gradient(parameters, task);
  EXPECT_EQ(parameters.sha256(), before);
}

TEST_P(EveryAlgorithm, SameTaskSameBits) {
  const auto learner = learner_of(GetParam());
  const auto parameters = ParameterList::initial(learner->model().layout(), 3);
  const Task task = tiny_task(learner->model(), 4, torch::kFloat32);
  const auto once = learner->meta_gradient(parameters, task).gradient;
  learner->meta_gradient(parameters, tiny_task(learner->model(), 5, torch::kFloat32));
  EXPECT_TRUE(torch::equal(once, learner->meta_gradient(parameters, task).gradient));
}

INSTANTIATE_TEST_SUITE_P(Adapted, EveryAlgorithm,
                         testing::ValuesIn(learners_for({TaskForm::kEpisode})), learner_name);

TEST(Trace, GoesFromTheStartToTheAdaptedModel) {
  for (const char* algorithm : {"maml", "anil", "reptile", "meta_sgd"}) {
    const auto learner = learner_of(algorithm);
    const auto parameters = ParameterList::initial(learner->model().layout(), 3);
    const Task task = tiny_task(learner->model(), 4, torch::kFloat32);
    const auto lines = learner->trace(parameters, task);
    ASSERT_EQ(lines.size(), 4u);
    EXPECT_LT(lines.back().support_loss, lines.front().support_loss) << algorithm;
    const auto logits = learner->adapt(parameters, task.support, task.key)->predict(task.query);
    const double loss = torch::cross_entropy_loss(logits, task.query.labels).item<double>();
    EXPECT_NEAR(lines.back().query_loss, loss, 1e-6) << algorithm;
  }
}

/// The set of a step that training never took would be untouched: the last trained one serves.
TEST(BatchPerStep, MoreStepsInUseThanInTrainingGoByTheLastTrainedSet) {
  TinySettings settings;
  settings.inner_steps = 2;
  settings.norm = "batch_per_step";
  const auto learner = tiny_learner(settings, {{"eval_inner_steps", "5"}});
  const Model& model = learner->model();
  auto flat = ParameterList::initial(model.layout(), 3, torch::kFloat64).flat().clone();
  std::int64_t sets = 0;
  for (std::int64_t i = 0; i < model.layout()->count(); ++i) {  // each of its own
    const ParameterSpec& spec = model.layout()->spec(i);
    if (spec.name.find(".norm.") == std::string::npos) continue;
    sets = spec.shape.front();
    auto table = model.layout()->views(flat)[static_cast<std::size_t>(i)];
    for (std::int64_t row = 0; row < sets; ++row) table[row] += 0.3 * static_cast<double>(row);
  }
  EXPECT_EQ(sets, 3);  // of the two steps, and of the query
  const ParameterList parameters(model.layout(), flat);
  const Task task = tiny_task(model, 4, torch::kFloat64);
  Tensors theta;
  for (const auto& value : parameters.tensors()) theta.push_back(value.clone().requires_grad_());
  for (std::int64_t k = 0; k < 5; ++k) {
    const auto logits = model.forward(theta, task.support, {std::min<std::int64_t>(k, 2)});
    const auto gradient = torch::autograd::grad(
        {torch::cross_entropy_loss(logits, task.support.labels)}, theta, {}, false, false, true);
    for (std::size_t i = 0; i < theta.size(); ++i)
      if (gradient[i].defined())
        theta[i] = (theta[i] - 0.1 * gradient[i]).detach().requires_grad_();
  }
  const auto expected = model.forward(theta, task.query, {2});
  const auto adapted = learner->adapt(parameters, task.support, task.key);
  EXPECT_TRUE(torch::allclose(adapted->predict(task.query), expected, 1e-9, 1e-9));
}

TEST(Anil, MovesTheHeadAlone) {
  const auto learner = learner_of("anil");
  const auto parameters = ParameterList::initial(learner->model().layout(), 3);
  const Task task = tiny_task(learner->model(), 4, torch::kFloat32);
  const auto moved = learner->adapt(parameters, task.support, task.key)->state().at("fast_weights");
  const auto& layout = parameters.layout();
  for (std::int64_t i = 0; i < layout.count(); ++i) {
    const bool same = torch::equal(layout.views(moved)[static_cast<std::size_t>(i)],
                                   parameters.tensors()[static_cast<std::size_t>(i)]);
    EXPECT_EQ(same, layout.spec(i).role == ParameterRole::kBody) << layout.spec(i).name;
  }
}

TEST(ProtoNet, DeclaresNoHead) {
  const auto learner = learner_of("protonet");
  EXPECT_TRUE(learner->model().layout()->with_role(ParameterRole::kHead).empty());
}

TEST(ProtoNet, RefinementMovesPrototypesTowardsTheQuery) {
  TinySettings settings;
  settings.algorithm = "protonet";
  settings.fusion = "late";
  const auto plain = tiny_learner(settings);
  settings.refine = 1;
  const auto refined = tiny_learner(settings);
  const auto parameters = ParameterList::initial(plain->model().layout(), 3);
  const Task task = tiny_task(plain->model(), 4, torch::kFloat32);
  const auto before = plain->adapt(parameters, task.support, task.key)->predict(task.query);
  const auto after = refined->adapt(parameters, task.support, task.key)->predict(task.query);
  // On the whole, samples come nearer to the class that they are taken for.
  const auto taken_for = before.argmax(1, true);
  const auto gain = (after - before).gather(1, taken_for).mean().item<float>();
  EXPECT_GT(gain, 0.0f);
}

/// The input without the samples before `first`.
ModalityInput from_sample(const ModalityInput& input, std::int64_t first) {
  const auto kept = input.rows.ge(first).nonzero().squeeze(1);
  return {input.values.index_select(0, kept),
          input.mask.defined() ? input.mask.index_select(0, kept) : torch::Tensor(),
          input.rows.index_select(0, kept)};
}

TEST(ProtoNet, AClassThatSharesNoModalityWithAQueryIsNeitherNearNorFar) {
  TinySettings settings;
  settings.algorithm = "protonet";
  settings.fusion = "late";
  const auto learner = tiny_learner(settings);
  const auto parameters = ParameterList::initial(learner->model().layout(), 3);
  Task task = tiny_task(learner->model(), 4, torch::kFloat32);
  task.support.modalities[1] = from_sample(task.support.modalities[1], 2);  // class 0: no text
  task.query.modalities[0] = from_sample(task.query.modalities[0], 1);      // query 0: no image
  const auto logits = learner->adapt(parameters, task.support, task.key)->predict(task.query)[0];
  EXPECT_LT(logits[1].item<float>(), 0.0f);
  EXPECT_LT(logits[2].item<float>(), 0.0f);
  EXPECT_FLOAT_EQ(logits[0].item<float>(), (logits[1] + logits[2]).item<float>() / 2);
}

TEST(Restore, NamesWhatIsMissing) {
  const auto learner = learner_of("maml");
  try {
    learner->restore({}, 3);
    FAIL();
  } catch (const Error& problem) {
    EXPECT_THAT(problem.what(), HasSubstr("fast_weights"));
  }
}

TEST(Restore, RefusesAnotherModelsState) {
  const auto learner = learner_of("protonet");
  EXPECT_THROW(learner->restore({{"parameters", torch::zeros({7})}}, 3), Error);
}

TEST(Registry, UnknownAlgorithmListsWhatThereIs) {
  const Section section("mamal");
  ParameterLayout layout;
  try {
    make_learner(builtin_learners(), {section, nullptr, nullptr, nullptr, layout});
    FAIL();
  } catch (const UserError& problem) {
    EXPECT_THAT(problem.what(), HasSubstr("adapt.algorithm: 'mamal' is unknown; there are anil, "));
    EXPECT_THAT(problem.what(), HasSubstr(", protonet, "));
  }
}

}  // namespace
}  // namespace cuttle
