#include <torch/types.h>

#include <cmath>
#include <utility>

#include "adapt/layers.hpp"
#include "adapt/rows.hpp"
#include "adapt/support_learner.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

struct SnailOptions {
  std::int64_t filters = 64, attention = 64;
  void keys(Keys& keys) {
    keys.add("filters", filters, between(1, 4096), "of every dilated convolution");
    keys.add("attention", attention, between(1, 4096), "columns of keys and values");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.class_rows = true;
    return demands;
  }
};

/// Dense blocks with dilations 1, 2, 4, ... up to the whole past (Mishra et al. 2018, figure 2):
/// each adds columns made by a gated causal convolution of two steps to what it sees.
class TemporalConvolution {
 public:
  TemporalConvolution(ParameterLayout& layout, const std::string& name, std::int64_t in,
                      std::int64_t length, std::int64_t filters)
      : width_(in) {
    for (std::int64_t i = 0; (std::int64_t{1} << i) < length; ++i) {
      const std::string block = name + "." + std::to_string(i);
      filter_.emplace_back(layout, block + ".filter",
                           std::vector<std::int64_t>{filters, width_, 2});
      gate_.emplace_back(layout, block + ".gate", std::vector<std::int64_t>{filters, width_, 2});
      width_ += filters;
    }
  }
  std::int64_t width() const { return width_; }
  /// x [n, C, T] -> [n, width, T].
  torch::Tensor forward(const Tensors& p, torch::Tensor x) const {
    for (std::size_t i = 0; i < filter_.size(); ++i) {
      const std::int64_t dilation = std::int64_t{1} << i;
      const auto past = torch::constant_pad_nd(x, {dilation, 0});
      const auto conv = [&](const OwnLayer& layer) {
        return torch::conv1d(past, layer.w(p), layer.b(p), torch::IntArrayRef{1},
                             torch::IntArrayRef{0}, torch::IntArrayRef{dilation});
      };
      x = torch::cat({x, conv(filter_[i]).tanh() * conv(gate_[i]).sigmoid()}, 1);
    }
    return x;
  }

 private:
  std::vector<OwnLayer> filter_, gate_;
  std::int64_t width_;
};

/// Causal attention over the steps so far, added as columns.
class CausalAttention {
 public:
  CausalAttention(ParameterLayout& layout, const std::string& name, std::int64_t in,
                  std::int64_t columns)
      : key_(layout, name + ".key", {columns, in}),
        query_(layout, name + ".query", {columns, in}),
        value_(layout, name + ".value", {columns, in}),
        width_(in + columns) {}
  std::int64_t width() const { return width_; }
  torch::Tensor forward(const Tensors& p, const torch::Tensor& x) const {
    const auto steps = x.transpose(1, 2);  // [n, T, C]
    const auto key = key_(p, steps);
    const auto scores =
        query_(p, steps).matmul(key.transpose(1, 2)) / std::sqrt(static_cast<double>(key.size(2)));
    const auto later = torch::ones({x.size(2), x.size(2)}, torch::kBool).triu(1).to(x.device());
    const auto read = torch::softmax(scores.masked_fill(later, -1e30), 2).matmul(value_(p, steps));
    return torch::cat({x, read.transpose(1, 2)}, 1);
  }

 private:
  OwnLayer key_, query_, value_;
  std::int64_t width_;
};

/// SNAIL (Mishra, Rohaninejad, Chen, Abbeel 2018): the support set with its answers is a sequence,
/// the query its last step without one; attention and causal convolutions in turn (figure 1), read
/// off at the last step. Every query is a sequence of its own, so answers do not touch.
class Snail final : public SupportLearner {
 public:
  using Options = SnailOptions;
  Snail(const LearnerRequest& request, const Options& options)
      : SupportLearner(request),
        outputs_(request.inputs.outputs),
        longest_(request.inputs.support + 1),
        embedded_(width_as_one(model_->fusion())),
        look1_(request.layout, "attention1", embedded_ + outputs_, options.attention),
        past1_(request.layout, "past1", look1_.width(), longest_, options.filters),
        look2_(request.layout, "attention2", past1_.width(), options.attention),
        past2_(request.layout, "past2", look2_.width(), longest_, options.filters),
        look3_(request.layout, "attention3", past2_.width(), options.attention),
        head_(request.layout, "head", {outputs_, look3_.width()}) {}

  std::unique_ptr<Adapted> adapt(const ParameterList& parameters, const Batch& support,
                                 const RandomKey& key) const override {
    CUTTLE_VALIDATE(support.size < longest_,
                    "snail: the support set has {} samples, and the longest in training had {}; "
                    "give fewer, or train with a larger episode.shot",
                    support.size, longest_ - 1);
    return SupportLearner::adapt(parameters, support, key);
  }

 private:
  Batch in_order(const Batch& support, const RandomKey& key) const override {
    return shuffled(support, key);
  }
  /// Answers at the last steps.
  torch::Tensor answer(const Support& support, const Tensors&,
                       const Embedding& query) const override {
    const Tensors& p = support.parameters;
    const auto known = as_one(support.embedding), asked = as_one(query);
    const std::int64_t n = asked.size(0), steps = known.size(0);
    const auto answers = answers_of(support.batch, outputs_, known.options());
    const auto past = torch::cat({known, answers}, 1).unsqueeze(0).expand({n, steps, -1});
    const auto last =
        torch::cat({asked, torch::zeros({n, outputs_}, asked.options())}, 1).unsqueeze(1);
    auto x = torch::cat({past, last}, 1).transpose(1, 2);  // [n, columns, steps + 1]
    x = past1_.forward(p, look1_.forward(p, x));
    x = past2_.forward(p, look2_.forward(p, x));
    x = look3_.forward(p, x).select(2, steps);
    return head_(p, x).narrow(1, 0, support.batch.way);
  }

  std::int64_t outputs_, longest_, embedded_;
  CausalAttention look1_;
  TemporalConvolution past1_;
  CausalAttention look2_;
  TemporalConvolution past2_;
  CausalAttention look3_;
  OwnLayer head_;
};

}  // namespace

LearnerType row_of_snail() {
  return learner_type<Snail>("reads support and query as a sequence, by attention over the past",
                             "Mishra et al. 2018");
}

}  // namespace cuttle
