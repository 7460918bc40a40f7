#include <torch/types.h>

#include <cmath>
#include <optional>
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
    keys.add("attention", attention, between(0, 4096),
             "columns of keys and values; 0: no attention, the convolutions alone");
  }
  Demands demands() const {
    Demands demands;
    demands.head = false;
    demands.one_each = true;
    demands.class_rows = true;
    return demands;
  }
};

// The sequence is causal, so that its past, the support set, is passed once for all queries. What a
// layer's next step will read of the past waits in `kept`, in the order of the layers.

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
  /// The past x [T, C] -> [T, width].
  torch::Tensor past(const Tensors& p, torch::Tensor x, Tensors& kept) const {
    const std::int64_t steps = x.size(0);
    for (std::size_t i = 0; i < filter_.size(); ++i) {
      const std::int64_t dilation = std::int64_t{1} << i;
      kept.push_back(dilation <= steps ? x.narrow(0, steps - dilation, 1)
                                       : torch::zeros({1, x.size(1)}, x.options()));
      const auto before = torch::constant_pad_nd(x, {0, 0, dilation, 0}).narrow(0, 0, steps);
      x = with_block(p, i, x, before);
    }
    return x;
  }
  /// The step after it, of n sequences: x [n, C] -> [n, width].
  torch::Tensor step(const Tensors& p, torch::Tensor x, const torch::Tensor*& kept) const {
    for (std::size_t i = 0; i < filter_.size(); ++i) x = with_block(p, i, x, *kept++);
    return x;
  }

 private:
  /// `before`: the steps that lie one dilation back.
  torch::Tensor with_block(const Tensors& p, std::size_t i, const torch::Tensor& x,
                           const torch::Tensor& before) const {
    const auto convolved = [&](const OwnLayer& layer) {
      return torch::linear(x, layer.w(p).select(2, 1), layer.b(p)) +
             before.matmul(layer.w(p).select(2, 0).t());
    };
    return torch::cat({x, convolved(filter_[i]).tanh() * convolved(gate_[i]).sigmoid()}, 1);
  }

  std::vector<OwnLayer> filter_, gate_;
  std::int64_t width_;
};

/// Causal attention over the steps so far, added as columns; of no columns it is nothing.
class CausalAttention {
 public:
  CausalAttention(ParameterLayout& layout, const std::string& name, std::int64_t in,
                  std::int64_t columns)
      : width_(in + columns), scale_(1 / std::sqrt(static_cast<double>(columns))) {
    if (columns > 0) layers_.emplace(layout, name, std::vector<std::int64_t>{columns, in});
  }
  std::int64_t width() const { return width_; }
  void keep(const Tensors& p, const torch::Tensor& x, Tensors& kept) const {
    if (layers_) kept.insert(kept.end(), {layers_->key(p, x), layers_->value(p, x)});
  }
  /// The past x [T, C] -> [T, width].
  torch::Tensor past(const Tensors& p, const torch::Tensor& x, Tensors& kept) const {
    if (!layers_) return x;
    keep(p, x, kept);
    const auto &key = kept[kept.size() - 2], &value = kept.back();
    const auto later = torch::ones({x.size(0), x.size(0)}, torch::kBool).triu(1).to(x.device());
    const auto scores = (scale_ * layers_->query(p, x).matmul(key.t())).masked_fill(later, -1e30);
    return torch::cat({x, torch::softmax(scores, 1).matmul(value)}, 1);
  }
  /// The step after it, of n sequences: x [n, C] -> [n, width]. It looks at itself too.
  torch::Tensor step(const Tensors& p, const torch::Tensor& x, const torch::Tensor*& kept) const {
    if (!layers_) return x;
    const auto &key = *kept++, &value = *kept++;
    const auto query = layers_->query(p, x);
    const auto scores =
        torch::cat({query.matmul(key.t()), (query * layers_->key(p, x)).sum(1, true)}, 1);
    const auto share = torch::softmax(scale_ * scores, 1);
    const auto read = share.narrow(1, 0, key.size(0)).matmul(value) +
                      share.narrow(1, key.size(0), 1) * layers_->value(p, x);
    return torch::cat({x, read}, 1);
  }

 private:
  struct Layers {
    Layers(ParameterLayout& layout, const std::string& name, const std::vector<std::int64_t>& shape)
        : key(layout, name + ".key", shape),
          query(layout, name + ".query", shape),
          value(layout, name + ".value", shape) {}
    OwnLayer key, query, value;
  };
  std::optional<Layers> layers_;
  std::int64_t width_;
  double scale_;
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
  /// The past of all queries.
  Tensors study(const Support& support) const override {
    const Tensors& p = support.parameters;
    const auto known = as_one(support.embedding);
    Tensors kept;
    auto x = torch::cat({known, answers_of(support.batch, outputs_, known.options())}, 1);
    x = past1_.past(p, look1_.past(p, x, kept), kept);
    x = past2_.past(p, look2_.past(p, x, kept), kept);
    look3_.keep(p, x, kept);
    return kept;
  }
  /// Answers at the last steps.
  torch::Tensor answer(const Support& support, const Tensors& lesson,
                       const Embedding& query) const override {
    const Tensors& p = support.parameters;
    const torch::Tensor* kept = lesson.data();
    const auto asked = as_one(query);
    auto x = torch::cat({asked, torch::zeros({asked.size(0), outputs_}, asked.options())}, 1);
    x = look1_.step(p, x, kept);
    x = past1_.step(p, x, kept);
    x = look2_.step(p, x, kept);
    x = past2_.step(p, x, kept);
    x = look3_.step(p, x, kept);
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
