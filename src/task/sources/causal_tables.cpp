#include <torch/types.h>

#include <cmath>
#include <vector>

#include "task/rows.hpp"
#include "task/sources/prior.hpp"

namespace cuttle {
namespace {

struct CausalOptions {
  std::int64_t features = 5, causes = 3;
  double noise = 0.1;
  void keys(Keys& keys) {
    keys.add("features", features, between(1, 1000), "columns of the table");
    keys.add("causes", causes, between(1, 100), "most parents of a variable");
    keys.add("noise", noise, at_least(0), "standard deviation of every variable's own noise");
  }
};

/// Tables of small structural causal models: variables in causal order, each a random non-linear
/// function of at most `causes` earlier ones plus noise; one of them is the target, the others the
/// columns (Hollmann et al. 2023, "TabPFN", section 4, by graphs rather than by networks).
class CausalTables final : public PriorSource {
 public:
  using Options = CausalOptions;
  CausalTables(const SourceRequest& request, const Options& options)
      : PriorSource(request), options_(options) {}

 private:
  struct Variable {
    std::vector<std::int64_t> parents;
    std::vector<double> weights;
    std::uint64_t shape = 0;
  };

  static double bend(double x, std::uint64_t shape) {
    return shape == 0 ? std::tanh(x) : shape == 1 ? std::sin(x) : shape == 2 ? std::abs(x) : x;
  }

  void draw(Random& random, std::int64_t samples, float* x, float* y) const override {
    const std::int64_t count = options_.features + 1;
    std::vector<Variable> model(static_cast<std::size_t>(count));
    for (std::int64_t v = 1; v < count; ++v) {
      auto& variable = model[static_cast<std::size_t>(v)];
      const std::int64_t most = std::min(v, options_.causes);
      const auto parents =
          1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most)));
      variable.parents = random.sample(v, parents);
      for (std::int64_t i = 0; i < parents; ++i) variable.weights.push_back(random.normal());
      variable.shape = random.below(4);
    }
    // Not the root alone: it would depend on nothing.
    const auto target =
        1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(count - 1)));
    std::vector<double> value(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < samples; ++i) {
      for (std::int64_t v = 0; v < count; ++v) {
        const auto& [parents, weights, shape] = model[static_cast<std::size_t>(v)];
        double sum = 0;
        for (std::size_t p = 0; p < parents.size(); ++p)
          sum += weights[p] * value[static_cast<std::size_t>(parents[p])];
        value[static_cast<std::size_t>(v)] =
            parents.empty() ? random.normal() : bend(sum, shape) + options_.noise * random.normal();
      }
      for (std::int64_t v = 0; v < count; ++v)
        if (v != target) *x++ = static_cast<float>(value[static_cast<std::size_t>(v)]);
      y[i] = static_cast<float>(value[static_cast<std::size_t>(target)]);
    }
  }

  Options options_;
};

}  // namespace

SourceType row_of_causal_tables() {
  return prior_type<CausalTables>(
      "regression on tables of random structural causal models", "Hollmann et al. 2023",
      [](const Section& section) {
        return TaskInputs{{vector_of("x", options_of<CausalOptions>(section).features)}, 1};
      });
}

}  // namespace cuttle
