#include "train/fit_senses.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "cuttle/core/error.hpp"
#include "cuttle/core/nearest_name.hpp"

namespace cuttle {
namespace {

std::string key_of(const std::string& sense) {
  return "model.encoders." + sense + ".fitted";
}

std::vector<std::string> words_of(const ModalitySpec& spec) {
  std::vector<std::string> words;
  for (const FittedStep& step : spec.fitted) words.push_back(step.words);
  return words;
}

}  // namespace

void fit_senses(const RunConfig& config, const Extensions& extensions,
                const std::vector<const Dataset*>& data, const std::vector<ModalitySpec>* kept,
                std::vector<ModalitySpec>& senses) {
  for (const auto& [sense, encoder] : config.model.encoders) {
    if (encoder.fitted.empty()) continue;
    const std::string key = key_of(sense);
    const ModalitySpec* found = find_modality(senses, sense);
    CUTTLE_VALIDATE(found != nullptr,
                    "{}: no sense in use has this name, they are {}; did you mean '{}'?", key,
                    fmt::join(names_of(senses), ", "), nearest_name(sense, names_of(senses)));
    ModalitySpec& spec = senses[static_cast<std::size_t>(found - senses.data())];
    const ModalitySpec* known = kept == nullptr ? nullptr : find_modality(*kept, sense);
    const bool same = known != nullptr && words_of(*known) == encoder.fitted &&
                      known->recorded_kind() == spec.kind && known->recorded().shape == spec.shape;
    spec = same ? *known : fit_sense(key, spec, encoder.fitted, data, extensions.fitted);
  }
}

TargetUnits fit_units(const std::vector<const Dataset*>& data) {
  const auto width = static_cast<std::size_t>(data.front()->target_width());
  const auto mean_of = [&](const auto& term) {
    std::vector<double> sums(width);
    double count = 0;
    for (const Dataset* set : data)
      for (const std::int32_t id : set->classes_of(Split::kTrain))
        for (const std::int64_t sample : set->samples_of(id)) {
          for (std::size_t t = 0; t < width; ++t) sums[t] += term(set->target(sample)[t], t);
          ++count;
        }
    for (double& sum : sums) sum /= std::max(count, 1.0);
    return sums;
  };
  TargetUnits units;
  units.origin = mean_of([](double value, std::size_t) { return value; });
  units.scale = mean_of([&](double value, std::size_t t) {
    return (value - units.origin[t]) * (value - units.origin[t]);
  });
  for (double& scale : units.scale) scale = scale > 0 ? std::sqrt(scale) : 1;
  return units;
}

void check_fitted(const RunConfig& config, const std::vector<ModalitySpec>& senses,
                  const std::string& remedy) {
  for (const ModalitySpec& spec : senses) {
    const auto encoder = config.model.encoders.find(spec.name);
    const auto asked = encoder == config.model.encoders.end() ? std::vector<std::string>()
                                                              : encoder->second.fitted;
    CUTTLE_VALIDATE(asked == words_of(spec),
                    "{}: is [{}], and what was trained takes {} after [{}] (other numbers would "
                    "mean nothing to it); {}",
                    key_of(spec.name), fmt::join(asked, ", "), spec.name,
                    fmt::join(words_of(spec), ", "), remedy);
  }
}

}  // namespace cuttle
