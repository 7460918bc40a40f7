#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "cuttle/data/raw_batch.hpp"
#include "cuttle/data/sample.hpp"

// Samples as vectors of one length with nothing learned: those of `cuttle-data floor`
// (data_tools/cuttle_data/features.py), kind by kind. All float32.
namespace cuttle {

/// [m, pixels]: pixels / 255 row by row, each side averaged over areas down to at most `side`.
torch::Tensor raw_images(const RawModality& raw, const ModalitySpec& spec, std::int64_t side);
/// [buckets]: how often each of the 1-, 2- and 3-grams of characters occurs (lower case, a space
/// before and after), in the bucket of the CRC-32 of its UTF-8.
torch::Tensor raw_text(const std::uint8_t* bytes, std::int64_t size, std::int64_t buckets);
/// [steps] of each channel, one after the other: a series interpolated linearly.
torch::Tensor raw_series(const torch::Tensor& series, std::int64_t steps);

/// [2 F + kDegrees]: mean and standard deviation of the nodes' features [N, F], and how large a
/// share of the nodes is the end of 0, 1, .. edges, kDegrees - 1 or more in the last place.
torch::Tensor raw_graph(const torch::Tensor& features, const GraphView& graph);
constexpr std::int64_t kDegrees = 9;

/// UTF-8 in lower case where alphabets are Latin, Greek or Cyrillic.
std::string lower_case(const std::string& text);

/// Of recordings: mean and standard deviation over time of log-mel bands, of Hann windows of 25 ms
/// every 10 ms.
class RawSound {
 public:
  static constexpr std::int64_t kBands = 40;
  explicit RawSound(double sample_rate);
  /// [2 * kBands] of int16 samples; what is shorter than a window is filled up with silence.
  torch::Tensor operator()(const torch::Tensor& samples) const;

 private:
  std::int64_t window_, hop_;
  torch::Tensor hann_, filters_;  ///< [window], [window/2 + 1, kBands], float64
};

}  // namespace cuttle
