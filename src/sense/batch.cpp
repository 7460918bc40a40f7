#include "cuttle/sense/batch.hpp"

#include <torch/types.h>

#include <algorithm>
#include <functional>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

torch::Tensor cast(const torch::Tensor& tensor, torch::Dtype dtype) {
  return tensor.defined() && tensor.is_floating_point() ? tensor.to(dtype) : tensor;
}

torch::Tensor moved(const torch::Tensor& tensor, torch::Device device) {
  if (!tensor.defined() || device.is_cpu()) return tensor;
  return device.is_cuda() ? tensor.pin_memory().to(device, /*non_blocking=*/true)
                          : tensor.to(device);
}

/// Zeros appended along the last dimension up to `length`.
torch::Tensor pad_time(const torch::Tensor& tensor, std::int64_t length) {
  const std::int64_t missing = length - tensor.size(-1);
  return missing == 0 ? tensor : torch::constant_pad_nd(tensor, {0, missing});
}

ModalityInput join(const ModalityInput& a, const ModalityInput& b, std::int64_t shift) {
  if (!b.values.defined()) return a;
  ModalityInput moved = b;
  moved.rows = b.rows + shift;
  if (!a.values.defined()) return moved;
  CUTTLE_EXPECT(a.encoded == b.encoded);
  ModalityInput joined;
  joined.encoded = a.encoded;
  joined.rows = torch::cat({a.rows, moved.rows});
  if (a.mask.defined()) {
    const std::int64_t length = std::max(a.mask.size(1), b.mask.size(1));
    joined.values = torch::cat({pad_time(a.values, length), pad_time(b.values, length)});
    joined.mask = torch::cat({pad_time(a.mask, length), pad_time(b.mask, length)});
  } else {
    joined.values = torch::cat({a.values, b.values});
  }
  return joined;
}

/// The rows of an input whose flag is set.
ModalityInput select(const ModalityInput& input, const std::vector<std::int64_t>& keep) {
  ModalityInput kept;
  const auto index = torch::tensor(keep, torch::kInt64).to(input.rows.device());
  kept.rows = input.rows.index_select(0, index);
  if (keep.empty()) return kept;
  kept.values = input.values.index_select(0, index);
  if (input.mask.defined()) kept.mask = input.mask.index_select(0, index);
  kept.encoded = input.encoded;
  return kept;
}

}  // namespace

torch::Tensor TargetUnits::origins() const {
  return torch::tensor(origin, torch::kFloat32).view({1, -1});
}

torch::Tensor TargetUnits::scales() const {
  return torch::tensor(scale, torch::kFloat32).view({1, -1});
}

torch::Tensor TargetUnits::from_own(const torch::Tensor& values) const {
  return empty() ? values : (values - origins()) / scales();
}

torch::Tensor TargetUnits::to_own(const torch::Tensor& values) const {
  return empty() ? values : values * scales() + origins();
}

Batch Batch::to(torch::Dtype dtype) const {
  Batch other = *this;
  other.targets = cast(targets, dtype);
  other.kept = cast(kept, dtype);
  for (auto& modality : other.modalities) {
    modality.values = cast(modality.values, dtype);
    modality.mask = cast(modality.mask, dtype);
  }
  return other;
}

ModalityInput ModalityInput::on(torch::Device device) const {
  return {moved(values, device), moved(mask, device), moved(rows, device), encoded};
}

Batch Batch::on(torch::Device device) const {
  Batch other = *this;
  other.labels = moved(labels, device);
  other.targets = moved(targets, device);
  other.kept = moved(kept, device);
  for (auto& modality : other.modalities) modality = modality.on(device);
  return other;
}

Batch concatenate(const Batch& a, const Batch& b) {
  CUTTLE_EXPECT(a.modalities.size() == b.modalities.size());
  Batch both;
  both.size = a.size + b.size;
  both.way = a.way;
  both.even = a.even && b.even;
  if (a.labels.defined() && b.labels.defined()) both.labels = torch::cat({a.labels, b.labels});
  if (a.targets.defined() && b.targets.defined()) both.targets = torch::cat({a.targets, b.targets});
  if (a.kept.defined() && b.kept.defined()) both.kept = torch::cat({a.kept, b.kept});
  for (std::size_t m = 0; m < a.modalities.size(); ++m)
    both.modalities.push_back(join(a.modalities[m], b.modalities[m], a.size));
  return both;
}

