// frames: what it is made of gives the same by itself, padding and neighbours change no bit, and
// what learns nothing of a frame is asked once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "large_encoders.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;

std::shared_ptr<Model> model_with(const Section& section, const ModalitySpec& spec) {
  ModelOptions options;
  options.encoders["x"] = section;
  return std::make_shared<Model>(options, std::vector<ModalitySpec>{spec}, kWay, 2,
                                 ModelRegistry{});
}

std::vector<std::vector<std::uint8_t>> draw_videos() {
  Random random({6, Stream::kTesting, 0, 0});
  std::vector<std::vector<std::uint8_t>> videos;
  for (const std::int64_t length : {4, 1, 9, 6})
    videos.push_back(draw_sequence(ModalityKind::kVideo, length, 1, random));
  return videos;
}

/// Those of `whole` whose names have this part, in order.
Tensors part_of(const Model& whole, const Tensors& parameters, const std::string& part) {
  Tensors found;
  for (std::int64_t i = 0; i < whole.layout()->count(); ++i)
    if (whole.layout()->spec(i).name.find("encoder.x." + part + ".") == 0)
      found.push_back(parameters[static_cast<std::size_t>(i)]);
  return found;
}

TEST(Frames, AreAnEncoderOfPicturesAndThenOneOfSeries) {
  torch::set_num_threads(1);
  constexpr std::int64_t kFrame = kSide * kSide * kChannels;
  for (const Sense& sense : {kVideoGru, kVideoAttention, kVideoAverage}) {
    const Section frame(sense.frame, {{"width", std::to_string(sense.width)},
                                      {"depth", std::to_string(sense.depth)},
                                      {"norm", "none"}});
    Sense plain = sense;
    plain.norm = "none";
    const auto whole = model_of(plain);
    const auto pictures = model_with(frame, spec_of(ModalityKind::kImage));
    const std::int64_t width = pictures->encoder(0).width();
    const auto series = model_with(
        {sense.over_time,
         {{"width", std::to_string(sense.width)}, {"depth", std::to_string(sense.depth)}}},
        spec_of(ModalityKind::kSeries, 0, width));
    const auto p = ParameterList::initial(whole->layout(), 3).tensors();
    const auto videos = draw_videos();
    const auto batch = sequences(*whole, videos);
    const auto found = whole->encoder(0).forward(p, batch.modalities[0], {}, true);
    ASSERT_EQ(found.pooled.size(1), whole->encoder(0).width());
    for (std::size_t i = 0; i < videos.size(); ++i) {
      Tensors features;
      for (std::size_t at = 0; at < videos[i].size(); at += kFrame) {
        const auto from = videos[i].begin() + static_cast<std::ptrdiff_t>(at);
        const auto one = sequences(*pictures, {{from, from + kFrame}});
        features.push_back(pictures->encoder(0)
                               .forward(part_of(*whole, p, "frame"), one.modalities[0], {})
                               .pooled);
      }
      const auto steps = torch::cat(features).t().unsqueeze(0);
      const ModalityInput input{steps, torch::ones({1, steps.size(2)}), {}};
      const auto expected =
          series->encoder(0).forward(part_of(*whole, p, "over_time"), input, {}, true);
      const auto row = static_cast<std::int64_t>(i);
      EXPECT_TRUE(torch::allclose(found.pooled[row], expected.pooled[0], 1e-4, 1e-5)) << sense;
      EXPECT_TRUE(torch::allclose(found.tokens[row].narrow(0, 0, expected.tokens.size(1)),
                                  expected.tokens[0], 1e-4, 1e-5))
          << sense;
      EXPECT_EQ(found.mask[row].sum().item<double>(), static_cast<double>(features.size()));
    }
  }
}

/// Every kind of norm that sees frames sees the real ones alone.
TEST(Frames, PaddingChangesNoBit) {
  torch::set_num_threads(1);
  for (const auto dtype : {torch::kFloat32, torch::kFloat64})
    for (Sense sense : {kVideoGru, kVideoAverage})
      for (const char* norm : {"batch", "support", "layer", "none"}) {
        sense.norm = norm;
        const auto model = model_of(sense);
        const auto p = ParameterList::initial(model->layout(), 4, dtype).tensors();
        const auto input = sequences(*model, draw_videos()).to(dtype).modalities[0];
        const auto expected = model->encoder(0).forward(p, input, {}, true);
        const std::int64_t steps = input.mask.size(1);
        for (const std::int64_t more : {1, 7}) {
          ModalityInput padded = input;
          padded.values = torch::constant_pad_nd(input.values, {0, more}, 5);  // is never looked at
          padded.mask = torch::constant_pad_nd(input.mask, {0, more});
          const auto found = model->encoder(0).forward(p, padded, {}, true);
          EXPECT_TRUE(torch::equal(found.pooled, expected.pooled)) << sense << " " << more;
          const auto real = expected.mask.unsqueeze(2);
          EXPECT_TRUE(
              torch::equal(found.tokens.narrow(1, 0, steps) * real, expected.tokens * real));
        }
      }
}

