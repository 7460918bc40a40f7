#include <torch/types.h>

#include <cmath>
#include <string>
#include <utility>

#include "adapt/embed.hpp"
#include "adapt/fast_weights.hpp"
#include "adapt/rows.hpp"
#include "cuttle/adapt/autograd.hpp"
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
};

/// A network with an external memory (Santoro, Bartunov, Botvinick, Wierstra, Lillicrap 2016,
/// "Meta-learning with memory-augmented neural networks"). An LSTM sees each sample with the answer
/// of the one before, so an answer has to be kept until its kind is asked for again. Its keys k_t
/// address the memory M by content and are what is written, to where was read last or to the least
/// used slot:
///   w^r_t = softmax(beta cos(k_t, M_t))                            (equations 2 and 3),
///   r_t = sum_i w^r_t(i) M_t(i)                                    (4),
///   w^u_t = gamma w^u_{t-1} + w^r_t + w^w_t                        (5),
///   w^w_t = sigma(alpha) w^r_{t-1} + (1 - sigma(alpha)) w^lu_{t-1} (7),
///   M_t(i) = M_{t-1}(i) + w^w_t(i) k_t                             (8),
/// w^lu being 1 at the least used slot (6), which is emptied before. Of several heads each has a
/// slot of its own among the least used. beta is the NTM's (Graves, Wayne, Danihelka 2014). The
/// support is the sequence, in an order that the task's key draws; each query is a next step after
/// it, so queries do not touch.
class Mann final : public Learner {
 public:
  using Options = MannOptions;
  Mann(const LearnerRequest& request, const Options& options)
      : Learner(request), options_(options), outputs_(request.inputs.outputs) {
    CUTTLE_VALIDATE(options.slots == 0 || options.reads <= options.slots,
                    "adapt.reads: is {}, above adapt.slots, {} (each head writes to a slot of its "
                    "own); use fewer reads",
                    options.reads, options.slots);
    const std::int64_t units = options.hidden, columns = options.reads * options.slot_width;
    const std::int64_t read = options.slots > 0 ? columns : 0;
    in_ = own(request, "lstm.weight_ih", {4 * units, width_as_one(model_->fusion()) + outputs_});
    back_ = own(request, "lstm.weight_hh", {4 * units, units});
    bias_ = own(request, "lstm.bias", {4 * units}, Init::kZeros);
    head_ = own(request, "head.weight", {outputs_, units + read});
    head_bias_ = own(request, "head.bias", {outputs_}, Init::kZeros);
    if (options.slots == 0) return;
    key_ = own(request, "key.weight", {columns, units});
    key_bias_ = own(request, "key.bias", {columns}, Init::kZeros);
    gate_ = own(request, "gate", {options.reads, 1}, Init::kZeros);
    ParameterSpec sharpness{"learner.sharpness", {1}, Init::kConstant, ParameterRole::kLearner};
    sharpness.start = std::log(options.sharpness);
    sharpness.outer.decay = false;
    sharpness_ = request.layout.add(std::move(sharpness));
  }

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    const auto leaves = as_leaves(parameters.tensors());
    Statistics seen;
    Context context;
    context.key = task.key;
    context.record = &seen;
    const Batch support = shuffled(task.support, task.key);
    const auto both = embed_both(*model_, leaves, support, task.query, context);
    const auto outputs = ask(leaves, follow(leaves, support, both.support), support, both.query);
    const Judged judged = judge(leaves, outputs, task.query, both.pass, both.seen, context);
    return result_of(gradient_of(judged.loss, leaves, false), judged, seen);
  }
  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey& key) const override {
    return std::make_unique<Remembered>(*this, parameters.tensors(), shuffled(support, key));
  }
  std::unique_ptr<Adapted> restore(const std::map<std::string, torch::Tensor>& state,
                                   std::int64_t way) const override {
    return std::make_unique<Remembered>(*this, parameters_in(*model_, state),
                                        support_in(*model_, state, way));
  }

 private:
  /// The sequence so far, and what the network remembers of it.
  class Remembered final : public KnownSupport {
   public:
    Remembered(const Mann& mann, Tensors parameters, Batch support)
        : KnownSupport(mann.model_, std::move(parameters), std::move(support)), mann_(mann) {}

   private:
    Tensors study(const Embedding& known) const override {
      const auto state = mann_.follow(parameters(), support(), known);
      return {state.hidden, state.cell, state.memory, state.read, state.usage};
    }
    torch::Tensor compare(const Embedding&, const Tensors& lesson,
                          const Embedding& query) const override {
      return mann_.ask(parameters(), {lesson[0], lesson[1], lesson[2], lesson[3], lesson[4]},
                       support(), query);
    }

    const Mann& mann_;
  };

  static std::int64_t own(const LearnerRequest& request, const char* name,
                          std::vector<std::int64_t> shape, Init init = Init::kFanIn) {
    return request.layout.add(
        {std::string("learner.") + name, std::move(shape), init, ParameterRole::kLearner});
  }
  static const torch::Tensor& value_of(const Tensors& p, std::int64_t place) {
    return p[static_cast<std::size_t>(place)];
  }
  /// Samples in an order that says nothing of their classes.
  static Batch shuffled(const Batch& batch, const RandomKey& key) {
    Random random(key.with(Stream::kModel, 8));
    return select_rows(batch, random.sample(batch.size, batch.size));
  }

  /// What is left after the whole support, of one sequence.
  MannState follow(const Tensors& p, const Batch& support, const Embedding& embedding) const {
    const auto x = as_one(embedding);
    const auto options = x.options();
    const auto answers = answers_of(support, outputs_, options);
    MannState state{torch::zeros({1, options_.hidden}, options),
                    torch::zeros({1, options_.hidden}, options),
                    torch::zeros({1, options_.slots, options_.slot_width}, options),
                    torch::zeros({1, options_.reads, options_.slots}, options),
                    torch::zeros({1, options_.slots}, options)};
    auto before = torch::zeros({1, outputs_}, options);
    for (std::int64_t i = 0; i < x.size(0); ++i) {
      state = step(p, state, torch::cat({x.narrow(0, i, 1), before}, 1));
      before = answers.narrow(0, i, 1);
    }
    return state;
  }
  /// [n, way] answers to samples that each come next.
  torch::Tensor ask(const Tensors& p, const MannState& known, const Batch& support,
                    const Embedding& query) const {
    const auto x = as_one(query);
    const std::int64_t n = x.size(0);
    const auto each = [&](const torch::Tensor& one) {
      auto shape = one.sizes().vec();
      shape[0] = n;
      return one.expand(shape);
    };
    const auto before =
        each(answers_of(support, outputs_, x.options()).narrow(0, support.size - 1, 1));
    const auto state = step(p,
                            {each(known.hidden), each(known.cell), each(known.memory),
                             each(known.read), each(known.usage)},
                            torch::cat({x, before}, 1));
    auto seen = state.hidden;
    if (options_.slots > 0)
      seen = torch::cat({seen, state.read.matmul(state.memory).flatten(1)}, 1);
    return torch::linear(seen, value_of(p, head_), value_of(p, head_bias_))
        .narrow(1, 0, support.way);
  }

  MannState step(const Tensors& p, const MannState& was, const torch::Tensor& input) const {
    MannState is;
    const auto gates = (torch::linear(input, value_of(p, in_), value_of(p, bias_)) +
                        was.hidden.matmul(value_of(p, back_).t()))
                           .chunk(4, 1);
    is.cell = gates[1].sigmoid() * was.cell + gates[0].sigmoid() * gates[2].tanh();
    is.hidden = gates[3].sigmoid() * is.cell.tanh();
    if (options_.slots == 0) {
      is.memory = was.memory;
      is.read = was.read;
      is.usage = was.usage;
      return is;
    }
    constexpr double kUsageKept = 0.95;  // gamma
    const std::int64_t n = input.size(0);
    const auto key = torch::linear(is.hidden, value_of(p, key_), value_of(p, key_bias_))
                         .tanh()
                         .view({n, options_.reads, options_.slot_width});
    // Stable: slots that were never used are all alike.
    const auto order = torch::argsort(was.usage.detach(), /*stable=*/true, 1);
    const auto least = torch::one_hot(order.narrow(1, 0, options_.reads), options_.slots).to(key);
    const auto gate = value_of(p, gate_).sigmoid();
    const auto write = gate * was.read + (1 - gate) * least;
    is.memory = was.memory * (1 - least.sum(1)).unsqueeze(2) + write.transpose(1, 2).matmul(key);
    const auto alike = unit(key).matmul(unit(is.memory).transpose(1, 2));
    is.read = torch::softmax(value_of(p, sharpness_).exp() * alike, 2);
    is.usage = kUsageKept * was.usage + (is.read + write).sum(1);
    return is;
  }
  /// Rows of length 1; a slot that hardly anything was written to is like nothing.
  static torch::Tensor unit(const torch::Tensor& x) {
    constexpr double kHardlyAnything = 1e-2;
    return x * (x.square().sum(-1, true) + kHardlyAnything).rsqrt();
  }

  Options options_;
  std::int64_t outputs_;
  std::int64_t in_, back_, bias_, head_, head_bias_;
  std::int64_t key_ = -1, key_bias_ = -1, gate_ = -1, sharpness_ = -1;
};

}  // namespace

LearnerType row_of_mann() {
  return learner_type<Mann>("an LSTM with a memory that it writes to where it is least used",
                            "Santoro et al. 2016");
}

}  // namespace cuttle
