#include "train/outside.hpp"

#include <algorithm>
#include <map>
#include <string>

#include "cuttle/core/error.hpp"
#include "cuttle/train/evaluator.hpp"

namespace cuttle {

double chance_above(const std::vector<float>& known, const std::vector<float>& other) {
  double pairs = 0;
  for (const float distance : other) {
    const auto [from, to] = std::equal_range(known.begin(), known.end(), distance);
    pairs += static_cast<double>((from - known.begin()) + (to - known.begin())) / 2;
  }
  return pairs / (static_cast<double>(known.size()) * static_cast<double>(other.size()));
}

std::array<float, 3> judge_outside(std::vector<float> distances, const torch::Tensor& right,
                                   const std::vector<float>& outside) {
  auto sorted = distances;
  std::sort(sorted.begin(), sorted.end());
  const float farthest = sorted[(19 * sorted.size() + 19) / 20 - 1];  // 95 %, rounded up
  const auto taken = std::count_if(outside.begin(), outside.end(),
                                   [&](float distance) { return distance <= farthest; });
  std::int64_t kept = 0;
  for (std::size_t i = 0; i < distances.size(); ++i)
    kept += distances[i] <= farthest && right[static_cast<std::int64_t>(i)].item<bool>();
  return {static_cast<float>(chance_above(sorted, outside)),
          static_cast<float>(taken) / static_cast<float>(outside.size()),
          static_cast<float>(kept) / static_cast<float>(distances.size())};
}

OutsideSamples::OutsideSamples(const Dataset& outside, Split split, const Dataset& episodes,
                               Split of_episodes, std::int64_t way, const Model& model,
                               SampleCache* kept)
    : data_(outside), model_(model), kept_(kept) {
  std::map<std::string, std::int32_t> ids;
  for (const std::int32_t id : episodes.classes_of(of_episodes))
    ids[episodes.class_names()[static_cast<std::size_t>(id)]] = id;
  std::int64_t shared = 0;  // classes that episodes may have
  bool enough = false;
  for (const std::int32_t id : outside.classes_of(split)) {
    const auto found = ids.find(outside.class_names()[static_cast<std::size_t>(id)]);
    const std::size_t before = samples_.size();
    for (const std::int64_t sample : outside.samples_of(id))
      if (outside.samples()[static_cast<std::size_t>(sample)].present != 0)
        samples_.push_back(sample);
    if (samples_.size() == before) continue;
    classes_.resize(samples_.size(), found == ids.end() ? -1 : found->second);
    shared += found != ids.end();
    enough = enough || found == ids.end() || shared > way;
  }
  // Of no class: outside of every episode where they are given for that. Within the episodes' own
  // data they may be of any.
  for (std::size_t i = 0; i < outside.samples().size() && &outside != &episodes; ++i)
    if (const SampleInfo& info = outside.samples()[i]; info.class_id < 0 && info.present != 0)
      samples_.push_back(static_cast<std::int64_t>(i));
  enough = enough || samples_.size() > classes_.size();
  classes_.resize(samples_.size(), -1);
  CUTTLE_VALIDATE(
      enough,
      "--outside: of the {} samples none is sure to be outside of an episode (they are of {} of "
      "the classes that the episodes of {} draw from); take a smaller evaluation.way, or shards "
      "of other samples",
      samples_.size(), shared, way);
}

Batch OutsideSamples::draw(const Task& task) const {
  std::vector<std::int64_t> others;
  for (std::size_t i = 0; i < samples_.size(); ++i)
    if (std::find(task.classes.begin(), task.classes.end(), classes_[i]) == task.classes.end())
      others.push_back(samples_[i]);
  Random random(task.key.with(Draw::kOutside));
  std::vector<std::int64_t> drawn;
  const auto all = static_cast<std::int64_t>(others.size());
  for (const std::int64_t place : random.sample(all, std::min(all, task.query.size)))
    drawn.push_back(others[static_cast<std::size_t>(place)]);
  return model_.prepare(read_batch(data_, drawn), task.query.way, kept_);
}

}  // namespace cuttle
