#include "model/pretrained/picture.hpp"

#include <torch/types.h>

#include <algorithm>

#include "cuttle/core/error.hpp"
#include "cuttle/sense/raw.hpp"
#include "model/encoders/common.hpp"

namespace cuttle {
namespace {

torch::Tensor three(const Weights& weights, const char* name) {
  const auto& entry = weights.entry("preprocessing", name);
  std::vector<double> values;
  for (const auto& value : entry)
    if (value.is_number()) values.push_back(value.get<double>());
  CUTTLE_VALIDATE(values.size() == 3,
                  "the weights' preprocessing.{} is {}, and not three numbers (damaged?); make the "
                  "file again with cuttle-data weights",
                  name, entry.dump());
  return torch::tensor(values, torch::kFloat32);
}

}  // namespace

PictureInput::PictureInput(const EncoderRequest& request, const Weights& weights)
    : spec_(request.spec),
      size_(weights.number("preprocessing", "size")),
      resize_(weights.has("preprocessing", "resize") ? weights.number("preprocessing", "resize")
                                                     : size_),
      interpolation_(weights.text("preprocessing", "interpolation") == "bicubic"
                         ? Interpolation::kBicubic
                         : Interpolation::kBilinear),
      mean_(three(weights, "mean")),
      deviation_(three(weights, "deviation")) {
  expect_kind(request, {ModalityKind::kImage});
  CUTTLE_VALIDATE(spec_.shape[2] == 1 || spec_.shape[2] == 3,
                  "model.encoders.{}.type: {} sees grey or RGB pictures, and these have {} "
                  "channels; choose another type",
                  spec_.name, request.section.type, spec_.shape[2]);
  CUTTLE_VALIDATE(resize_ >= size_,
                  "model.encoders.{}.weights: pictures of {} are cut to {} (damaged?); make the "
                  "file again with cuttle-data weights",
                  spec_.name, resize_, size_);
}

torch::Tensor PictureInput::row(const std::uint8_t* pixels) const {
  const std::int64_t height = spec_.shape[0], width = spec_.shape[1], channels = spec_.shape[2];
  const std::int64_t side = std::min(height, width);
  const auto made = resample(
      {pixels, width * channels, channels, (height - side) / 2, (width - side) / 2, side, side},
      resize_, interpolation_);
  auto picture = from_bytes(made.data(), static_cast<std::int64_t>(made.size()), torch::kUInt8)
                     .view({resize_, resize_, channels});
  if (resize_ > size_) {
    const std::int64_t edge = (resize_ - size_) / 2;
    picture = picture.narrow(0, edge, size_).narrow(1, edge, size_);
  }
  const auto x = picture.expand({size_, size_, 3}).to(torch::kFloat32);
  return ((x - mean_) / deviation_).permute({2, 0, 1}).unsqueeze(0);
}

torch::Tensor PictureInput::read(const RawModality& raw) const {
  Tensors rows;
  for_each_present(raw,
                   [&](const std::uint8_t* bytes, std::int64_t) { rows.push_back(row(bytes)); });
  return torch::cat(rows).contiguous(torch::MemoryFormat::ChannelsLast);
}

}  // namespace cuttle
