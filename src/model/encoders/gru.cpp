#include <torch/types.h>

#include <string>
#include <vector>

#include "model/blocks/attention.hpp"
#include "model/encoders/common.hpp"
#include "model/places.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// A layer of gated recurrent units (Cho et al. 2014, section 2.3),
///   r = sigmoid(W_r x + U_r h),  z = sigmoid(W_z x + U_z h),
///   h' = z h + (1 - z) tanh(W x + r (U h)),
/// with biases: [m, in, T] -> [m, directions * width, T]. The reset gate stands behind the product,
/// as in the paper's first version (arXiv:1406.1078v1) and in PyTorch, so that a step is one
/// product, of both directions where there are two; names and arithmetic are those of torch.nn.GRU.
/// Of plain operations: LibTorch's own has no double backward on every device.
class GruLayer final : public Block {
 public:
  GruLayer(ParameterLayout& layout, const std::string& name, std::int64_t layer, std::int64_t in,
           std::int64_t width, std::int64_t directions)
      : width_(width) {
    for (std::int64_t d = 0; d < directions; ++d) {
      const std::string end = "_l" + std::to_string(layer) + (d == 0 ? "" : "_reverse");
      const auto add = [&](std::vector<Affine>& places, const std::string& what,
                           std::int64_t from) {
        places.emplace_back(layout, name + ".weight_" + what + end, name + ".bias_" + what + end,
                            std::vector<std::int64_t>{3 * width, from});
      };
      add(in_, "ih", in);
      add(back_, "hh", width);
    }
  }
  std::string kind() const override { return "gru_layer"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    const auto x = input.values.permute({2, 0, 1});  // [T, m, in]
    // At padding the update gate is one, so that the state stays what it is, to the bit.
    const auto padded = (1.0 - input.mask.t().unsqueeze(2)) * 1e30;
    const auto shut =
        torch::constant_pad_nd(padded.expand({-1, -1, width_}), {width_, width_}).to(x.dtype());
    Tensors in, weights, biases;
    for (std::size_t d = 0; d < in_.size(); ++d) {
      const auto all = affine(p, in_[d], x) + shut;
      in.push_back(d == 0 ? all : all.flip(0));
      weights.push_back(at(p, back_[d].weight).t());
      biases.push_back(at(p, back_[d].bias).unsqueeze(0));
    }
    const auto states = run(torch::stack(in, 1), torch::stack(weights), torch::stack(biases));
    Tensors out = torch::stack(states).unbind(1);
    for (std::size_t d = 1; d < out.size(); ++d) out[d] = out[d].flip(0);
    return {torch::cat(out, 2).permute({1, 2, 0}), input.mask};
  }

 private:
  /// The states after each of the steps [T, directions, m, 3W], from nothing.
  Tensors run(const torch::Tensor& in, const torch::Tensor& weight,
              const torch::Tensor& bias) const {
    const std::vector<std::int64_t> gates_and_rest{2 * width_, width_};
    const Tensors parts = in.split_with_sizes(gates_and_rest, 3);
    const Tensors gates = parts[0].unbind(0), rest = parts[1].unbind(0);
    auto h = torch::zeros({in.size(1), in.size(2), width_}, in.options());
    Tensors states;
    for (std::size_t t = 0; t < gates.size(); ++t) {
      const Tensors back = torch::baddbmm(bias, h, weight).split_with_sizes(gates_and_rest, 2);
      const Tensors gate = torch::sigmoid(gates[t] + back[0]).chunk(2, 2);
      h = torch::lerp(torch::tanh(torch::addcmul(rest[t], gate[0], back[1])), h, gate[1]);
      states.push_back(h);
    }
    return states;
  }

  std::int64_t width_;
  std::vector<Affine> in_, back_;  ///< by direction
};

/// Mean and maximum over real steps, [m, C, T] -> [m, 2C], as behind convolutions, but padding
/// changes no bit.
class RunningPool final : public Block {
 public:
  std::string kind() const override { return "running_mean_max_over_time"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors&, const Signal& input, const Context&) const override {
    const auto most = input.values.masked_fill(input.mask.unsqueeze(1) == 0, -1e30).amax(2);
    return {torch::cat({running_mean(input.values, input.mask), most}, 1), {}};
  }
};

struct GruOptions {
  std::int64_t width = 64, depth = 1, max_length = 0;
  bool bidirectional = true, irregular = false;
  std::string hears = "mels", pieces;
  void keys(Keys& keys) {
    keys.add("width", width, between(1, 65536), "units of a layer, in each direction");
    keys.add("depth", depth, between(1, 64), "layers");
    keys.add("bidirectional", bidirectional, anything(),
             "also read from the end to the start, with as many units again");
    tell_max_length(keys, max_length);
    tell_hears(keys, hears);
    tell_pieces(keys, pieces);
    tell_irregular(keys, irregular);
  }
};

/// Characters or pieces, frames of sounds or steps read one after the other; ends in mean and
/// maximum over time, which few steps learn from sooner than the last state does.
class GruEncoder final : public SequenceReader {
 public:
  using Options = GruOptions;
  GruEncoder(const EncoderRequest& request, const Options& options)
      : SequenceReader(request, {ModalityKind::kText, ModalityKind::kAudio, ModalityKind::kSeries},
                       options.max_length, options.hears, options.pieces, options.irregular) {
    std::int64_t in = channels();
    if (spec().kind == ModalityKind::kText) {
      in = options.width;
      blocks_.push_back(make_token_block(request.layout, request.prefix + ".table", tokens(), in));
    }
    const std::int64_t directions = options.bidirectional ? 2 : 1;
    for (std::int64_t i = 0; i < options.depth; ++i) {
      blocks_.push_back(std::make_unique<GruLayer>(request.layout, request.prefix + ".gru", i, in,
                                                   options.width, directions));
      in = directions * options.width;
    }
    tokens_end_here(in);
    blocks_.push_back(std::make_unique<RunningPool>());
    width_ = 2 * in;
  }
};

}  // namespace

EncoderType row_of_gru() {
  return type_of<GruEncoder, EncoderType>(
      "texts, audio and series: gated recurrent units, in both directions", "Cho et al. 2014");
}

}  // namespace cuttle
