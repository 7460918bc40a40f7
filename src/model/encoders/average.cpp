#include "model/encoders/common.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// [m, C, T] -> [m, C]
class MeanOverSteps final : public Block {
 public:
  std::string kind() const override { return "mean_over_steps"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors&, const Signal& input, const Context&) const override {
    return {running_mean(input.values, input.mask), {}};
  }
};

struct AverageOptions {
  std::int64_t max_length = 0;
  void keys(Keys& keys) { tell_max_length(keys, max_length); }
};

/// The mean step of a series: what is left of it without the order. Nothing is learned.
class AverageEncoder final : public SequenceReader {
 public:
  using Options = AverageOptions;
  AverageEncoder(const EncoderRequest& request, const Options& options)
      : SequenceReader(request, {ModalityKind::kSeries}, options.max_length) {
    width_ = channels();
    tokens_end_here(width_);
    blocks_.push_back(std::make_unique<MeanOverSteps>());
  }
};

}  // namespace

EncoderType row_of_average() {
  return type_of<AverageEncoder, EncoderType>("series, frames of video: the mean, nothing learned",
                                              "");
}

}  // namespace cuttle
