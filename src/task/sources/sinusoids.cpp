#include <torch/types.h>

#include <cmath>

#include "task/rows.hpp"
#include "task/sources/prior.hpp"

namespace cuttle {
namespace {

struct SinusoidOptions {
  double amplitude_max = 5.0, noise = 0.0;
  void keys(Keys& keys) {
    keys.add("amplitude_max", amplitude_max, above(0), "amplitudes are uniform in [0.1, this]");
    keys.add("noise", noise, at_least(0), "standard deviation of what is added to the values");
  }
};

/// y = a sin(x + phase): a uniform in [0.1, 5], phase in [0, pi], x in [-5, 5] (Finn, Abbeel,
/// Levine 2017, section 5.1). Needs no data files.
class Sinusoids final : public PriorSource {
 public:
  using Options = SinusoidOptions;
  Sinusoids(const SourceRequest& request, const Options& options)
      : PriorSource(request), options_(options) {}

 private:
  void draw(Random& random, const EpisodeSize& size, float* x, float* y) const override {
    const double amplitude = 0.1 + (options_.amplitude_max - 0.1) * random.uniform();
    const double phase = M_PI * random.uniform();
    for (std::int64_t i = 0; i < size.support + size.query; ++i) {
      const double at = -5.0 + 10.0 * random.uniform();
      x[i] = static_cast<float>(at);
      y[i] =
          static_cast<float>(amplitude * std::sin(at + phase) + options_.noise * random.normal());
    }
  }

  Options options_;
};

}  // namespace

SourceType row_of_sinusoids() {
  return prior_type<Sinusoids>("regression on sinusoids, drawn as they are needed",
                               "Finn, Abbeel, Levine 2017",
                               [](const Section&) { return TaskInputs{{vector_of("x", 1)}, 1}; });
}

}  // namespace cuttle
