#include "model/encoders/common.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// Log-mel frames, convolutions over time with the filters as channels.
class MelEncoder final : public SequenceEncoder {
 public:
  using Options = SequenceOptions;
  MelEncoder(const EncoderRequest& request, const Options& options)
      : SequenceEncoder(request, {ModalityKind::kAudio}, options.max_length) {
    add_sequence_blocks(request, options, channels());
  }
};

}  // namespace

EncoderType row_of_mel_conv() {
  return type_of<MelEncoder, EncoderType>("audio: log-mel frames, convolutions over time", "");
}

}  // namespace cuttle
