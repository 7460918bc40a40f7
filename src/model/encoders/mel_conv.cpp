#include <string>

#include "model/encoders/common.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct MelOptions : SequenceOptions {
  std::string hears = "mels";
  void keys(Keys& keys) {
    SequenceOptions::keys(keys);
    tell_hears(keys, hears);
  }
};

/// Log-mel frames or MFCCs, convolutions over time with the filters as channels.
class MelEncoder final : public SequenceEncoder {
 public:
  using Options = MelOptions;
  MelEncoder(const EncoderRequest& request, const Options& options)
      : SequenceEncoder(request, {ModalityKind::kAudio}, options.max_length, options.hears) {
    add_sequence_blocks(request, options, channels());
  }
};

}  // namespace

EncoderType row_of_mel_conv() {
  return type_of<MelEncoder, EncoderType>("audio: log-mel frames or MFCCs, convolutions over time",
                                          "");
}

}  // namespace cuttle
