#include "task/sources/prior.hpp"

#include <torch/types.h>

namespace cuttle {
namespace {

Batch batch_of(const torch::Tensor& x, const torch::Tensor& y) {
  Batch batch;
  batch.size = x.size(0);
  batch.way = 1;
  batch.targets = y;
  batch.modalities.push_back({x, {}, torch::arange(batch.size, torch::kInt64)});
  return batch;
}

}  // namespace

EpisodeSize PriorSource::size(const RandomKey& key) const {
  std::int64_t shot = shot_;
  if (shot_min_ > 0 && shot_min_ < shot_)
    shot = shot_min_ +
           static_cast<std::int64_t>(Random(key.with(key.stream, 1))
                                         .below(static_cast<std::uint64_t>(shot_ - shot_min_ + 1)));
  return {1, shot, shot, query_};
}

Task PriorSource::make(const RandomKey& key) const {
  const EpisodeSize size = this->size(key);
  const std::int64_t samples = size.support + size.query;
  const auto x = torch::empty({samples, features_}), y = torch::empty({samples, 1});
  Random random(key);
  draw(random, samples, x.data_ptr<float>(), y.data_ptr<float>());
  const auto part = [&](std::int64_t first, std::int64_t count) {
    return batch_of(x.narrow(0, first, count).clone(), y.narrow(0, first, count).clone());
  };
  return {part(0, size.support), part(size.support, size.query), key};
}

}  // namespace cuttle
