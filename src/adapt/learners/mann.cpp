#include <torch/types.h>

#include <optional>
#include <utility>
#include <vector>

#include "adapt/fast_weights.hpp"
#include "adapt/layers.hpp"
#include "adapt/learners/slot_memory.hpp"
#include "adapt/learners/slot_task.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

struct MannOptions : SlotMemoryOptions {
  void keys(Keys& keys) {
    keys.add("hidden", hidden, between(1, 4096), "units of the LSTM that reads and writes");
    keys.add("slots", slots, between(0, 65536), "rows of the memory; 0: none, the LSTM alone");
    keys.add("slot_width", slot_width, between(1, 4096), "columns of the memory");
    keys.add("reads", reads, between(1, 64), "heads that each read a row and write one");
    keys.add("sharpness", sharpness, above(0),
             "where the learned factor of similarities starts; the paper has 1, with which a read "
             "is nearly the mean of the memory");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.one_each = true;
    demands.class_rows = true;
    return demands;
  }
};

/// A network with an external memory (Santoro, Bartunov, Botvinick, Wierstra, Lillicrap 2016,
/// "Meta-learning with memory-augmented neural networks"). An LSTM sees each sample with the answer
/// of the one before and what it read last from its memory (SlotMemory). The support is the
/// sequence, in an order that the task's key draws; each query is a next step after it, so queries
/// do not touch. In training the queries follow each other, with their answers, and every sample of
/// both is asked for, as in the paper.
class Mann final : public SupportLearner {
 public:
  using Options = MannOptions;
  Mann(const LearnerRequest& request, const Options& options)
      : SupportLearner(request),
        outputs_(request.inputs.outputs),
        memory_(request.layout, options, width_as_one(model_->fusion()) + outputs_),
        head_(request.layout, "head", {outputs_, memory_.width()}) {
    CUTTLE_VALIDATE(options.slots == 0 || options.reads <= options.slots,
                    "adapt.reads: is {}, above adapt.slots, {} (each head writes to a slot of its "
                    "own); use fewer reads",
                    options.reads, options.slots);
  }

  /// By instances, as in the paper's figure. Line k is of the (k + 1)th sample of each class: of
  /// the support's what was said when they came, before their answers; of the query what is said
  /// after so many of each class.
  std::vector<StepDiagnostics> trace(const ParameterList& parameters,
                                     const Task& task) const override {
    const torch::NoGradGuard no_grad;
    const Batch ordered = in_order(task.support, task.key);
    Statistics given;
    const auto embedding =
        embed_support(*model_, parameters.tensors(), ordered, in_use(0, task.key), given, 0);
    const auto said = study({parameters.tensors(), ordered, embedding}).back();
    const auto instance = instances(ordered), in_task = instances(task.support);
    std::vector<StepDiagnostics> lines;
    // Of uneven classes as many as they have on average, so that all tasks have as many lines.
    const std::int64_t count =
        ordered.targets.defined() ? ordered.size : ordered.size / ordered.way;
    for (std::int64_t k = 0; k < count; ++k) {
      const auto now = where(instance, [&](std::int64_t i) { return i == k; });
      const auto so_far = where(in_task, [&](std::int64_t i) { return i <= k; });
      const Batch asked = select_rows(ordered, now);
      const auto of_support =
          said.index_select(0, torch::tensor(now).to(said.device())).narrow(1, 0, asked.way);
      const auto of_query =
          adapt(parameters, select_rows(task.support, so_far), task.key)->predict(task.query);
      lines.push_back({k, kind_->loss(of_support, asked).item<double>(),
                       kind_->loss(of_query, task.query).item<double>(),
                       kind_->measure(of_support, asked), kind_->measure(of_query, task.query)});
    }
    return lines;
  }

 private:
  std::optional<TaskOutcome> outcome_on_rows(const Task& task) const override {
    if (memory_.slots() == 0) return std::nullopt;
    return TaskOutcome(SlotTask{memory_, head_, outputs_, order_of(task.support.size, task.key),
                                query_order(task.query.size, task.key)});
  }

