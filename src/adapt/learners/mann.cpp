#include <torch/types.h>

#include <cmath>
#include <string>
#include <tuple>
#include <utility>

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
class Mann final : public SupportLearner {
 public:
  using Options = MannOptions;
  Mann(const LearnerRequest& request, const Options& options)
      : SupportLearner(request), options_(options), outputs_(request.inputs.outputs) {
    CUTTLE_VALIDATE(options.slots == 0 || options.reads <= options.slots,
                    "adapt.reads: is {}, above adapt.slots, {} (each head writes to a slot of its "
                    "own); use fewer reads",
                    options.reads, options.slots);
    const std::int64_t units = options.hidden, columns = options.reads * options.slot_width;
    const std::int64_t read = options.slots > 0 ? columns : 0;
    in_ = own_array(request.layout, "lstm.weight_ih",
                    {4 * units, width_as_one(model_->fusion()) + outputs_});
    back_ = own_array(request.layout, "lstm.weight_hh", {4 * units, units});
    bias_ = own_array(request.layout, "lstm.bias", {4 * units}, Init::kZeros);
    head_ = own_array(request.layout, "head.weight", {outputs_, units + read});
    head_bias_ = own_array(request.layout, "head.bias", {outputs_}, Init::kZeros);
    if (options.slots == 0) return;
    key_ = own_array(request.layout, "key.weight", {columns, units});
    key_bias_ = own_array(request.layout, "key.bias", {columns}, Init::kZeros);
    gate_ = own_array(request.layout, "gate", {options.reads, 1}, Init::kZeros);
    sharpness_ = own_number(request.layout, "sharpness", std::log(options.sharpness));
  }

 private:
  Batch in_order(const Batch& support, const RandomKey& key) const override {
    return shuffled(support, key);
  }

  /// What is left after the whole support, of one sequence.
  Tensors study(const Support& support) const override {
    const auto x = as_one(support.embedding);
    const auto options = x.options();
    const auto answers = answers_of(support.batch, outputs_, options);
    MannState state{torch::zeros({1, options_.hidden}, options),
                    torch::zeros({1, options_.hidden}, options),
                    torch::zeros({1, options_.slots, options_.slot_width}, options),
                    torch::zeros({1, options_.reads, options_.slots}, options),
                    torch::zeros({1, options_.slots}, options)};
    auto before = torch::zeros({1, outputs_}, options);
    for (std::int64_t i = 0; i < x.size(0); ++i) {
      state = step(support.parameters, state, torch::cat({x.narrow(0, i, 1), before}, 1));
      before = answers.narrow(0, i, 1);
    }
    return {state.hidden, state.cell, state.memory, state.read, state.usage};
  }
  /// Of samples that each come next.
  torch::Tensor answer(const Support& support, const Tensors& known,
                       const Embedding& query) const override {
    const Tensors& p = support.parameters;
    const auto x = as_one(query);
    const std::int64_t n = x.size(0);
    const auto each = [&](const torch::Tensor& one) {
      auto shape = one.sizes().vec();
      shape[0] = n;
      return one.expand(shape);
    };
    const auto before =
        each(answers_of(support.batch, outputs_, x.options()).narrow(0, support.batch.size - 1, 1));
    const auto state =
        step(p, {each(known[0]), each(known[1]), each(known[2]), each(known[3]), each(known[4])},
             torch::cat({x, before}, 1));
    auto seen = state.hidden;
    if (options_.slots > 0)
      seen = torch::cat({seen, state.read.matmul(state.memory).flatten(1)}, 1);
    return torch::linear(seen, parameter_at(p, head_), parameter_at(p, head_bias_))
        .narrow(1, 0, support.batch.way);
  }

  MannState step(const Tensors& p, const MannState& was, const torch::Tensor& input) const {
    MannState is;
    const auto gates = torch::linear(input, parameter_at(p, in_), parameter_at(p, bias_)) +
                       was.hidden.matmul(parameter_at(p, back_).t());
    std::tie(is.hidden, is.cell) = lstm_step(gates, was.cell);
    if (options_.slots == 0) {
      is.memory = was.memory;
      is.read = was.read;
      is.usage = was.usage;
      return is;
    }
    constexpr double kUsageKept = 0.95;  // gamma
    const std::int64_t n = input.size(0);
    const auto key = torch::linear(is.hidden, parameter_at(p, key_), parameter_at(p, key_bias_))
                         .tanh()
                         .view({n, options_.reads, options_.slot_width});
    // Stable: slots that were never used are all alike.
    const auto order = torch::argsort(was.usage.detach(), /*stable=*/true, 1);
    const auto least = torch::one_hot(order.narrow(1, 0, options_.reads), options_.slots).to(key);
    const auto gate = parameter_at(p, gate_).sigmoid();
    const auto write = gate * was.read + (1 - gate) * least;
    is.memory = was.memory * (1 - least.sum(1)).unsqueeze(2) + write.transpose(1, 2).matmul(key);
    const auto alike = unit(key).matmul(unit(is.memory).transpose(1, 2));
    is.read = torch::softmax(parameter_at(p, sharpness_).exp() * alike, 2);
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
