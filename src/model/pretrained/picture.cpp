#include "model/pretrained/picture.hpp"

#include <torch/types.h>

#include <algorithm>
#include <string>

#include "cuttle/core/error.hpp"
#include "cuttle/sense/raw.hpp"
#include "model/encoders/common.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kLargestPicture = 4096;  // the file is no friend's, perhaps

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

/// Half of what is over, halves to the even number, as Python rounds.
std::int64_t edge_of(std::int64_t side, std::int64_t size) {
  const std::int64_t over = side - size;
  return over % 4 == 3 ? over / 2 + 1 : over / 2;
}

std::string one_of(const Weights& weights, const char* name, const char* first,
                   const char* second) {
  const std::string word = weights.text("preprocessing", name);
  CUTTLE_VALIDATE(word == first || word == second,
                  "the weights' preprocessing.{} is {} (known: {}, {}); make the file again with "
                  "cuttle-data weights",
                  name, word, first, second);
  return word;
}

PictureCut cut_of(const EncoderRequest& request, const Weights& weights, std::int64_t size) {
  if (one_of(weights, "crop", "centre", "none") == "none") return {size, size, 0, 0, size};
  const std::int64_t resize =
      weights.has("preprocessing", "resize") ? weights.number("preprocessing", "resize") : size;
  CUTTLE_VALIDATE(resize >= size,
                  "model.encoders.{}.weights: pictures of {} are cut to {} (damaged?); make the "
                  "file again with cuttle-data weights",
                  request.spec.name, resize, size);
  const std::int64_t height = request.spec.shape[0], width = request.spec.shape[1];
  const std::int64_t shorter = std::min(height, width);
  PictureCut cut{resize * height / shorter, resize * width / shorter, 0, 0, size};
  cut.top = edge_of(cut.height, size);
  cut.left = edge_of(cut.width, size);
  return cut;
}

}  // namespace

PictureInput::PictureInput(const EncoderRequest& request, const Weights& weights)
    : spec_(request.spec),
      size_(weights.number("preprocessing", "size")),
      interpolation_(one_of(weights, "interpolation", "bicubic", "bilinear") == "bicubic"
                         ? Interpolation::kBicubic
                         : Interpolation::kBilinear),
      mean_(three(weights, "mean")),
      deviation_(three(weights, "deviation")) {
  expect_kind(request, {ModalityKind::kImage});
  CUTTLE_VALIDATE(spec_.shape[2] == 1 || spec_.shape[2] == 3,
                  "model.encoders.{}.type: {} sees grey or RGB pictures, and these have {} "
                  "channels; choose another type",
                  spec_.name, request.section.type, spec_.shape[2]);
  CUTTLE_VALIDATE(size_ <= kLargestPicture,
                  "model.encoders.{}.weights: pictures of {} x {} are more than {} (damaged?); "
                  "make the file again with cuttle-data weights",
                  spec_.name, size_, size_, kLargestPicture);
  cut_ = cut_of(request, weights, size_);
}

torch::Tensor PictureInput::row(const std::uint8_t* pixels) const {
  const std::int64_t channels = spec_.shape[2];
  const auto made =
      resample({pixels, spec_.shape[0], spec_.shape[1], channels}, cut_, interpolation_);
  const auto x = from_bytes(made.data(), static_cast<std::int64_t>(made.size()), torch::kUInt8)
                     .view({size_, size_, channels})
                     .expand({size_, size_, 3})
                     .to(torch::kFloat32);
  return ((x - mean_) / deviation_).permute({2, 0, 1}).unsqueeze(0);
}

ModalityInput PictureInput::read(const RawModality& raw) const {
  Tensors rows;
  for_each_present(raw,
                   [&](const std::uint8_t* bytes, std::int64_t) { rows.push_back(row(bytes)); });
  ModalityInput input;
  input.values = torch::cat(rows).contiguous(torch::MemoryFormat::ChannelsLast);
  return input;
}

}  // namespace cuttle
