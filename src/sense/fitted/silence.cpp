#include <algorithm>
#include <cmath>

#include "cuttle/core/error.hpp"
#include "sense/fitted/rows.hpp"

namespace cuttle {
namespace {

struct SilenceOptions {
  double below = 40, keep = 0.05;
  void keys(Keys& keys) {
    keys.add("below", below, between(1, 120),
             "what is so many decibels softer than the loudest 20 ms of its recording is silence");
    keys.add("keep", keep, between(0, 60), "seconds of it that stay at either end");
  }
};

void fit_silence(const Section& section, const ModalitySpec& spec, const FittedSamples&,
                 FittedStep& step) {
  constexpr double kFrame = 0.02;  // seconds
  const auto options = options_of<SilenceOptions>(section);
  step.numbers = {{"frame", {std::max(1.0, std::round(kFrame * spec.sample_rate))}},
                  {"keep", {std::round(options.keep * spec.sample_rate)}},
                  {"share", {std::pow(10, -options.below / 10)}}};
}

/// Mean squares of frames, one after the other; the last may be shorter.
std::vector<double> powers_of(const std::vector<double>& values, std::size_t frame) {
  std::vector<double> powers;
  for (std::size_t first = 0; first < values.size(); first += frame) {
    const std::size_t last = std::min(values.size(), first + frame);
    double squares = 0;
    for (std::size_t i = first; i < last; ++i) squares += values[i] * values[i];
    powers.push_back(squares / static_cast<double>(last - first));
  }
  return powers;
}

/// A recording of zeros stays.
void apply_silence(const FittedStep& step, FittedSamples& sample) {
  const double asked = numbers_of(step.numbers, "frame", 1)[0];
  const double margin = numbers_of(step.numbers, "keep", 1)[0];
  CUTTLE_VALIDATE(asked >= 1 && asked < 1e9 && margin >= 0 && margin < 1e9,
                  "the saved preprocessing has frames of {} and margins of {} (the file is "
                  "damaged); copy it anew, or make it again",
                  asked, margin);
  const auto frame = static_cast<std::size_t>(asked), keep = static_cast<std::size_t>(margin);
  const auto powers = powers_of(sample.values, frame);
  const double least =
      *std::max_element(powers.begin(), powers.end()) * numbers_of(step.numbers, "share", 1)[0];
  const auto loud = [&](double power) { return power > least; };
  const auto begin = std::find_if(powers.begin(), powers.end(), loud);
  if (begin == powers.end()) return;
  const auto end = std::find_if(powers.rbegin(), powers.rend(), loud);
  const std::size_t first = static_cast<std::size_t>(begin - powers.begin()) * frame;
  const std::size_t last = static_cast<std::size_t>(powers.rend() - end) * frame + keep;
  std::vector<double>& values = sample.values;
  values.resize(std::min(values.size(), last));
  values.erase(values.begin(),
               values.begin() + static_cast<std::ptrdiff_t>(first - std::min(first, keep)));
}

}  // namespace

FittedType row_of_fitted_trim_silence() {
  return {{"recordings without the silence at their ends", "", keys_of<SilenceOptions>()},
          {ModalityKind::kAudio},
          fit_silence,
          apply_silence,
          false};
}

}  // namespace cuttle