TEST(Frames, TheMeanForgetsTheirOrder) {
  const auto model = model_of(kVideoAverage);
  const auto p = ParameterList::initial(model->layout(), 4, torch::kFloat64).tensors();
  auto video = draw_videos()[0];
  const auto before = features(*model, p, sequences(*model, {video}).to(torch::kFloat64));
  std::rotate(video.begin(), video.begin() + kSide * kSide * kChannels, video.end());
  const auto after = features(*model, p, sequences(*model, {video}).to(torch::kFloat64));
  EXPECT_TRUE(torch::allclose(before, after, 1e-9, 1e-10));
}

TEST(Frames, WhatLearnsNothingIsAskedWhenSamplesArePrepared) {
  const auto spec = spec_of(ModalityKind::kVideo);
  const auto fixed =
      model_with({"frames", {{"frame.type", "raw"}, {"over_time.width", "6"}}}, spec);
  const Encoder& encoder = fixed->encoder(0);
  EXPECT_TRUE(encoder.dear_rows());
  EXPECT_FALSE(encoder.fixed());
  EXPECT_EQ(encoder.blocks().size(), 1u);
  const auto videos = draw_videos();
  const auto input = sequences(*fixed, videos).modalities[0];
  EXPECT_EQ(input.values.sizes(), (std::vector<std::int64_t>{4, kSide * kSide * kChannels, 9}));
  for (std::size_t i = 0; i < videos.size(); ++i) {
    const auto size = static_cast<std::int64_t>(videos[i].size());
    const auto row = encoder.prepare_row(videos[i].data(), size);
    const auto pixels = torch::tensor(videos[i], torch::kFloat32).view({row.size(1), -1}) / 255;
    EXPECT_TRUE(torch::allclose(row.t(), pixels));
    EXPECT_TRUE(
        torch::equal(input.values[static_cast<std::int64_t>(i)].narrow(1, 0, row.size(1)), row));
  }
  EXPECT_FALSE(model_of(kVideoGru)->encoder(0).dear_rows());
}

TEST(Frames, RefuseByKeyWhatTheyCannotDo) {
  const auto refused = [](const Section& section, ModalityKind kind, const char* message) {
    EXPECT_THAT([&] { model_with(section, spec_of(kind)); },
                testing::ThrowsMessage<UserError>(HasSubstr(message)));
  };
  refused({"frames"}, ModalityKind::kImage,
          "model.encoders.x.type: frames needs a modality of kind video, but x is image");
  refused({"conv4"}, ModalityKind::kVideo, "conv4 needs a modality of kind image, but x is video");
  const auto video = ModalityKind::kVideo;
  refused({"frames", {{"frame.type", "gru"}}}, video,
          "model.encoders.x.frame.type: gru needs a modality of kind text or audio or series, but "
          "x.frame is image");
  refused({"frames", {{"frame.type", "frames"}}}, video, "but x.frame is image");
  refused({"frames", {{"over_time.type", "conv4"}}}, video, "model.encoders.x.over_time.type");
  refused({"frames", {{"over_time.type", "raw"}}}, video,
          "model.encoders.x.over_time.type: raw does not go on from features of frames; use gru");
  refused({"frames", {{"frame.type", "conv4"}, {"frame.depth", "5"}}}, video,
          "model.encoders.x.frame.depth: 5 blocks halve a 16x16 image to nothing; use at most 4");
  refused({"frames", {{"frame.type", "vit"}}}, video,
          "model.encoders.x.frame.weights: vit has no weights");
  refused({"auto", {{"width", "8"}}}, video, "write frame: {width: ..}");
}

TEST(Frames, TheUsualEncoderOfVideoIsTheirs) {
  const auto model = model_with({"auto"}, spec_of(ModalityKind::kVideo));
  EXPECT_EQ(model->layout()->spec(0).name, "encoder.x.frame.0.conv.weight");
  EXPECT_THAT(model->encoder(0).blocks()[0]->kind(), "each_frame");
}

}  // namespace
}  // namespace cuttle
