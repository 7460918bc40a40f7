#include "model/pretrained/wave.hpp"

#include <torch/types.h>

#include "cuttle/core/error.hpp"
#include "cuttle/sense/raw.hpp"

namespace cuttle {

torch::Tensor wave_of(const std::uint8_t* bytes, std::int64_t size) {
  return from_bytes(bytes, size / 2, torch::kInt16).to(torch::kFloat32) / 32768.0;
}

void expect_rate(const EncoderRequest& request, const Weights& weights) {
  const double rate = weights.real("preprocessing", "rate");
  CUTTLE_VALIDATE(request.spec.sample_rate == rate,
                  "model.encoders.{}.type: {} hears {} samples a second, and these shards have {} "
                  "(voices would sound higher or lower than it learned); convert the data with "
                  "--sample-rate {}",
                  request.spec.name, request.section.type, rate, request.spec.sample_rate, rate);
}

}  // namespace cuttle
