// resnet12, transformer, gru, frames and graph_conv: shapes, names and sizes known from the literature,
// independent computations of the same numbers, second derivatives, and what neighbours and padding
// must not change. tests/app/test_peers.py compares resnet12's meta-gradient with plain PyTorch's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "cuttle/core/error.hpp"
#include "large_encoders.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;

TEST(ResNet12, HasTheSizeOfMetaOptNets) {
  const auto model =
      model_of({"resnet12", ModalityKind::kImage, 64, 4}, spec_of(ModalityKind::kImage, 84, 3));
  EXPECT_EQ(model->encoder(0).width(), 640);
  EXPECT_EQ(model->layout()->parameters(), 12424320 + 640 * kWay + kWay);  // Lee et al. 2019
}

TEST(ResNet12, HasTheNamesOfPyTorchsResidualNetworks) {
  const auto layout = model_of(kResNet)->layout();
  const std::vector<std::string> expected{
      "conv1.weight",        "bn1.weight",          "bn1.bias",
      "conv2.weight",        "bn2.weight",          "bn2.bias",
      "conv3.weight",        "bn3.weight",          "bn3.bias",
      "downsample.0.weight", "downsample.1.weight", "downsample.1.bias"};
  ASSERT_EQ(layout->count(), 4 * 12 + 2);
  for (std::int64_t i = 0; i < 48; ++i)
    EXPECT_EQ(layout->spec(i).name, "encoder.x.layer" + std::to_string(i / 12 + 1) + ".0." +
                                        expected[static_cast<std::size_t>(i % 12)]);
  EXPECT_EQ(layout->spec(24).shape, (std::vector<std::int64_t>{20, 10, 3, 3}));
}

/// The formulas once more, without a word of the encoder's own code.
TEST(ResNet12, AgreesWithPlainLibTorchLayers) {
  const auto model = model_of(kResNet);
  const auto p = ParameterList::initial(model->layout(), 1, torch::kFloat64).tensors();
  const Task task = draw_task(*model, torch::kFloat64);
  auto x = task.query.modalities[0].values;
  std::size_t next = 0;
  const auto conv = [&](const torch::Tensor& input) {
    const auto y = torch::conv2d(input, p[next], {}, 1, p[next].size(2) / 2);
    const auto mean = y.mean({0, 2, 3}, true), variance = (y - mean).square().mean({0, 2, 3}, true);
    const auto scale = p[next + 1].view({1, -1, 1, 1}), shift = p[next + 2].view({1, -1, 1, 1});
    next += 3;
    return (y - mean) / (variance + 1e-5).sqrt() * scale + shift;
  };
  const auto leaky = [](const torch::Tensor& y) { return torch::where(y > 0, y, 0.1 * y); };
  for (int stage = 0; stage < 4; ++stage) {
    auto y = leaky(conv(x));
    y = leaky(conv(y));
    y = conv(y);
    x = torch::max_pool2d(leaky(y + conv(x)), 2);
  }
  EXPECT_TRUE(torch::allclose(features(*model, p, task.query), x.flatten(2).mean(2), 1e-9, 1e-10));
}

TEST(Transformer, HasTheNamesAndSizeOfTorchNnTransformerEncoder) {
  const auto layout = model_of({"transformer", ModalityKind::kText, 128, 4})->layout();
  const std::vector<std::string> expected{"self_attn.in_proj_weight",
                                          "self_attn.in_proj_bias",
                                          "self_attn.out_proj.weight",
                                          "self_attn.out_proj.bias",
                                          "linear1.weight",
                                          "linear1.bias",
                                          "linear2.weight",
                                          "linear2.bias",
                                          "norm1.weight",
                                          "norm1.bias",
                                          "norm2.weight",
                                          "norm2.bias"};
  EXPECT_EQ(layout->spec(0).name, "encoder.x.embedding.weight");
  for (std::int64_t i = 0; i < 48; ++i)
    EXPECT_EQ(layout->spec(i + 1).name, "encoder.x.layers." + std::to_string(i / 12) + "." +
                                            expected[static_cast<std::size_t>(i % 12)]);
  EXPECT_EQ(layout->spec(49).name, "encoder.x.norm.weight");
  const std::int64_t layer = 12 * 128 * 128 + 13 * 128;  // as published for this shape
  EXPECT_EQ(layout->parameters(), 1024 * 128 + 4 * layer + 2 * 128 + 128 * kWay + kWay);
}

torch::Tensor plain_layer_norm(const torch::Tensor& x, const torch::Tensor& scale,
                               const torch::Tensor& shift) {
  const auto centered = x - x.mean(-1, true);
  return centered / (centered.square().mean(-1, true) + 1e-5).sqrt() * scale + shift;
}

