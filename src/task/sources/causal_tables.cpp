#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "cuttle/core/error.hpp"
#include "task/rows.hpp"
#include "task/sources/prior.hpp"

namespace cuttle {
namespace {

struct CausalOptions {
  std::int64_t features = 5, features_min = 0, latent = 0, causes = 3;
  double noise = 0.1;
  bool mixed = false;
  void keys(Keys& keys) {
    keys.add("features", features, between(1, 1000), "columns of the table");
    keys.add("features_min", features_min, between(0, 1000),
             "fewest columns of a task, the others being 0; 0: all have all");
    keys.add("latent", latent, between(0, 1000), "most variables of a task that are no column");
    keys.add("causes", causes, between(1, 100), "most parents of a variable");
    keys.add("noise", noise, at_least(0), "standard deviation of every variable's own noise");
    keys.add("mixed", mixed, anything(),
             "columns of several kinds: as they are, skewed, of few values; values of a task in "
             "units of its support, which has mean 0 and deviation 1");
  }
};

/// Tables of small structural causal models: variables in causal order, each a random non-linear
/// function of at most `causes` earlier ones plus noise; one of them is the target, others the
/// columns (Hollmann et al. 2023, "TabPFN", section 4, by graphs rather than by networks). For
/// classes the target's values are cut, as there, where random samples of the support are, and
/// pieces are named at random; or, in half of the tasks, the class is a cause itself of some of the
/// variables: they have a shift of each class.
class CausalTables final : public PriorSource {
 public:
  using Options = CausalOptions;
  CausalTables(const SourceRequest& request, const Options& options)
      : PriorSource(request), options_(options) {
    CUTTLE_VALIDATE(options.features_min <= options.features,
                    "features_min of causal_tables: is {}, above features, {}; lower it, or 0 for "
                    "tables of all columns",
                    options.features_min, options.features);
  }

 private:
  struct Variable {
    std::vector<std::int64_t> parents;
    std::vector<double> weights;
    std::uint64_t shape = 0;
    std::vector<double> shifts;  ///< by class; empty: the class is no cause of it
  };
  using Variables = std::vector<Variable>;

  static double bend(double x, std::uint64_t shape) {
    return shape == 0 ? std::tanh(x) : shape == 1 ? std::sin(x) : shape == 2 ? std::abs(x) : x;
  }

  /// Uniform by its logarithm: narrow tables are as frequent as wide ones.
  std::int64_t columns_of_task(Random& random) const {
    const std::int64_t least = options_.features_min, most = options_.features;
    if (least == 0) return most;
    const double low = std::log(static_cast<double>(least));
    const double high = std::log(static_cast<double>(most + 1));
    const double drawn = std::exp(low + (high - low) * random.uniform());
    return std::clamp(static_cast<std::int64_t>(drawn), least, most);  // exp(log) may round down
  }

