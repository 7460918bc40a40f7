#include <torch/types.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/model/model.hpp"
#include "model/encoders/common.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// All of an encoder as one block.
class WholeEncoder : public Block {
 public:
  explicit WholeEncoder(const Encoder& encoder) : encoder_(encoder) {}
  std::string kind() const override { return "whole_encoder"; }
  bool second_order() const override { return all(&Block::second_order); }
  bool samples_apart() const override { return all(&Block::samples_apart); }
  bool trains_apart() const override { return all(&Block::trains_apart); }
  bool uses_support() const override { return any(&Block::uses_support); }
  bool fused() const override { return any(&Block::fused); }
  Signal forward(const Tensors& p, const Signal& input, const Context& context) const override {
    return {encoder_.forward(p, {input.values, input.mask, {}}, context).pooled, {}};
  }

 private:
  using Property = bool (Block::*)() const;
  bool all(Property property) const {
    const Blocks& blocks = encoder_.blocks();
    return std::all_of(blocks.begin(), blocks.end(),
                       [&](const auto& block) { return ((*block).*property)(); });
  }
  bool any(Property property) const {
    const Blocks& blocks = encoder_.blocks();
    return std::any_of(blocks.begin(), blocks.end(),
                       [&](const auto& block) { return ((*block).*property)(); });
  }

  const Encoder& encoder_;
};

/// Videos, their time last, each frame through an encoder of pictures: [m, W, T]. Padding is left
/// out, so that no norm sees it, and gives zeros.
class EachFrame final : public WholeEncoder {
 public:
  using WholeEncoder::WholeEncoder;
  std::string kind() const override { return "each_frame"; }
  Signal forward(const Tensors& p, const Signal& input, const Context& context) const override {
    const std::int64_t videos = input.mask.size(0), longest = input.mask.size(1);
    const auto real = input.mask.flatten().nonzero().squeeze(1);
    auto frames = input.values.movedim(-1, 1).flatten(0, 1).index_select(0, real);
    if (frames.dim() == 4) frames = frames.permute({0, 3, 1, 2});  // channels-last in memory
    const auto each = WholeEncoder::forward(p, {frames, {}}, context).values;
    const auto all = torch::zeros({videos * longest, each.size(1)}, each.options());
    const auto spread = all.index_copy(0, real, each);
    return {spread.view({videos, longest, -1}).transpose(1, 2), input.mask};
  }
};

struct FramesOptions {
  Section frame{"auto"}, over_time{"auto"};
  void keys(Keys& keys) {
    keys.nest("frame", frame, "encoder", "of each frame, as of a picture");
    keys.nest("over_time", over_time, "encoder",
              "of the frames' features, as of a series: gru, series_conv, transformer or average");
  }
};

/// Video [frames, H, W, C]: an encoder of pictures for each frame, then one of series over time. A
/// frame encoder without parameters of its own, such as a trained one that stays as it is, is asked
/// when samples are prepared, so that it may be asked once.
class FramesEncoder final : public Encoder {
 public:
  using Options = FramesOptions;
  FramesEncoder(const EncoderRequest& request, const Options& options) : device_(request.device) {
    expect_kind(request, {ModalityKind::kVideo});
    ParameterLayout& layout = request.layout;
    const std::int64_t before = layout.count();
    picture_ = request.spec;
    picture_.kind = ModalityKind::kImage;
    frame_ = part(request, "frame", options.frame, picture_);
    dear_ = layout.count() == before;
    ModalitySpec series;
    series.name = request.spec.name;
    series.kind = ModalityKind::kSeries;
    series.shape = {frame_->width()};
    over_ = part(request, "over_time", options.over_time, series);
    CUTTLE_VALIDATE(!over_->takes_holes(),
                    "model.encoders.{}.over_time.irregular: is about series with holes, and "
                    "features of frames have none; remove it",
                    request.spec.name);
    const auto steps = over_->steps();
    CUTTLE_VALIDATE(steps,
                    "model.encoders.{}.over_time.type: {} does not go on from features of frames; "
                    "use gru, series_conv, transformer or average",
                    request.spec.name, options.over_time.type);
    most_ = *steps;
    if (!dear_) blocks_.push_back(std::make_unique<EachFrame>(*frame_));
    blocks_.push_back(std::make_unique<WholeEncoder>(*over_));
    width_ = over_->width();
    tokens_end_here(over_->token_width());
    held_ = frame_->held();
    fixed_ = frame_->fixed() && layout.count() == before;
  }

  ModalityInput prepare(const RawModality& raw) const override {
    if (dear_)
      return pad_each(raw, [&](const std::uint8_t* bytes, std::int64_t size) {
        return prepare_row(bytes, size);
      });
    Tensors videos;
    std::vector<std::int64_t> lengths;
    for_each_present(raw, [&](const std::uint8_t* bytes, std::int64_t size) {
      auto frames = frame_->prepare(frames_of(bytes, size, picture_, most_)).values;
      if (frames.dim() == 4) frames = frames.permute({0, 2, 3, 1});
      lengths.push_back(frames.size(0));
      videos.push_back(std::move(frames));
    });
    ModalityInput input;
    input.values = at::pad_sequence(videos, /*batch_first=*/true).movedim(1, -1);
    input.mask = (torch::arange(input.values.size(-1)) < torch::tensor(lengths).unsqueeze(1))
                     .to(torch::kFloat32);
    return input;
  }
  bool dear_rows() const override { return dear_; }
  /// [W, T]: the features of each frame.
  torch::Tensor prepare_row(const std::uint8_t* bytes, std::int64_t size) const override {
    const torch::NoGradGuard no_grad;
    Context context;
    context.mode = Mode::kUse;
    const auto frames = frame_->prepare(frames_of(bytes, size, picture_, most_)).on(device_);
    return frame_->forward({}, frames, context).pooled.t().to(torch::kCPU).contiguous();
  }
  Feature forward(const Tensors& p, const ModalityInput& input, const Context& context,
                  bool tokens) const override {
    Signal steps{input.values, input.mask};
    if (!dear_) steps = blocks_.front()->forward(p, steps, context);
    return over_->forward(p, {steps.values, steps.mask, {}}, context, tokens);
  }

 private:
  static std::unique_ptr<const Encoder> part(const EncoderRequest& request, const char* name,
                                             const Section& section, ModalitySpec spec) {
    spec.name += std::string(".") + name;  // as messages call it
    const auto& types = request.registry.encoders;
    return find_type(types, "model.encoders." + spec.name + ".type", section.type)
        .make({spec, section, request.layout, request.prefix + "." + name, request.inner_steps,
               request.registry, request.device});
  }

  torch::Device device_;
  ModalitySpec picture_;  ///< what a frame is
  std::unique_ptr<const Encoder> frame_, over_;
  bool dear_ = false;
  std::int64_t most_ = 0;  ///< frames that are looked at; 0: all
};

}  // namespace

EncoderType row_of_frames() {
  return type_of<FramesEncoder, EncoderType>(
      "video: an encoder of pictures for each frame, then one of series over time", "");
}

}  // namespace cuttle
