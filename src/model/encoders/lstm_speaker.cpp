#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "cuttle/core/error.hpp"
#include "cuttle/sense/raw.hpp"
#include "model/encoders/common.hpp"
#include "model/pretrained/attention.hpp"
#include "model/pretrained/mel_power.hpp"
#include "model/pretrained/wave.hpp"
#include "model/pretrained/weights.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// Frames from one window's start to the next: 1.3 windows a second.
std::int64_t hop_of_windows(double rate, std::int64_t hop) {
  return std::llround(rate / 1.3 / static_cast<double>(hop));
}

/// Windows of the real frames of [m, C, T], as [W, length, C], and how many each sample has.
struct Windows {
  torch::Tensor frames;
  std::vector<std::int64_t> counts;
};

Windows windows_of(const Signal& input, std::int64_t length, std::int64_t hop) {
  const auto lengths = lengths_of(input);
  Windows windows;
  Tensors pieces;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    windows.counts.push_back((lengths[i] - length) / hop + 1);
    for (std::int64_t k = 0; k < windows.counts.back(); ++k)
      pieces.push_back(input.values[static_cast<std::int64_t>(i)].narrow(1, k * hop, length).t());
  }
  windows.frames = torch::stack(pieces);
  return windows;
}

/// One layer of an LSTM as PyTorch has it (gates i, f, g, o), of plain operations: LibTorch's own
/// has no double backward.
class LstmLayer {
 public:
  LstmLayer(Weights& weights, std::int64_t layer, std::int64_t in, std::int64_t width, bool learns)
      : width_(width) {
    const std::string end = "_l" + std::to_string(layer);
    in_ = {weights.take("lstm.weight_ih" + end, {4 * width, in}, learns),
           weights.take("lstm.bias_ih" + end, {4 * width}, learns)};
    back_ = {weights.take("lstm.weight_hh" + end, {4 * width, width}, learns),
             weights.take("lstm.bias_hh" + end, {4 * width}, learns)};
  }
  /// [W, T, in] -> [W, T, width].
  torch::Tensor forward(const Tensors& p, const torch::Tensor& x) const {
    const auto all = affine(p, in_, x) + back_.bias.in(p);
    const auto turned = back_.weight.in(p).t();
    auto h = torch::zeros({x.size(0), width_}, x.options()), c = h;
    Tensors steps;
    for (std::int64_t t = 0; t < x.size(1); ++t) {
      const auto gates = torch::addmm(all.select(1, t), h, turned).chunk(4, 1);
      c = torch::sigmoid(gates[1]) * c + torch::sigmoid(gates[0]) * torch::tanh(gates[2]);
      h = torch::sigmoid(gates[3]) * torch::tanh(c);
      steps.push_back(h);
    }
    return torch::stack(steps, 1);
  }

 private:
  std::int64_t width_;
  GivenAffine in_, back_;
};

/// Spectra [m, C, T] to one vector a sample: the last state of each window through a linear layer
/// and a ReLU, of length 1, the mean of these, of length 1 (Wan et al. 2018).
class SpeakerLstm final : public Block {
 public:
  SpeakerLstm(Weights& weights, std::int64_t mels, std::int64_t width, std::int64_t window,
              std::int64_t hop)
      : window_(window), hop_(hop) {
    const std::int64_t layers = weights.number("sizes", "layers");
    for (std::int64_t i = 0; i < layers; ++i)
      layers_.emplace_back(weights, i, i == 0 ? mels : width, width, weights.learns(i, layers + 1));
    linear_ = weights.affine("linear", {weights.number("sizes", "output"), width},
                             weights.learns(layers, layers + 1));
  }
  std::string kind() const override { return "speaker_lstm"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    const Windows windows = windows_of(input, window_, hop_);
    auto x = windows.frames;
    for (const LstmLayer& layer : layers_) x = layer.forward(p, x);
    const auto last = x.select(1, window_ - 1);
    const auto each = of_length_one(torch::relu(affine(p, linear_, last)));
    Tensors means;
    std::int64_t first = 0;
    for (const std::int64_t count : windows.counts) {
      means.push_back(each.narrow(0, first, count).mean(0));
      first += count;
    }
    return {of_length_one(torch::stack(means)), {}};
  }

 private:
  std::vector<LstmLayer> layers_;
  GivenAffine linear_;
  std::int64_t window_, hop_;
};

/// Voices through a trained recurrent speaker encoder: power spectra on the mel scale, in windows
/// of 1.6 s.
class LstmSpeaker final : public PretrainedEncoder {
 public:
  using Options = PretrainedOptions;
  LstmSpeaker(const EncoderRequest& request, const Options& options)
      : LstmSpeaker(request, Weights(request, options, "lstm_speaker")) {}

  ModalityInput prepare(const RawModality& raw) const override {
    return pad_each(raw, [&](const std::uint8_t* bytes, std::int64_t size) {
      return prepare_row(bytes, size);
    });
  }
  bool dear_rows() const override { return true; }
  torch::Tensor prepare_row(const std::uint8_t* bytes, std::int64_t size) const override {
    auto wave = raised(wave_of(bytes, size));
    // As many windows as the recording fills, the last one by three quarters at least.
    const std::int64_t length = wave.numel(), frames = length / mel_.hop() + 1;
    std::int64_t last = std::max<std::int64_t>(0, frames - window_ + hop_) / hop_ * hop_;
    if (last > 0 && 4 * (length - last * mel_.hop()) < 3 * window_ * mel_.hop()) last -= hop_;
    const std::int64_t needed = (last + window_) * mel_.hop();
    if (needed > length) wave = torch::constant_pad_nd(wave, {0, needed - length});
    return mel_.forward(wave).narrow(1, 0, last + window_).contiguous();
  }

 private:
  LstmSpeaker(const EncoderRequest& request, Weights weights)
      : mel_(weights.real("preprocessing", "rate"), weights.number("preprocessing", "n_fft"),
             weights.number("preprocessing", "hop"), weights.number("preprocessing", "mels")),
        window_(weights.number("preprocessing", "window_frames")),
        hop_(hop_of_windows(weights.real("preprocessing", "rate"), mel_.hop())),
        level_(weights.real("preprocessing", "level_dbfs")) {
    expect_kind(request, {ModalityKind::kAudio});
    expect_rate(request, weights);
    blocks_.push_back(std::make_unique<SpeakerLstm>(
        weights, weights.number("sizes", "mels"), weights.number("sizes", "width"), window_, hop_));
    width_ = weights.number("sizes", "output");
    holds(weights);
  }
  /// Softer recordings at the level; louder ones, and silence, as they are.
  torch::Tensor raised(const torch::Tensor& wave) const {
    if (wave.numel() == 0) return wave;
    const double mean = wave.to(torch::kFloat64).square().mean().item<double>();
    const double change = level_ - 10.0 * std::log10(mean);
    return mean > 0 && change > 0 ? wave * std::pow(10.0, change / 20.0) : wave;
  }

  MelPower mel_;
  std::int64_t window_, hop_;  ///< frames
  double level_;
};

}  // namespace

EncoderType row_of_lstm_speaker() {
  return type_of<LstmSpeaker, EncoderType>("audio: a trained speaker encoder (weights: FILE)",
                                           "Wan et al. 2018");
}

}  // namespace cuttle