  Variables draw_model(Random& random, std::int64_t count) const {
    Variables model(static_cast<std::size_t>(count));
    for (std::int64_t v = 1; v < count; ++v) {
      auto& variable = model[static_cast<std::size_t>(v)];
      const std::int64_t most = std::min(v, options_.causes);
      const auto parents =
          1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most)));
      variable.parents = random.sample(v, parents);
      for (std::int64_t i = 0; i < parents; ++i) variable.weights.push_back(random.normal());
      variable.shape = random.below(4);
    }
    return model;
  }

  /// Makes the class a cause; the classes of the samples, each of them once in the support.
  static std::vector<std::int64_t> draw_causes(Random& random, const EpisodeSize& size,
                                               Variables& model) {
    const double share = 0.1 + 0.9 * random.uniform(), size_of_shifts = 3 * random.uniform();
    for (auto& variable : model)
      if (random.uniform() < share)
        for (std::int64_t c = 0; c < size.way; ++c)
          variable.shifts.push_back(size_of_shifts * random.normal());
    std::vector<std::int64_t> labels;
    for (std::int64_t i = 0; i < size.support + size.query; ++i)
      labels.push_back(i < size.way ? i
                                    : static_cast<std::int64_t>(
                                          random.below(static_cast<std::uint64_t>(size.way))));
    return labels;
  }

  std::vector<double> draw_sample(Random& random, const Variables& model,
                                  std::int64_t label) const {
    std::vector<double> value(model.size());
    for (std::size_t v = 0; v < model.size(); ++v) {
      const auto& [parents, weights, shape, shifts] = model[v];
      double sum = 0;
      for (std::size_t p = 0; p < parents.size(); ++p)
        sum += weights[p] * value[static_cast<std::size_t>(parents[p])];
      value[v] =
          parents.empty() ? random.normal() : bend(sum, shape) + options_.noise * random.normal();
      if (!shifts.empty()) value[v] += shifts[static_cast<std::size_t>(label)];
    }
    return value;
  }

  /// One of few kinds of columns, in place; `step`: between the values of a coarse one.
  static double observed(double value, std::uint64_t kind, double step) {
    return kind == 0   ? std::exp(std::clamp(value, -5.0, 5.0))
           : kind == 1 ? std::floor(value / step)
                       : value;
  }

  /// Values cut into classes: between samples of the support, so that it has all of them.
  static void cut(Random& random, const EpisodeSize& size, float* y) {
    std::vector<float> sorted(y, y + size.support);
    std::sort(sorted.begin(), sorted.end());
    auto places = random.sample(size.support - 1, size.way - 1);
    std::vector<float> edges;
    for (const auto place : places) edges.push_back(sorted[static_cast<std::size_t>(place)]);
    std::sort(edges.begin(), edges.end());
    const auto names = random.sample(size.way, size.way);
    for (std::int64_t i = 0; i < size.support + size.query; ++i) {
      const auto piece = std::lower_bound(edges.begin(), edges.end(), y[i]) - edges.begin();
      y[i] = static_cast<float>(names[static_cast<std::size_t>(piece)]);
    }
  }

  /// In the units of the support, which stands first: of the query it says nothing.
  static void standardise(const EpisodeSize& size, float* y) {
    const auto known = static_cast<double>(size.support);
    double sum = 0, squares = 0;
    for (std::int64_t i = 0; i < size.support; ++i) sum += y[i];
    const double mean = sum / known;
    for (std::int64_t i = 0; i < size.support; ++i) squares += (y[i] - mean) * (y[i] - mean);
    const double deviation = std::sqrt(squares / known);
    for (std::int64_t i = 0; i < size.support + size.query; ++i)
      y[i] = static_cast<float>((y[i] - mean) / (deviation > 0 ? deviation : 1));
  }

  void draw(Random& random, const EpisodeSize& size, float* x, float* y) const override {
    const std::int64_t samples = size.support + size.query, columns = columns_of_task(random);
    const bool class_causes = classes_ && random.below(2) == 0;
    const auto latent = options_.latent == 0
                            ? 0
                            : static_cast<std::int64_t>(
                                  random.below(static_cast<std::uint64_t>(options_.latent + 1)));
    const std::int64_t count = columns + latent + (class_causes ? 0 : 1);
    Variables model = draw_model(random, count);
    // Not the root alone: it would depend on nothing.
    const std::int64_t target =
        class_causes
            ? -1
            : 1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(count - 1)));
    std::vector<std::int64_t> labels, shown;
    if (class_causes) labels = draw_causes(random, size, model);
    for (std::int64_t v = 0; v < count; ++v)
      if (v != target) shown.push_back(v);
    if (latent > 0 || options_.mixed) {
      const auto order = random.sample(static_cast<std::int64_t>(shown.size()), columns);
      const auto all = std::exchange(shown, {});
      for (const auto place : order) shown.push_back(all[static_cast<std::size_t>(place)]);
    }
    std::vector<std::pair<std::uint64_t, double>> kinds(shown.size(), {2, 1.0});
    if (options_.mixed)
      for (auto& kind : kinds) kind = {random.below(5), 0.3 + 1.7 * random.uniform()};
    for (std::int64_t i = 0; i < samples; ++i) {
      const auto value = draw_sample(
          random, model, class_causes ? labels[static_cast<std::size_t>(i)] : std::int64_t{0});
      for (std::size_t c = 0; c < shown.size(); ++c)
        x[i * options_.features + static_cast<std::int64_t>(c)] = static_cast<float>(
            observed(value[static_cast<std::size_t>(shown[c])], kinds[c].first, kinds[c].second));
      std::fill(x + i * options_.features + columns, x + (i + 1) * options_.features, 0.0f);
      y[i] =
          static_cast<float>(class_causes ? static_cast<double>(labels[static_cast<std::size_t>(i)])
                                          : value[static_cast<std::size_t>(target)]);
    }
    if (classes_ && !class_causes)
      cut(random, size, y);
    else if (!classes_ && options_.mixed)
      standardise(size, y);
  }

  Options options_;
};

}  // namespace

SourceType row_of_causal_tables() {
  auto row = prior_type<CausalTables>(
      "tables of random structural causal models, of values or of classes", "Hollmann et al. 2023",
      [](const Section& section) {
        return TaskInputs{{vector_of("x", options_of<CausalOptions>(section).features)}, 1};
      });
  row.gives_classes = true;
  row.protocol.insert("episode.way_min");
  return row;
}

}  // namespace cuttle