  /// How many samples of its class each comes after; of values, of all.
  static std::vector<std::int64_t> instances(const Batch& batch) {
    std::vector<std::int64_t> counts(static_cast<std::size_t>(batch.way)), places;
    for (std::int64_t i = 0; i < batch.size; ++i)
      places.push_back(
          batch.targets.defined()
              ? i
              : counts[static_cast<std::size_t>(batch.labels[i].item<std::int64_t>())]++);
    return places;
  }
  template <class Which>
  static std::vector<std::int64_t> where(const std::vector<std::int64_t>& places,
                                         const Which& which) {
    std::vector<std::int64_t> rows;
    for (std::size_t i = 0; i < places.size(); ++i)
      if (which(places[i])) rows.push_back(static_cast<std::int64_t>(i));
    return rows;
  }

  /// Of queries in training, not as they lie: one class after the other.
  static std::vector<std::int64_t> query_order(std::int64_t count, const RandomKey& key) {
    return Random(key.with(Draw::kQueryOrder)).sample(count, count);
  }
  Batch in_order(const Batch& support, const RandomKey& key) const override {
    return shuffled(support, key);
  }

  /// Samples [n, width] one after the other, in one sequence, each with what comes `before` it:
  /// the state after the last, and [n, outputs] said before each sample's own answer.
  std::pair<SlotState, torch::Tensor> sequence(const Tensors& p, SlotState state,
                                               const torch::Tensor& x,
                                               const torch::Tensor& before) const {
    Tensors said;
    for (std::int64_t i = 0; i < x.size(0); ++i) {
      state = memory_.step(p, state, torch::cat({x.narrow(0, i, 1), before.narrow(0, i, 1)}, 1));
      said.push_back(head_(p, memory_.seen(state)));
    }
    return {std::move(state), torch::cat(said)};
  }
  /// Answers [n, outputs] one step late, `first` before them.
  static torch::Tensor late(const torch::Tensor& first, const torch::Tensor& answers) {
    return torch::cat({first, answers.narrow(0, 0, answers.size(0) - 1)});
  }

  /// What is left after the whole support, of one sequence; and what it was asked before.
  Tensors study(const Support& support) const override {
    const auto x = as_one(support.embedding);
    const auto answers = answers_of(support.batch, outputs_, x.options());
    const auto [state, said] = sequence(support.parameters, memory_.blank(x.options()), x,
                                        late(torch::zeros_like(answers.narrow(0, 0, 1)), answers));
    return {state.hidden, state.cell,  state.memory,
            state.read,   state.usage, answers.narrow(0, answers.size(0) - 1, 1),
            said};
  }
  /// Of samples that each come next.
  torch::Tensor answer(const Support& support, const Tensors& known,
                       const Embedding& query) const override {
    const auto x = as_one(query);
    const auto each = [&](const torch::Tensor& one) {
      auto shape = one.sizes().vec();
      shape[0] = x.size(0);
      return one.expand(shape);
    };
    const Tensors& p = support.parameters;
    const SlotState state{each(known[0]), each(known[1]), each(known[2]), each(known[3]),
                          each(known[4])};
    return head_(p, memory_.seen(memory_.step(p, state, torch::cat({x, each(known[5])}, 1))))
        .narrow(1, 0, support.batch.way);
  }
  /// The mean over support and query of what each costs when it comes.
  Outcome outcome(const Support& support, const Task& task, const Embedding& query) const override {
    const Tensors known = study(support);
    const auto x = as_one(query);
    const auto order = torch::tensor(query_order(task.query.size, task.key)).to(x.device());
    const auto answers = answers_of(task.query, outputs_, x.options()).index_select(0, order);
    const auto said =
        sequence(support.parameters, {known[0], known[1], known[2], known[3], known[4]},
                 x.index_select(0, order), late(known[5], answers))
            .second.index_select(0, order.argsort());
    const auto cost = [&](const torch::Tensor& outputs, const Batch& batch) {
      return static_cast<double>(batch.size) * kind_->loss(outputs.narrow(1, 0, batch.way), batch);
    };
    return {reported(support, known, query),
            (cost(known[6], support.batch) + cost(said, task.query)) /
                static_cast<double>(support.batch.size + task.query.size)};
  }

  /// What the run says of a task: as in use, each query by itself; nothing goes back through it.
  torch::Tensor reported(const Support& support, const Tensors& known,
                         const Embedding& query) const {
    const torch::NoGradGuard no_grad;
    return answer(support, known, query);
  }

  std::int64_t outputs_;
  SlotMemory memory_;
  OwnLayer head_;
};

}  // namespace

LearnerType row_of_mann() {
  return learner_type<Mann>("an LSTM with a memory that it writes to where it is least used",
                            "Santoro et al. 2016");
}

}  // namespace cuttle
