#include <torch/types.h>

#include "model/encoders/common.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct MlpOptions : BlockOptions {
  bool linear = false, fused = true;
  void keys(Keys& keys) {
    keys.add("width", width, between(1, 65536), "hidden units per layer");
    keys.add("depth", depth, between(0, 64), "layers before the head; 0: none");
    keys.add("linear", linear, anything(),
             "no ReLU after the last layer; with depth: 1 the encoder is a linear map");
    keys.add(
        "fused", fused, anything(),
        "own kernels for small layers, and for whole tasks where nothing else is learned; false: "
        "LibTorch's operations");
  }
};

/// A vector of features, standardised; linear layers with ReLU, or without it after the last.
class MlpEncoder final : public Encoder {
 public:
  using Options = MlpOptions;
  MlpEncoder(const EncoderRequest& request, const Options& options)
      : spec_(request.spec), fused_(options.fused) {
    expect_kind(request, {ModalityKind::kVector});
    width_ = spec_.shape[0];
    for (std::int64_t i = 0; i < options.depth; ++i) {
      const bool relu = !options.linear || i + 1 < options.depth;
      blocks_.push_back(
          make_linear_block(request.layout, block_name(request, i), width_, options.width, relu));
      width_ = options.width;
      if (fused_) stack_.push_back(*blocks_.back()->linear());
    }
  }
  ModalityInput prepare(const RawModality& raw) const override {
    ModalityInput input;
    input.values = standardise(raw_tensor(raw, torch::kFloat32).view({-1, spec_.shape[0]}), spec_);
    return input;
  }
  bool whole_tasks() const override { return fused_; }

 private:
  ModalitySpec spec_;
  bool fused_;
};

}  // namespace

EncoderType row_of_mlp() {
  return type_of<MlpEncoder, EncoderType>("vectors: linear layers with ReLU", "");
}

}  // namespace cuttle
