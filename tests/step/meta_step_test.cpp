// An outer step against the plain computation: the mean of the tasks' meta-gradients, then the
// optimizer; and what a task that is not finite or cannot be learned does to it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <limits>
#include <optional>

#include "cuttle/core/error.hpp"
#include "cuttle/step/meta_step.hpp"
#include "step/tiny_steps.hpp"
#include "support/scripted_learner.hpp"

namespace cuttle {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

constexpr double kDropout = 0.3;

/// A learner of its own for every rank: it is used from one thread at a time.
std::unique_ptr<const Learner> learner_of(const std::string& algorithm) {
  TinySettings settings;
  settings.algorithm = algorithm;
  return tiny_learner(settings);
}

/// The learner, except that `change` may spoil what it finds.
std::unique_ptr<const Learner> spoilt(std::shared_ptr<const Learner> sound,
                                      std::function<void(const Task&, TaskResult&)> change) {
  const auto spoil = [=](const ParameterList& parameters, const Task& task) {
    TaskResult result = sound->meta_gradient(parameters, task);
    change(task, result);
    return result;
  };
  return ScriptedLearner::instead_of(sound, {spoil, nullptr, nullptr});
}

/// Slot 3 of step 1 has a gradient that is not finite.
std::unique_ptr<const Learner> one_not_finite(const std::string& algorithm) {
  return spoilt(learner_of(algorithm), [](const Task& task, TaskResult& result) {
    if (task.key.step == 1 && task.key.slot == 3)
      result.gradient[5] = std::numeric_limits<float>::quiet_NaN();
  });
}

bool same_bits(const torch::Tensor& a, const torch::Tensor& b) {
  return torch::equal(a.view(torch::kInt32), b.view(torch::kInt32));
}

void expect_same(const TrainState& a, const TrainState& b) {
  EXPECT_TRUE(same_bits(a.parameters.flat(), b.parameters.flat()));
  ASSERT_EQ(a.slots.size(), b.slots.size());
  for (std::size_t i = 0; i < a.slots.size(); ++i)
    EXPECT_TRUE(same_bits(a.slots[i].values, b.slots[i].values));
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.updates, b.updates);
  EXPECT_EQ(a.tasks, b.tasks);
  EXPECT_EQ(a.skipped_tasks, b.skipped_tasks);
}

void expect_same(const StepReport& a, const StepReport& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.applied, b.applied);
  EXPECT_EQ(a.tasks, b.tasks);
  EXPECT_EQ(a.skipped, b.skipped);
  EXPECT_EQ(a.gradient_norm, b.gradient_norm);
  EXPECT_EQ(a.outer_lr, b.outer_lr);
  ASSERT_EQ(a.values.size(), b.values.size());
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    EXPECT_EQ(a.values[i].name, b.values[i].name);
    EXPECT_EQ(a.values[i].value, b.values[i].value);
  }
}

/// What a rank has after its steps; `trouble`: the UserError or Error that ended them.
struct End {
  std::optional<TrainState> state;
  std::vector<StepReport> reports;
  std::string trouble;
  bool users = false;
};

using MakeLearner = std::function<std::unique_ptr<const Learner>(int rank)>;

class MetaStep : public testing::Test {
 protected:
  static void SetUpTestSuite() { tiny_ = std::make_unique<TinySteps>(); }
  static void TearDownTestSuite() { tiny_.reset(); }

  static TrainState start(const Learner& learner) {
    return optimizer().start(ParameterList::initial(learner.model().layout(), 3));
  }
  static OuterOptimizer optimizer() {
    StepOptions options;  // Adam
    options.schedule = "cosine";
    options.outer_lr = 0.01;
    return {options, 10, builtin_optimizers()};
  }

  /// Three steps, or fewer if one throws; rank r asks for request r.
  static std::vector<End> run(int ranks, const std::string& policy, const MakeLearner& make) {
    std::vector<End> ends(static_cast<std::size_t>(ranks));
    run_thread_ranks(ranks, CommOptions{}, [&](Communicator& comm) {
      End& end = ends[static_cast<std::size_t>(comm.rank())];
      const auto learner = make(comm.rank());
      end.state = start(*learner);
      MetaReducer reducer(
          comm, static_cast<std::size_t>(end.state->parameters.layout().reduced_size()), {policy});
      const auto source = tiny_->source(learner->model(), kDropout);
      TaskStream tasks(
          *source, [&](const EpisodeSize& size) { return learner->cost(size); }, tiny_->episode, 2,
          {TinySteps::kSeed, 0, comm.rank(), comm.size()}, torch::kCPU);
      try {
        for (int i = 0; i < 3; ++i)
          end.reports.push_back(
              meta_step(*end.state, *learner, tasks, reducer, optimizer(), comm.rank()));
      } catch (const Error& trouble) {
        end.trouble = trouble.what();
        end.users = dynamic_cast<const UserError*>(&trouble) != nullptr;
      }
    });
    return ends;
  }

  /// One step on these slots with nothing shared out: the report's numbers and the new state.
  static StepReport plain_step(TrainState& state, const Learner& learner,
                               const std::vector<std::uint32_t>& slots) {
    const auto& layout = state.parameters.layout();
    std::vector<long double> sum(static_cast<std::size_t>(layout.reduced_size()), 0.0L);
    StepReport report;
    report.values = {{"loss", 0.0}, {"accuracy", 0.0}};
    const auto count = static_cast<double>(slots.size());
    for (const std::uint32_t slot : slots) {
      const auto step = static_cast<std::uint64_t>(state.step);
      const auto result = learner.meta_gradient(state.parameters,
                                                tiny_->task(learner.model(), step, slot, kDropout));
      const auto says = layout.reduced(result.gradient);
      for (std::size_t i = 0; i < sum.size(); ++i)
        sum[i] += says[static_cast<std::int64_t>(i)].item<float>();
      for (std::size_t i = 0; i < report.values.size(); ++i)
        report.values[i].value += static_cast<float>(result.values.at(i));
    }
    for (auto& value : report.values) value.value /= count;
    std::vector<float> mean;
    for (const long double value : sum)
      mean.push_back(static_cast<float>(static_cast<double>(value) / count));
    report.outer_lr = optimizer().learning_rate(state.step);
    report.gradient_norm = optimizer().apply(state, Span<const float>(mean));
    report.applied = true;
    report.step = ++state.step;
    report.tasks = static_cast<std::int64_t>(slots.size());
    state.tasks += report.tasks;
    return report;
  }

