#include <torch/types.h>

#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/task/task.hpp"

namespace cuttle {
namespace {

void spread(Batch& batch, const std::vector<std::size_t>& places, std::size_t senses) {
  CUTTLE_EXPECT(batch.modalities.size() == places.size());
  const ModalityInput absent{{}, {}, torch::empty({0}, torch::kInt64)};
  std::vector<ModalityInput> all(senses, absent);
  for (std::size_t m = 0; m < places.size(); ++m) all[places[m]] = std::move(batch.modalities[m]);
  batch.modalities = std::move(all);
}

class Mixture final : public TaskSource {
 public:
  Mixture(std::vector<MixturePart> parts, std::size_t senses)
      : parts_(std::move(parts)), senses_(senses) {
    for (const MixturePart& part : parts_) total_ += part.weight;
    CUTTLE_EXPECT(total_ > 0);
  }

  EpisodeSize size(const RandomKey& key) const override { return part_of(key).source->size(key); }
  Task make(const RandomKey& key) const override {
    const MixturePart& part = part_of(key);
    Task task = part.source->make(key);
    task.classes.clear();
    if (task.query.environment) return task;
    spread(task.support, part.places, senses_);
    spread(task.query, part.places, senses_);
    return task;
  }
  std::string left_out() const override {
    std::string all;
    for (const MixturePart& part : parts_)
      if (const auto own = part.source->left_out(); !own.empty())
        all += (all.empty() ? "" : "; ") + own;
    return all;
  }

 private:
  const MixturePart& part_of(const RandomKey& key) const {
    double left = Random(key.with(key.stream, 3)).uniform() * total_;
    std::size_t i = 0;
    while (i + 1 < parts_.size() && (left -= parts_[i].weight) >= 0) ++i;
    return parts_[i];
  }

  std::vector<MixturePart> parts_;
  std::size_t senses_;
  double total_ = 0;
};

}  // namespace

std::unique_ptr<const TaskSource> mix(std::vector<MixturePart> parts, std::size_t senses) {
  return std::make_unique<const Mixture>(std::move(parts), senses);
}

}  // namespace cuttle
