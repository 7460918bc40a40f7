#include "task/sources/prior.hpp"

#include <torch/types.h>

#include "task/plan/draws.hpp"

namespace cuttle {
namespace {

Batch batch_of(const torch::Tensor& x, const torch::Tensor& y, bool classes, std::int64_t way) {
  Batch batch;
  batch.size = x.size(0);
  batch.way = way;
  (classes ? batch.labels : batch.targets) = classes ? y.squeeze(1).to(torch::kInt64) : y;
  batch.modalities.push_back({x, {}, torch::arange(batch.size, torch::kInt64)});
  return batch;
}

}  // namespace

EpisodeSize PriorSource::size(const RandomKey& key) const {
  Random random(key.with(key.stream, 1));
  const std::int64_t shot = draw_between(shot_min_, shot_, random);
  const std::int64_t way = draw_between(way_min_, way_, random);
  return {way, shot, way * shot, way * query_};
}

Task PriorSource::make(const RandomKey& key) const {
  const EpisodeSize size = this->size(key);
  const std::int64_t samples = size.support + size.query;
  const auto x = torch::empty({samples, features_}), y = torch::empty({samples, 1});
  Random random(key);
  draw(random, size, x.data_ptr<float>(), y.data_ptr<float>());
  const auto part = [&](std::int64_t first, std::int64_t count) {
    return batch_of(x.narrow(0, first, count).clone(), y.narrow(0, first, count).clone(), classes_,
                    size.way);
  };
  return {part(0, size.support), part(size.support, size.query), key};
}

}  // namespace cuttle
