#include <torch/types.h>

#include <cmath>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "adapt/layers.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

struct MannOptions {
  std::int64_t hidden = 200, slots = 128, slot_width = 40, reads = 4;
  double sharpness = 10;
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
    demands.class_rows = true;
    return demands;
  }
};

/// What a sequence has left behind after a step, of n sequences side by side.
struct MannState {
  torch::Tensor hidden, cell;  ///< [n, units]
  torch::Tensor memory;        ///< [n, slots, columns]
  torch::Tensor read;          ///< [n, heads, slots]: weights of the last reads
  torch::Tensor usage;         ///< [n, slots]

  /// [n, heads * columns]: what was read last; no columns without a memory.
  torch::Tensor recalled() const { return read.matmul(memory).flatten(1); }
};

/// A network with an external memory (Santoro, Bartunov, Botvinick, Wierstra, Lillicrap 2016,
/// "Meta-learning with memory-augmented neural networks"). An LSTM sees each sample with the answer
/// of the one before and what it read last. With keys k_t it reads the memory M by content, and
/// writes a_t to where it read last or to the least used slot:
///   w^w_t = sigma(alpha) w^r_{t-1} + (1 - sigma(alpha)) w^lu_{t-1} (equation 7),
///   M_t(i) = M_{t-1}(i) + w^w_t(i) a_t                             (8),
///   w^r_t = softmax(beta cos(k_t, M_t))                            (2 and 3),
///   r_t = sum_i w^r_t(i) M_t(i)                                    (4),
///   w^u_t = gamma w^u_{t-1} + w^r_t + w^w_t                        (5),
/// w^lu being 1 at the least used slot (6), which is emptied before. Of several heads each has a
/// slot of its own among the least used. beta and a_t are the NTM's (Graves, Wayne, Danihelka
/// 2014). The paper writes k_t itself; but then nothing is as like a key as what was written a
/// moment ago, so a sample finds itself. The support is the sequence, in an
/// order that the task's key draws; each query is a next step after it, so queries do not touch.
/// In training the queries follow each other, with their answers, and every sample of both is asked
/// for, as in the paper.
class Mann final : public SupportLearner {
 public:
  using Options = MannOptions;
  Mann(const LearnerRequest& request, const Options& options)
      : SupportLearner(request),
        options_(options),
        outputs_(request.inputs.outputs),
        recalled_(options.slots > 0 ? options.reads * options.slot_width : 0),
        in_(request.layout, "lstm.in",
            {4 * options.hidden, width_as_one(model_->fusion()) + outputs_ + recalled_}),
        back_(own_array(request.layout, "lstm.back", {4 * options.hidden, options.hidden})),
        head_(request.layout, "head", {outputs_, options.hidden + recalled_}) {
    CUTTLE_VALIDATE(options.slots == 0 || options.reads <= options.slots,
                    "adapt.reads: is {}, above adapt.slots, {} (each head writes to a slot of its "
                    "own); use fewer reads",
                    options.reads, options.slots);
    if (options.slots == 0) return;
    key_.emplace(request.layout, "key", std::vector<std::int64_t>{recalled_, options.hidden});
    add_.emplace(request.layout, "add", std::vector<std::int64_t>{recalled_, options.hidden});
    gate_ = own_array(request.layout, "gate", {options.reads, 1}, Init::kZeros);
    sharpness_ = own_number(request.layout, "sharpness", std::log(options.sharpness));
  }

 private:
  Batch in_order(const Batch& support, const RandomKey& key) const override {
    return shuffled(support, key);
  }

