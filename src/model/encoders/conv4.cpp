#include "cuttle/core/error.hpp"
#include "model/encoders/common.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// Image [m, C, H, W], channels-last in memory, standardised; blocks of 3x3 conv, norm, ReLU, pool
/// (Vinyals et al. 2016).
class ConvEncoder final : public Encoder {
 public:
  using Options = NormedOptions;
  ConvEncoder(const EncoderRequest& request, const Options& options) : spec_(request.spec) {
    expect_kind(request, {ModalityKind::kImage});
    const auto norm = norm_of(request, options.norm, options.fused);
    std::int64_t height = spec_.shape[0], width = spec_.shape[1], in = spec_.shape[2];
    for (std::int64_t i = 0; i < options.depth; ++i) {
      CUTTLE_VALIDATE(
          height >= 2 && width >= 2,
          "model.encoders.{}.depth: {} blocks halve a {}x{} image to nothing; use at most {}",
          spec_.name, options.depth, spec_.shape[0], spec_.shape[1], i);
      blocks_.push_back(
          make_conv_block(request.layout, block_name(request, i), in, options.width, norm));
      in = options.width;
      height /= 2;
      width /= 2;
    }
    tokens_end_here(in);
    blocks_.push_back(make_flatten_block());
    width_ = in * height * width;
  }
  ModalityInput prepare(const RawModality& raw) const override { return image_input(raw, spec_); }

 private:
  ModalitySpec spec_;
};

}  // namespace

EncoderType row_of_conv4() {
  return type_of<ConvEncoder, EncoderType>("images: blocks of convolution, norm, ReLU, pooling",
                                           "Vinyals et al. 2016");
}

}  // namespace cuttle
