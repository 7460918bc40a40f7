#include <torch/types.h>

#include <utility>

#include "adapt/descent.hpp"
#include "adapt/rows.hpp"

namespace cuttle {
namespace {

struct MetaSgdOptions : DescentOptions {
  void keys(Keys& keys) {
    LoopOptions::keys(keys);
    keys.add("inner_lr", inner_lr, above(0), "where every learned rate starts");
    FastOptions::keys(keys);
    WayBackOptions::keys(keys);
  }
};

/// theta' = theta - alpha o g: a learned rate for every element, of either sign (Li et al. 2017,
/// equation 2).
class LearnedRates final : public InnerUpdate {
 public:
  /// `rates`: by parameter, the index of its rates among theta; -1: it does not move.
  explicit LearnedRates(std::vector<std::int64_t> rates) : rates_(std::move(rates)) {}

  Moved step(const Point& at, const Tensors&, std::int64_t) const override {
    Moved next{at.theta, {}};
    for (std::size_t i = 0; i < at.theta.size(); ++i)
      if (at.gradient[i].defined())
        next.theta[i] =
            at.theta[i] - at.theta[static_cast<std::size_t>(rates_[i])] * at.gradient[i];
    return next;
  }
  bool learned() const override { return true; }

 private:
  std::vector<std::int64_t> rates_;
};

/// Meta-SGD (Li, Zhou, Chen, Li 2017): MAML whose inner rates are learned, one for each element
/// that moves, with the initialisation.
class MetaSgd final : public DescentLearner {
 public:
  using Options = MetaSgdOptions;
  MetaSgd(const LearnerRequest& request, const Options& options)
      : DescentLearner(request, options, descender(request, options)) {}

 private:
  static Descender descender(const LearnerRequest& request, const Options& options) {
    auto& layout = request.layout;
    const FastSet fast = fast_set(request, options);
    std::vector<std::int64_t> rates(static_cast<std::size_t>(layout.count()), -1);
    for (const std::int64_t i : fast) {
      ParameterSpec spec{"learner.rate." + layout.spec(i).name, layout.spec(i).shape,
                         Init::kConstant, ParameterRole::kLearner};
      spec.start = options.inner_lr;
      spec.outer.decay = false;
      rates[static_cast<std::size_t>(i)] = layout.add(std::move(spec));
    }
    rates.resize(static_cast<std::size_t>(layout.count()), -1);
    return {
        std::make_unique<LearnedRates>(rates), fast, true, options.keep, {options.inner_lr, rates}};
  }
};

}  // namespace

LearnerType row_of_meta_sgd() {
  return learner_type<MetaSgd>("maml with a learned rate for every element", "Li et al. 2017");
}

}  // namespace cuttle