Batch select_rows(const Batch& batch, const std::vector<std::int64_t>& rows) {
  const auto index = torch::tensor(rows, torch::kInt64);
  Batch chosen;
  chosen.size = static_cast<std::int64_t>(rows.size());
  chosen.way = batch.way;
  const auto device =
      batch.modalities.empty() ? torch::Device(torch::kCPU) : batch.modalities[0].rows.device();
  const auto there = index.to(device);
  if (batch.labels.defined()) chosen.labels = batch.labels.index_select(0, there);
  if (batch.targets.defined()) chosen.targets = batch.targets.index_select(0, there);
  if (batch.kept.defined()) chosen.kept = batch.kept.index_select(0, there);
  for (const auto& input : batch.modalities) {
    std::vector<std::int64_t> place(static_cast<std::size_t>(batch.size), -1);
    const auto has = input.rows.to(torch::kCPU);
    for (std::int64_t i = 0; i < has.numel(); ++i)
      place[static_cast<std::size_t>(has[i].item<std::int64_t>())] = i;
    std::vector<std::int64_t> kept, where;
    for (std::size_t j = 0; j < rows.size(); ++j) {
      const std::int64_t at = place[static_cast<std::size_t>(rows[j])];
      if (at < 0) continue;
      kept.push_back(at);
      where.push_back(static_cast<std::int64_t>(j));
    }
    ModalityInput part = select(input, kept);
    part.rows = torch::tensor(where, torch::kInt64).to(device);
    chosen.modalities.push_back(std::move(part));
  }
  return chosen;
}

bool is_even(const torch::Tensor& labels, std::int64_t way) {
  std::vector<std::int64_t> shots(static_cast<std::size_t>(way), 0);
  const auto* label = labels.data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < labels.numel(); ++i)
    if (label[i] < way) ++shots[static_cast<std::size_t>(label[i])];
  return way > 0 &&
         std::adjacent_find(shots.begin(), shots.end(), std::not_equal_to<>()) == shots.end();
}

std::vector<bool> have_senses(const Batch& batch) {
  std::vector<bool> have(static_cast<std::size_t>(batch.size), false);
  for (const auto& input : batch.modalities) {
    if (!input.rows.defined()) continue;
    const auto rows = input.rows.to(torch::kCPU);
    for (std::int64_t i = 0; i < rows.numel(); ++i)
      have[static_cast<std::size_t>(rows[i].item<std::int64_t>())] = true;
  }
  return have;
}

Batch keep_modalities(const Batch& batch, const std::vector<bool>& keep) {
  CUTTLE_EXPECT(keep.size() == batch.modalities.size());
  Batch kept = batch;
  for (std::size_t m = 0; m < keep.size(); ++m)
    if (!keep[m]) kept.modalities[m] = select(batch.modalities[m], {});
  return kept;
}

Batch drop_modalities(const Batch& batch, double rate, const RandomKey& key) {
  if (rate <= 0.0) return batch;
  std::vector<int> present(static_cast<std::size_t>(batch.size), 0);
  for (const auto& modality : batch.modalities)
    for (std::int64_t i = 0; i < modality.rows.numel(); ++i)
      ++present[static_cast<std::size_t>(modality.rows[i].item<std::int64_t>())];
  Random random(key);
  Batch kept = batch;
  // Which modality is asked first rotates by chance, so that none is favoured as the one that
  // stays.
  const auto count = static_cast<std::int64_t>(batch.modalities.size());
  for (const std::int64_t m : random.sample(count, count)) {
    const auto& input = batch.modalities[static_cast<std::size_t>(m)];
    std::vector<std::int64_t> keep;
    for (std::int64_t i = 0; i < input.rows.numel(); ++i) {
      int& left = present[static_cast<std::size_t>(input.rows[i].item<std::int64_t>())];
      const bool hide = random.uniform() < rate && left > 1;
      if (hide)
        --left;
      else
        keep.push_back(i);
    }
    kept.modalities[static_cast<std::size_t>(m)] = select(input, keep);
  }
  return kept;
}

}  // namespace cuttle
