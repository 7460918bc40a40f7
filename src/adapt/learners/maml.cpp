#include "adapt/descent.hpp"
#include "adapt/rows.hpp"

namespace cuttle {
namespace {

struct FomamlOptions : RateOptions, FastOptions {
  void keys(Keys& keys) {
    RateOptions::keys(keys);
    FastOptions::keys(keys);
  }
};

/// MAML (Finn, Abbeel, Levine 2017): gradient descent moves the whole model (or what `fast`
/// selects: the body alone is BOIL, Oh et al. 2021), and the outer gradient goes through it.
class Maml final : public DescentLearner {
 public:
  using Options = DescentOptions;
  Maml(const LearnerRequest& request, const Options& options)
      : DescentLearner(request, options,
                       {make_sgd_update(options.inner_lr), fast_set(request, options), true,
                        options.keep, options.inner_lr}) {}
};

/// The same without second derivatives (FOMAML): the query's gradient at the adapted parameters.
class Fomaml final : public DescentLearner {
 public:
  using Options = FomamlOptions;
  Fomaml(const LearnerRequest& request, const Options& options)
      : DescentLearner(request, options,
                       {make_sgd_update(options.inner_lr), fast_set(request, options), false,
                        "parameters", options.inner_lr}) {}
};

}  // namespace

LearnerType row_of_maml() {
  return learner_type<Maml>("an initialisation from which a few gradient steps lead far",
                            "Finn, Abbeel, Levine 2017");
}
LearnerType row_of_fomaml() {
  return learner_type<Fomaml>("maml without second derivatives", "Finn, Abbeel, Levine 2017");
}

}  // namespace cuttle
