#include "model/encoders/common.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// Time series [steps, channels], standardised; convolutions over time.
class SeriesEncoder final : public SequenceEncoder {
 public:
  using Options = SequenceOptions;
  SeriesEncoder(const EncoderRequest& request, const Options& options)
      : spec_(request.spec), max_length_(options.max_length) {
    expect_kind(request, {ModalityKind::kSeries});
    add_sequence_blocks(request, options, spec_.shape[0]);
  }
  ModalityInput prepare(const RawModality& raw) const override {
    return series_input(raw, spec_, max_length_);
  }

 private:
  ModalitySpec spec_;
  std::int64_t max_length_;
};

}  // namespace

EncoderType row_of_series_conv() {
  return type_of<SeriesEncoder, EncoderType>("time series: convolutions over time", "");
}

}  // namespace cuttle
