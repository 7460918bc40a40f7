#pragma once

#include <torch/types.h>

#include "cuttle/data/raw_batch.hpp"
#include "model/pretrained/resample.hpp"
#include "model/pretrained/weights.hpp"

namespace cuttle {

/// Pictures as trained weights want them: the largest square in the middle, resized, less the mean
/// and over the deviation of each colour; grey ones are repeated.
class PictureInput {
 public:
  /// By the record's `preprocessing`: size, resize (absent: size), mean, deviation, interpolation.
  /// UserError if the modality is no picture of 1 or 3 channels.
  PictureInput(const EncoderRequest& request, const Weights& weights);
  /// float32 [m, 3, size, size], channels-last in memory, of the present samples.
  torch::Tensor read(const RawModality& raw) const;
  /// The same of one sample.
  torch::Tensor row(const std::uint8_t* pixels) const;

 private:
  ModalitySpec spec_;
  std::int64_t size_, resize_;
  Interpolation interpolation_;
  torch::Tensor mean_, deviation_;  ///< [3], of pixels from 0 to 255
};

}  // namespace cuttle