/// One layer [T, m, W] by LibTorch's own attention; p[0..11] as in the test of the names.
torch::Tensor plain_layer(const torch::Tensor& x, const torch::Tensor* p, std::int64_t heads,
                          const torch::Tensor& padded) {
  torch::nn::MultiheadAttention attention(torch::nn::MultiheadAttentionOptions(x.size(2), heads));
  attention->to(x.scalar_type());
  const torch::NoGradGuard no_grad;
  attention->in_proj_weight.copy_(p[0]);
  attention->in_proj_bias.copy_(p[1]);
  attention->out_proj->weight.copy_(p[2]);
  attention->out_proj->bias.copy_(p[3]);
  const auto normed = plain_layer_norm(x, p[8], p[9]);
  const auto y = x + std::get<0>(attention(normed, normed, normed, padded));
  const auto up = torch::linear(plain_layer_norm(y, p[10], p[11]), p[4], p[5]);
  return y + torch::linear(0.5 * up * (1 + torch::erf(up / std::sqrt(2.0))), p[6], p[7]);
}

TEST(Transformer, AgreesWithLibTorchsAttentionAndWrittenOutFormulas) {
  const auto model = model_of(kText);
  auto p = ParameterList::initial(model->layout(), 1, torch::kFloat64).tensors();
  torch::manual_seed(8);
  for (auto& value : p)
    value.add_(0.1 * torch::randn_like(value));  // no bias is zero, no scale one
  const Task task = draw_task(*model, torch::kFloat64);
  const auto& input = task.query.modalities[0];
  auto x = torch::nn::functional::embedding(input.values, p[0]).clone();
  for (std::int64_t t = 0; t < x.size(1); ++t)
    for (std::int64_t c = 0; c < 64; ++c) {
      const double angle = static_cast<double>(t) / std::pow(1e4, static_cast<double>(c / 2) / 32);
      x.select(1, t).select(1, c) += c % 2 == 0 ? std::sin(angle) : std::cos(angle);
    }
  x = x.transpose(0, 1);
  for (const std::size_t first : {1, 13}) x = plain_layer(x, &p[first], 2, input.mask == 0);
  x = plain_layer_norm(x.transpose(0, 1), p[25], p[26]);
  std::vector<torch::Tensor> means;
  for (std::int64_t i = 0; i < task.query.size; ++i)
    means.push_back(x[i].slice(0, 0, input.mask[i].sum().item<std::int64_t>()).mean(0));
  EXPECT_LT(input.mask.sum().item<double>(), static_cast<double>(input.mask.numel()));
  EXPECT_TRUE(torch::allclose(features(*model, p, task.query), torch::stack(means), 1e-9, 1e-10));
}

class Sequences : public testing::TestWithParam<Sense> {
 protected:
  Sequences() : model(model_of(GetParam())) {
    Random random({6, Stream::kTesting, 0, 0});
    for (const std::int64_t length : {4, 1, 9, 30})
      samples.push_back(draw_sequence(GetParam().kind, length, 1, random));
  }
  torch::Tensor of(const std::vector<std::vector<std::uint8_t>>& chosen, const Model& by) const {
    return features(by, ParameterList::initial(by.layout(), 4).tensors(), sequences(by, chosen));
  }
  std::shared_ptr<const Model> model;
  std::vector<std::vector<std::uint8_t>> samples;
};

TEST_P(Sequences, NeitherNeighboursNorPaddingTouchASample) {
  const auto together = of(samples, *model);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const auto alone = of({samples[i]}, *model);  // no padding, no neighbour
    EXPECT_TRUE(torch::allclose(together[static_cast<std::int64_t>(i)], alone[0], 1e-5, 1e-6)) << i;
  }
  EXPECT_TRUE(torch::equal(together, of(samples, *model)));
}

TEST_P(Sequences, OrderCounts) {
  auto turned = samples[2];
  const std::map<ModalityKind, std::size_t> sizes{
      {ModalityKind::kText, 1},
      {ModalityKind::kSeries, 4 * kChannels},
      {ModalityKind::kAudio, 2 * kHop},
      {ModalityKind::kVideo, kSide * kSide * kChannels}};
  const std::size_t step = sizes.at(GetParam().kind);
  for (std::size_t i = 0; i < step; ++i) std::swap(turned[i], turned[turned.size() - step + i]);
  ASSERT_NE(turned, samples[2]);
  EXPECT_FALSE(torch::allclose(of({turned}, *model), of({samples[2]}, *model), 1e-3, 1e-3));
}