  static std::unique_ptr<TinySteps> tiny_;
};

std::unique_ptr<TinySteps> MetaStep::tiny_;

TEST_F(MetaStep, EqualsThePlainComputationOnAnyNumberOfRanks) {
  for (const std::string algorithm : {"maml", "protonet"}) {
    const auto learner = learner_of(algorithm);
    TrainState state = start(*learner);
    std::vector<StepReport> reports;
    for (int i = 0; i < 3; ++i) reports.push_back(plain_step(state, *learner, {0, 1, 2, 3, 4}));
    for (const int ranks : {1, 2, 3, 5})  // of 5 two have no task
      for (const End& end : run(ranks, "fail", [&](int) { return learner_of(algorithm); })) {
        SCOPED_TRACE(algorithm + " on " + std::to_string(ranks) + " ranks");
        ASSERT_EQ(end.trouble, "");
        expect_same(*end.state, state);
        for (std::size_t i = 0; i < 3; ++i) {
          expect_same(end.reports[i], reports[i]);
          EXPECT_EQ(end.reports[i].request, ranks - 1);
        }
      }
  }
}

TEST_F(MetaStep, SkipTaskGoesOnWithTheOthers) {
  const auto learner = learner_of("protonet");
  TrainState state = start(*learner);
  plain_step(state, *learner, {0, 1, 2, 3, 4});
  auto expected = plain_step(state, *learner, {0, 1, 2, 4});
  expected.skipped = state.skipped_tasks = 1;
  plain_step(state, *learner, {0, 1, 2, 3, 4});
  for (const int ranks : {1, 3})
    for (const End& end : run(ranks, "skip_task", [](int) { return one_not_finite("protonet"); })) {
      ASSERT_EQ(end.trouble, "");
      expect_same(*end.state, state);
      expect_same(end.reports[1], expected);
      EXPECT_THAT(end.reports[1].skipped_note, HasSubstr("step 1 slot 3"));
      EXPECT_EQ(end.reports[2].skipped_note, "");
    }
}

TEST_F(MetaStep, SkipStepLeavesAllButTheCountersAndGoesOnWithTheNextStep) {
  const auto learner = learner_of("protonet");
  TrainState state = start(*learner);
  plain_step(state, *learner, {0, 1, 2, 3, 4});
  ++state.step;
  state.tasks += 4;
  state.skipped_tasks = 1;
  const auto last = plain_step(state, *learner, {0, 1, 2, 3, 4});
  EXPECT_EQ(state.updates, 2);
  for (const int ranks : {1, 3})
    for (const End& end : run(ranks, "skip_step", [](int) { return one_not_finite("protonet"); })) {
      ASSERT_EQ(end.trouble, "");
      expect_same(*end.state, state);
      EXPECT_FALSE(end.reports[1].applied);
      EXPECT_EQ(end.reports[1].step, 2);
      EXPECT_EQ(end.reports[1].skipped, 1);
      EXPECT_TRUE(end.reports[1].values.empty());
      expect_same(end.reports[2], last);
    }
}

TEST_F(MetaStep, WithoutAFiniteTaskNothingIsApplied) {
  const auto none = [](int) {
    return spoilt(learner_of("protonet"), [](const Task&, TaskResult& result) {
      result.values[0] = std::numeric_limits<double>::infinity();
    });
  };
  TrainState state = start(*learner_of("protonet"));
  state.step = 3;
  state.skipped_tasks = 15;
  for (const End& end : run(2, "skip_task", none)) {
    ASSERT_EQ(end.trouble, "");
    expect_same(*end.state, state);
    EXPECT_FALSE(end.reports[2].applied);
  }
}

TEST_F(MetaStep, FailEndsTheStepOnAllRanksAndLeavesTheState) {
  const auto learner = learner_of("protonet");
  TrainState state = start(*learner);
  plain_step(state, *learner, {0, 1, 2, 3, 4});
  for (const End& end : run(3, "fail", [](int) { return one_not_finite("protonet"); })) {
    EXPECT_THAT(end.trouble, AllOf(HasSubstr("rank 1"), HasSubstr("step 1 slot 3")));
    EXPECT_FALSE(end.users);
    expect_same(*end.state, state);
  }
}

TEST_F(MetaStep, ATaskThatCannotBeLearnedEndsTheStepOnAllRanksAndLeavesTheState) {
  const auto stumbling = [](int) {
    return spoilt(learner_of("protonet"), [](const Task& task, TaskResult&) {
      CUTTLE_VALIDATE(task.key.slot != 4, "this task is too hard");
    });
  };
  const TrainState state = start(*learner_of("protonet"));
  for (const End& end : run(3, "skip_task", stumbling)) {
    EXPECT_THAT(end.trouble, AllOf(HasSubstr("rank 2"), HasSubstr("this task is too hard")));
    EXPECT_TRUE(end.users);
    EXPECT_TRUE(end.reports.empty());
    expect_same(*end.state, state);
  }
}

}  // namespace
}  // namespace cuttle
