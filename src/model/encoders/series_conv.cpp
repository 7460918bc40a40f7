#include "model/encoders/common.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct SeriesOptions : SequenceOptions {
  bool irregular = false;
  void keys(Keys& keys) {
    SequenceOptions::keys(keys);
    tell_irregular(keys, irregular);
  }
};

/// Time series [steps, channels], standardised; convolutions over time.
class SeriesEncoder final : public SequenceEncoder {
 public:
  using Options = SeriesOptions;
  SeriesEncoder(const EncoderRequest& request, const Options& options)
      : SequenceEncoder(request, {ModalityKind::kSeries}, options.max_length, "mels", "",
                        options.irregular) {
    add_sequence_blocks(request, options, channels());
  }
};

}  // namespace

EncoderType row_of_series_conv() {
  return type_of<SeriesEncoder, EncoderType>("time series: convolutions over time", "");
}

}  // namespace cuttle
