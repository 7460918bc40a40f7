#pragma once

#include <torch/types.h>

#include "cuttle/data/raw_batch.hpp"
#include "model/pretrained/resample.hpp"
#include "model/pretrained/weights.hpp"

namespace cuttle {

/// Pictures as trained weights want them, by the record's `preprocessing`: resized and cut to a
/// square, less the mean and over the deviation of each colour; grey ones are repeated.
/// `crop: centre` brings the shorter side to `resize` (absent: size) and takes the middle, as
/// torchvision does; `crop: none` stretches the whole.
class PictureInput {
 public:
  /// UserError if the modality is no picture of 1 or 3 channels.
  PictureInput(const EncoderRequest& request, const Weights& weights);
  std::int64_t size() const { return size_; }
  /// float32 [m, 3, size, size], channels-last in memory, of the present samples.
  ModalityInput read(const RawModality& raw) const;

 private:
  torch::Tensor row(const std::uint8_t* pixels) const;

  ModalitySpec spec_;
  std::int64_t size_;
  PictureCut cut_;  ///< the same for all pictures: they are of one shape
  Interpolation interpolation_;
  torch::Tensor mean_, deviation_;  ///< [3], of pixels from 0 to 255
};

}  // namespace cuttle
