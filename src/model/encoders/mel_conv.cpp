#include <algorithm>

#include <torch/types.h>

#include "cuttle/sense/log_mel.hpp"
#include "model/encoders/common.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// Log-mel frames, convolutions over time with the filters as channels.
class MelEncoder final : public SequenceEncoder {
 public:
  using Options = SequenceOptions;
  MelEncoder(const EncoderRequest& request, const Options& options)
      : mel_(request.spec.sample_rate, kMels, request.spec.centred),
        max_samples_(static_cast<std::int64_t>(static_cast<double>(options.max_length) *
                                               request.spec.sample_rate / 1000.0)) {
    expect_kind(request, {ModalityKind::kAudio});
    add_sequence_blocks(request, options, kMels);
  }
  ModalityInput prepare(const RawModality& raw) const override {
    return pad_each(raw, [&](const std::uint8_t* bytes, std::int64_t size) {
      return prepare_row(bytes, size);
    });
  }
  bool dear_rows() const override { return true; }
  torch::Tensor prepare_row(const std::uint8_t* bytes, std::int64_t size) const override {
    std::int64_t samples = size / 2;
    if (max_samples_ > 0) samples = std::min(samples, max_samples_);
    return mel_.forward(from_bytes(bytes, samples, torch::kInt16));
  }

 private:
  static constexpr std::int64_t kMels = 40;
  LogMel mel_;
  std::int64_t max_samples_;
};

}  // namespace

EncoderType row_of_mel_conv() {
  return type_of<MelEncoder, EncoderType>("audio: log-mel frames, convolutions over time", "");
}

}  // namespace cuttle