TEST_P(Sequences, WhatIsBeyondTheLengthIsNotSeen) {
  const bool audio = GetParam().kind == ModalityKind::kAudio;  // milliseconds
  const auto bounded = model_of(GetParam(), spec_of(GetParam().kind), audio ? 160 : 9);
  auto shortened = samples;
  shortened[3].resize(samples[2].size());
  EXPECT_TRUE(torch::equal(of(samples, *bounded), of(shortened, *bounded)));
  EXPECT_FALSE(torch::allclose(of(samples, *model), of(shortened, *model)));
}

TEST_P(Sequences, AnEmptySampleIsFinite) {
  if (GetParam().kind == ModalityKind::kVideo) return;  // shards with one are refused
  samples.emplace_back();
  EXPECT_TRUE(of(samples, *model).isfinite().all().item<bool>());
  EXPECT_TRUE(of({{}}, *model).isfinite().all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Encoders, Sequences,
                         testing::Values(kText, kSeries, kAudio, kGruText, kGruSeries, kGruAudio,
                                         kVideoGru, kVideoConv, kVideoAttention));

/// Inner steps in evaluation are those in training, so adapt() then predict() is what
/// meta_gradient() differentiates.
class LargeEncoder : public testing::TestWithParam<Sense> {
 protected:
  LargeEncoder() : model(model_of(GetParam())) {
    torch::set_num_threads(1);
    learner = learner_of("maml", "2", model);
  }
  ParameterList start(torch::Dtype dtype) const {
    auto list = ParameterList::initial(model->layout(), 4, torch::kFloat64);
    torch::manual_seed(9);
    for (const auto& value : list.tensors())  // scales and shifts that are not ones and zeros
      if (value.dim() == 1) value.add_(0.1 * torch::randn_like(value));
    return {list.shared_layout(), list.flat().to(dtype)};
  }
  double adapted_loss(const torch::Tensor& flat, const Task& task) const {
    const ParameterList at(model->layout(), flat);
    const auto outputs = learner->adapt(at, task.support, task.key)->predict(task.query);
    return learner->kind().loss(outputs, task.query).item<double>();
  }
  std::shared_ptr<Model> model;
  std::unique_ptr<const Learner> learner;
};

TEST_P(LargeEncoder, SecondOrderMetaGradientEqualsFiniteDifferences) {
  const auto parameters = start(torch::kFloat64);
  const Task task = draw_task(*model, torch::kFloat64);
  const auto result = learner->meta_gradient(parameters, task);
  const double norm = result.gradient.norm().item<double>();
  ASSERT_GT(norm, 1e-3);
  EXPECT_NEAR(result.values[0], adapted_loss(parameters.flat(), task), 1e-11);
  torch::manual_seed(5);
  for (auto direction :
       {result.gradient, torch::randn_like(result.gradient), torch::randn_like(result.gradient)}) {
    direction = direction / direction.norm();
    // So small a step seldom takes one of 10^5 activations over the kink of its leaky ReLU, where
    // an inner step jumps.
    constexpr double kStep = 1e-7;
    const double ahead = adapted_loss(parameters.flat() + kStep * direction, task);
    const double behind = adapted_loss(parameters.flat() - kStep * direction, task);
    EXPECT_NEAR((ahead - behind) / (2 * kStep), result.gradient.dot(direction).item<double>(),
                1e-6 * norm);
  }
}

TEST_P(LargeEncoder, Float32GivesTheSameGradient) {
  const auto exact =
      learner->meta_gradient(start(torch::kFloat64), draw_task(*model, torch::kFloat64));
  const Task task = draw_task(*model, torch::kFloat32);
  const auto ours = learner->meta_gradient(start(torch::kFloat32), task);
  EXPECT_LT((ours.gradient - exact.gradient).norm().item<double>(),
            1e-3 * exact.gradient.norm().item<double>());
  EXPECT_TRUE(
      torch::equal(ours.gradient, learner->meta_gradient(start(torch::kFloat32), task).gradient));
}

TEST_P(LargeEncoder, EveryParameterGetsAGradient) {
  const auto gradient =
      learner->meta_gradient(start(torch::kFloat64), draw_task(*model, torch::kFloat64));
  const auto parts = model->layout()->views(gradient.gradient);
  for (std::int64_t i = 0; i < model->layout()->count(); ++i)
    EXPECT_GT(parts[static_cast<std::size_t>(i)].abs().max().item<double>(), 0.0)
        << model->layout()->spec(i).name;
}

TEST_P(LargeEncoder, DescribesItsBlocks) {
  EXPECT_EQ(model->first_order_only(), "");
  const Sense& sense = GetParam();
  const bool fused =
      sense.type == std::string("resnet12") && sense.fused && sense.norm != std::string("none");
  const std::string frame = sense.frame == nullptr ? "" : sense.frame;
  const bool both = frame == "conv4" && sense.over_time == std::string("series_conv");
  EXPECT_THAT(model->fused_blocks(), HasSubstr(fused              ? "x 4 of 5"
                                               : both             ? "x 2 of 2"
                                               : frame == "conv4" ? "x 1 of 2"
                                                                  : "x 0 of "));
}

INSTANTIATE_TEST_SUITE_P(Encoders, LargeEncoder,
                         testing::Values(kResNet, kResNetGeneric, kResNetPerStep, kResNetBare,
                                         kText, kSeries, kAudio, kPicture, kGruText, kGruSeries,
                                         kGruAudio, kVideoGru, kVideoConv, kVideoAttention,
                                         kVideoAverage, kGraph, kGraphByLayer));

TEST(ResNet12, OwnKernelsGiveTheMetaGradientOfLibTorchsOperations) {
  torch::set_num_threads(1);
  for (const char* algorithm : {"maml", "fomaml", "reptile", "protonet"}) {
    std::vector<torch::Tensor> gradients;
    for (const Sense& sense : {kResNet, kResNetGeneric}) {
      const auto model = model_of(sense);
      const auto start = ParameterList::initial(model->layout(), 3, torch::kFloat64);
      const auto learner = learner_of(algorithm, "3", model);
      gradients.push_back(
          learner->meta_gradient(start, draw_task(*model, torch::kFloat64)).gradient);
    }
    EXPECT_LT((gradients[0] - gradients[1]).norm().item<double>(),
              1e-9 * gradients[1].norm().item<double>())
        << algorithm;
  }
}

struct Refused {
  Sense sense;
  ModalitySpec spec;
  const char* message;
};

TEST(LargeEncoders, RefuseByKeyWhatTheyCannotDo) {
  const auto image = ModalityKind::kImage, text = ModalityKind::kText;
  const auto vector = ModalityKind::kVector;
  const std::vector<Refused> cases{
      {{"resnet12", text, 64, 4},
       spec_of(text),
       "model.encoders.x.type: resnet12 needs a modality"},
      {{"transformer", vector, 64, 4}, spec_of(vector), "text or audio or series, but x is vector"},
      {{"transformer", image, 64, 4},
       spec_of(image, 18),
       "squares of 4x4 pixels do not cover 18x18"},
      {{"resnet12", image, 7, 4}, spec_of(image), "model.encoders.x.width"},
      {{"resnet12", image, 8, 4}, spec_of(image, 15), "it needs 16x16 or more"},
      {{"transformer", text, 48, 2}, spec_of(text), "use a multiple of 32"},
      {{"transformer", text, 7, 2}, spec_of(text), "model.encoders.x.width"}};
  for (const auto& refused : cases)
    EXPECT_THAT([&] { model_of(refused.sense, refused.spec); },
                testing::ThrowsMessage<UserError>(HasSubstr(refused.message)));
}

TEST(LargeEncoders, RefuseKeysThatWouldDoNothing) {
  const auto made = [](const char* type, ModalityKind kind, const char* key, const char* value) {
    ModelOptions options;
    options.encoders["x"] = Section(type, {{key, value}});
    return std::make_shared<Model>(options, std::vector<ModalitySpec>{spec_of(kind)}, kWay, 2,
                                   ModelRegistry{});
  };
  const auto refused = [](const char* message) {
    return testing::ThrowsMessage<UserError>(HasSubstr(message));
  };
  EXPECT_THAT([&] { made("transformer", ModalityKind::kText, "patch", "2"); },
              refused("model.encoders.x.patch: is 2, but x is text"));
  EXPECT_THAT([&] { made("transformer", ModalityKind::kImage, "max_length", "9"); },
              refused("model.encoders.x.max_length: is about sequences"));
  for (const char* type : {"gru", "transformer"}) {
    EXPECT_THAT([&] { made(type, ModalityKind::kSeries, "hears", "mfcc"); },
                refused("model.encoders.x.hears: is about audio"));
    EXPECT_GT(made(type, ModalityKind::kAudio, "hears", "mfcc")->layout()->parameters(), 0);
  }
}

/// resnet12 always has four stages, the transformer its own norms: a config that sets these keys is
/// refused.
TEST(LargeEncoders, HaveNoKeysForWhatCannotBeChosen) {
  const auto types = builtin_encoders();
  EXPECT_TRUE(has_key(types.at("resnet12"), "norm"));
  EXPECT_FALSE(has_key(types.at("resnet12"), "depth"));
  EXPECT_TRUE(has_key(types.at("transformer"), "depth"));
  for (const char* key : {"norm", "fused"})
    EXPECT_FALSE(has_key(types.at("transformer"), key)) << key;
}

}  // namespace
}  // namespace cuttle