  /// Samples [n, width] one after the other, in one sequence, each with what comes `before` it:
  /// the state after the last, and [n, outputs] said before each sample's own answer.
  std::pair<MannState, torch::Tensor> sequence(const Tensors& p, MannState state,
                                               const torch::Tensor& x,
                                               const torch::Tensor& before) const {
    Tensors said;
    for (std::int64_t i = 0; i < x.size(0); ++i) {
      state = step(p, state, torch::cat({x.narrow(0, i, 1), before.narrow(0, i, 1)}, 1));
      said.push_back(outputs(p, state));
    }
    return {std::move(state), torch::cat(said)};
  }
  MannState blank(const torch::TensorOptions& like) const {
    const std::int64_t slots = options_.slots, columns = options_.slot_width;
    return {torch::zeros({1, options_.hidden}, like), torch::zeros({1, options_.hidden}, like),
            torch::zeros({1, slots, columns}, like), torch::zeros({1, options_.reads, slots}, like),
            torch::zeros({1, slots}, like)};
  }
  /// Answers [n, outputs] one step late, `first` before them.
  static torch::Tensor late(const torch::Tensor& first, const torch::Tensor& answers) {
    return torch::cat({first, answers.narrow(0, 0, answers.size(0) - 1)});
  }

  /// What is left after the whole support, of one sequence; and what it was asked before.
  Tensors study(const Support& support) const override {
    const auto x = as_one(support.embedding);
    const auto answers = answers_of(support.batch, outputs_, x.options());
    const auto [state, said] = sequence(support.parameters, blank(x.options()), x,
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
    const MannState state{each(known[0]), each(known[1]), each(known[2]), each(known[3]),
                          each(known[4])};
    return outputs(p, step(p, state, torch::cat({x, each(known[5])}, 1)))
        .narrow(1, 0, support.batch.way);
  }
  /// The mean over support and query of what each costs when it comes.
  Outcome outcome(const Support& support, const Task& task, const Embedding& query) const override {
    const Tensors known = study(support);
    // Not as they lie: one class after the other.
    Random random(task.key.with(Stream::kModel, 15));
    const auto x = as_one(query);
    const auto order =
        torch::tensor(random.sample(task.query.size, task.query.size)).to(x.device());
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

  MannState step(const Tensors& p, const MannState& was, torch::Tensor input) const {
    MannState is = was;
    if (options_.slots > 0) input = torch::cat({input, was.recalled()}, 1);
    const auto gates = in_(p, input) + was.hidden.matmul(parameter_at(p, back_).t());
    std::tie(is.hidden, is.cell) = lstm_step(gates, was.cell);
    if (options_.slots == 0) return is;
    constexpr double kUsageKept = 0.95;  // gamma
    const auto heads = [&](const OwnLayer& layer) {
      return layer(p, is.hidden).tanh().view({-1, options_.reads, options_.slot_width});
    };
    // Stable: slots that were never used are all alike.
    const auto order = torch::argsort(was.usage.detach(), /*stable=*/true, 1);
    const auto least = torch::one_hot(order.narrow(1, 0, options_.reads), options_.slots).to(input);
    const auto gate = parameter_at(p, gate_).sigmoid();
    const auto write = gate * was.read + (1 - gate) * least;
    is.memory =
        was.memory * (1 - least.sum(1)).unsqueeze(2) + write.transpose(1, 2).matmul(heads(*add_));
    const auto alike = unit(heads(*key_)).matmul(unit(is.memory).transpose(1, 2));
    is.read = torch::softmax(parameter_at(p, sharpness_).exp() * alike, 2);
    is.usage = kUsageKept * was.usage + (is.read + write).sum(1);
    return is;
  }
  torch::Tensor outputs(const Tensors& p, const MannState& state) const {
    return head_(
        p, options_.slots > 0 ? torch::cat({state.hidden, state.recalled()}, 1) : state.hidden);
  }
  /// Rows of length 1; a slot that hardly anything was written to is like nothing.
  static torch::Tensor unit(const torch::Tensor& x) {
    constexpr double kHardlyAnything = 1e-2;
    return x * (x.square().sum(-1, true) + kHardlyAnything).rsqrt();
  }

  Options options_;
  std::int64_t outputs_, recalled_;
  OwnLayer in_;
  std::int64_t back_;
  OwnLayer head_;
  std::optional<OwnLayer> key_, add_;
  std::int64_t gate_ = -1, sharpness_ = -1;
};

}  // namespace

LearnerType row_of_mann() {
  return learner_type<Mann>("an LSTM with a memory that it writes to where it is least used",
                            "Santoro et al. 2016");
}

}  // namespace cuttle
