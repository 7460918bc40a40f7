#include <algorithm>
#include <cmath>
#include <cstring>

#include "sense/augment/transforms.hpp"

namespace cuttle {
namespace {

std::vector<float> floats_of(const Bytes& bytes) {
  std::vector<float> values(bytes.size() / 4);
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), 4 * values.size());
  return values;
}
Bytes bytes_of(const std::vector<float>& values) {
  Bytes bytes(4 * values.size());
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

double mean_of(const ModalitySpec& spec, std::size_t channel) {
  return spec.mean.empty() ? 0.0 : spec.mean[channel];
}

/// What stands for a value that is taken away.
float nothing_of(const ModalitySpec& spec, std::size_t channel) {
  return spec.holes ? std::nanf("") : static_cast<float>(mean_of(spec, channel));
}

bool is_category(const ModalitySpec& spec, std::size_t channel) {
  return !spec.categories.empty() && !spec.categories[channel].empty();
}

/// With noise of this many standard deviations.
void add_noise(float& value, const ModalitySpec& spec, std::size_t channel, double strength,
               Random& random) {
  const double noise = random.normal();
  if (strength == 0) return;  // -0 + 0 would be 0
  const double deviation = spec.stddev.empty() ? 1.0 : spec.stddev[channel];
  value += static_cast<float>(strength * deviation * noise);
}

/// Steps between which time runs slower before a moment and faster after it, or the other way
/// (Park et al. 2019); a line between neighbouring steps.
std::vector<float> warped(const std::vector<float>& from, std::size_t channels, double most,
                          Random& random) {
  const auto last = static_cast<double>(from.size() / channels) - 1;
  const double moment = last * (0.25 + 0.5 * random.uniform());
  const double later = moment + last * draw_shift(most, random);
  if (last < 2) return from;
  std::vector<float> to(from.size());
  for (std::size_t i = 0; i < to.size(); ++i) {
    const auto t = static_cast<double>(i / channels);
    const double at =
        t < later ? t * moment / later : moment + (t - later) * (last - moment) / (last - later);
    const double before = std::min(std::floor(at), last - 1), share = at - before;
    const auto j = static_cast<std::size_t>(before) * channels + i % channels;
    to[i] = static_cast<float>((1 - share) * from[j] + share * from[j + channels]);
  }
  return to;
}

}  // namespace

Bytes augment_series(const Bytes& from, const ModalitySpec& spec, const SeriesAugmentation& how,
                     Random& random) {
  const auto channels = static_cast<std::size_t>(spec.shape[0]);
  const auto length = static_cast<std::int64_t>(from.size() / 4 / channels);
  const auto cut = [&](double most) {  // less than half: a step stays
    return std::llround(most * random.uniform() * static_cast<double>(length));
  };
  const std::int64_t first = cut(how.crop_start);
  const auto gap = draw_stretch(how.erase, length, random);
  const std::int64_t end = how.crop_end > 0 ? length - cut(how.crop_end) : length;
  const auto place = [&](std::int64_t step) {
    return from.begin() + 4 * step * static_cast<std::ptrdiff_t>(channels);
  };
  const std::int64_t past = std::max(end, std::min(first + 1, length));
  std::vector<float> to = floats_of(Bytes(place(first), place(past)));
  if (how.warp > 0) to = warped(to, channels, how.warp, random);
  std::vector<double> factors;
  if (how.scale > 0)
    for (std::size_t c = 0; c < channels; ++c) factors.push_back(1 + draw_shift(how.scale, random));
  for (std::size_t i = 0; i < to.size(); ++i) {
    const std::size_t c = i % channels;
    const auto step = static_cast<std::int64_t>(i / channels) + first;
    const double mean = mean_of(spec, c);
    if (step >= gap.first && step < gap.second) {
      to[i] = nothing_of(spec, c);
      continue;
    }
    if (!factors.empty()) to[i] = static_cast<float>(mean + factors[c] * (to[i] - mean));
    add_noise(to[i], spec, c, how.jitter, random);
  }
  return bytes_of(to);
}

Bytes augment_vector(const Bytes& from, const Bytes& other, const ModalitySpec& spec,
                     const VectorAugmentation& how, Random& random) {
  std::vector<float> to = floats_of(from);
  if (!other.empty()) {
    const double way = how.mix * random.uniform();
    const std::vector<float> there = floats_of(other);
    for (std::size_t c = 0; c < to.size(); ++c)
      if (!std::isnan(there[c]) && !is_category(spec, c))
        to[c] = static_cast<float>(to[c] + way * (static_cast<double>(there[c]) - to[c]));
  }
  random.below(2);  // once chose a gap, as of series
  for (std::size_t c = 0; c < to.size(); ++c) {
    if (random.uniform() < how.erase)
      to[c] = nothing_of(spec, c);
    else if (!is_category(spec, c))
      add_noise(to[c], spec, c, how.noise, random);
  }
  return bytes_of(to);
}

Bytes augment_graph(const Bytes& from, const ModalitySpec& spec, const GraphAugmentation& how,
                    Random& random) {
  const GraphView graph = view_graph(from.data(), static_cast<std::int64_t>(from.size()), spec);
  std::vector<float> to = floats_of({graph.features, graph.pairs});
  for (std::size_t i = 0; i < to.size(); ++i)
    add_noise(to[i], spec, i % static_cast<std::size_t>(spec.shape[0]), how.noise, random);
  Bytes made(from.begin(), from.begin() + 4);  // how many nodes
  const Bytes nodes = bytes_of(to);
  made.insert(made.end(), nodes.begin(), nodes.end());
  for (const std::uint8_t* pair = graph.pairs; pair != from.data() + from.size(); pair += 8)
    if (random.uniform() >= how.edges) made.insert(made.end(), pair, pair + 8);
  return made;
}

}  // namespace cuttle
