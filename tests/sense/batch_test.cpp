// Batches: presence, padding, hiding. Padding and the company of other samples must not leak into
// features.
#include <gtest/gtest.h>
#include <torch/types.h>

#include "cuttle/model/norm.hpp"
#include "cuttle/sense/log_mel.hpp"
#include "cuttle/sense/raw.hpp"
#include "support/tiny_task.hpp"

namespace cuttle {
namespace {

Task some_task() {
  static const auto learner = tiny_learner({});
  return tiny_task(learner->model(), 1, torch::kFloat32);
}

TEST(Batch, RowsNameThePresentSamples) {
  const Batch batch =
      some_task().support;  // sample i lacks the image if i % 4 == 1, the text if i % 4 == 2
  EXPECT_TRUE(torch::equal(batch.modalities[0].rows, torch::tensor({0, 2, 3, 4}, torch::kInt64)));
  EXPECT_TRUE(
      torch::equal(batch.modalities[1].rows, torch::tensor({0, 1, 3, 4, 5}, torch::kInt64)));
  EXPECT_EQ(batch.modalities[0].values.size(0), 4);
}

TEST(ImageInput, StandardisesEachByteOfEachChannel) {
  ModalitySpec spec{"image", ModalityKind::kImage, {16, 8, 2}, 0.0, {}, {}};
  RawModality raw;
  for (int i = 0; i < 3 * 16 * 8 * 2; ++i) raw.bytes.push_back(static_cast<std::uint8_t>(i * 7));
  const auto pixels =
      raw_tensor(raw, torch::kUInt8).view({3, 16, 8, 2}).to(torch::kFloat32) / 255.0;
  const auto plain = image_input(raw, spec).values;
  EXPECT_TRUE(torch::equal(plain, pixels.permute({0, 3, 1, 2})));
  EXPECT_TRUE(plain.is_contiguous(torch::MemoryFormat::ChannelsLast));

  spec.mean = {0.25f, 0.7f};
  spec.stddev = {0.3f, 0.0f};  // a channel that never changes
  const auto centred = pixels - torch::tensor(spec.mean);
  const auto expected = centred / torch::tensor({0.3f, 1e-6f});
  EXPECT_TRUE(torch::equal(image_input(raw, spec).values, expected.permute({0, 3, 1, 2})));

  raw.bytes.pop_back();  // no whole images
  EXPECT_THROW(image_input(raw, spec), c10::Error);
}

TEST(Batch, SamplesWithoutAnySenseAreKnown) {
  Batch batch = some_task().support;  // 0 to 5
  EXPECT_EQ(have_senses(batch), std::vector<bool>(6, true));
  batch.modalities[0].rows = torch::tensor({2, 3}, torch::kInt64);
  batch.modalities[1].rows = torch::tensor({3, 5}, torch::kInt64);
  if (batch.modalities.size() > 2) batch.modalities.resize(2);
  EXPECT_EQ(have_senses(batch), (std::vector<bool>{false, false, true, true, false, true}));
}

TEST(Concatenate, IsEvenIfBothAre) {
  Task task = some_task();
  for (const bool first : {false, true})
    for (const bool second : {false, true}) {
      task.support.even = first;
      task.query.even = second;
      EXPECT_EQ(concatenate(task.support, task.query).even, first && second);
    }
}

TEST(Concatenate, KeepsOrderAndPadsSequences) {
  const Task task = some_task();
  const Batch both = concatenate(task.support, task.query);
  EXPECT_EQ(both.size, 15);
  EXPECT_EQ(both.labels.numel(), 15);
  const auto& text = both.modalities[1];
  EXPECT_EQ(text.values.size(0), text.rows.numel());
  EXPECT_EQ(
      text.mask.sum().item<float>(),
      (task.support.modalities[1].mask.sum() + task.query.modalities[1].mask.sum()).item<float>());
  EXPECT_TRUE(text.rows.diff().gt(0).all().item<bool>());
}

TEST(DropModalities, IsAFunctionOfTheKeyAndLeavesEverySampleSomething) {
  const Batch batch = some_task().query;
  const RandomKey key{1, Stream::kTesting, 2, 3};
  const Batch once = drop_modalities(batch, 0.9, key), again = drop_modalities(batch, 0.9, key);
  auto left = torch::zeros({batch.size});
  for (std::size_t m = 0; m < 2; ++m) {
    EXPECT_TRUE(torch::equal(once.modalities[m].rows, again.modalities[m].rows));
    left.index_add_(0, once.modalities[m].rows, torch::ones({once.modalities[m].rows.numel()}));
  }
  EXPECT_EQ(left.min().item<float>(), 1.0f);
  EXPECT_LT(left.sum().item<float>(), static_cast<float>(2 * batch.size - 4));
}

TEST(DropModalities, HidesAtTheStatedRate) {
  const Batch batch = some_task().query;
  std::int64_t before = 0, after = 0;
  for (std::uint32_t slot = 0; slot < 400; ++slot) {
    const Batch kept = drop_modalities(batch, 0.2, {1, Stream::kTesting, 0, slot});
    for (std::size_t m = 0; m < 2; ++m) {
      before += batch.modalities[m].rows.numel();
      after += kept.modalities[m].rows.numel();
    }
  }
  // 5 of the 9 samples have both; of those two in expectation 2 * 0.2 - 0.2^2 = 0.36 go.
  const double both = 5.0 / 13.0;
  EXPECT_NEAR(1.0 - static_cast<double>(after) / static_cast<double>(before), both * 0.36, 0.02);
}

TEST(Text, DecodesUtf8AndSurvivesGarbage) {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x90\x99";  // a, e acute, euro, octopus
  const auto tokens = text_tokens(reinterpret_cast<const std::uint8_t*>(text.data()), 10, 0);
  ASSERT_EQ(tokens.numel(), 4);
  EXPECT_EQ(tokens[0].item<std::int64_t>(), 'a');
  EXPECT_EQ(tokens[1].item<std::int64_t>(), 0xE9);
  EXPECT_GE(tokens[3].item<std::int64_t>(), kTextTokens / 2);
  const std::uint8_t broken[] = {0xFF, 0xE2, 0x82, 'x'};
  EXPECT_EQ(text_tokens(broken, 4, 0).numel(), 4);
  EXPECT_EQ(text_tokens(broken, 0, 0).numel(), 1);
  EXPECT_EQ(text_tokens(broken, 4, 2).numel(), 2);
}

TEST(Norm, MaskedStatisticsEqualThoseOfTheRealSteps) {
  ParameterLayout layout;
  const Section section("batch");
  const auto norm = builtin_norms().at("batch").make({section, layout, "norm", 3});
  const Tensors parameters{torch::tensor({1.0, 2.0, 0.5}, torch::kFloat64),
                           torch::tensor({0.1, 0.2, 0.3}, torch::kFloat64)};
  torch::manual_seed(2);
  const auto x = torch::randn({1, 3, 7}, torch::kFloat64);
  const auto expected = norm->forward(parameters, x, {}, {});
  const auto padded = torch::constant_pad_nd(x, {0, 4}, 100.0);
  const auto mask = torch::constant_pad_nd(torch::ones({1, 7}, torch::kFloat64), {0, 4});
  const auto masked = norm->forward(parameters, padded, mask, {});
  EXPECT_TRUE(torch::allclose(masked.narrow(2, 0, 7), expected, 1e-10, 1e-10));
  EXPECT_EQ(masked.narrow(2, 7, 4).abs().max().item<double>(), 0.0);
}

/// A second of a tone of this pitch.
torch::Tensor tone_of(double hertz, double peak) {
  const auto time = torch::arange(8000) / 8000.0;
  return (torch::sin(2 * M_PI * hertz * time) * peak).to(torch::kInt16);
}

TEST(LogMel, ATonePeaksInItsFilterAtItsLevel) {
  const LogMel mel(8000, 40);
  const auto features = mel.forward(tone_of(1000, 8000));
  EXPECT_EQ(features.size(0), 40);
  EXPECT_EQ(features.size(1), 2 + (8000 - 256) / 128);
  // 1000 Hz is mel 1000 of 2146, so filter 18 of 40.
  EXPECT_NEAR(static_cast<double>(features.mean(1).argmax().item<std::int64_t>()), 18.0, 1.0);
  // A quarter of the amplitude is a sixteenth of the power, in the filters that hear the tone.
  const auto quieter = features - mel.forward(tone_of(1000, 2000));
  EXPECT_NEAR(quieter.max().item<double>(), std::log(16.0) / 4, 0.02);
  const auto other = mel.forward(tone_of(2000, 8000));
  EXPECT_GT((features - other).mean(1).abs().max().item<double>(), 1.0);
}

TEST(LogMel, TheLastFrameEndsWithTheRecording) {
  const LogMel mel(8000, 40);
  const auto tone = tone_of(1000, 8000);
  const std::vector<std::pair<std::int64_t, std::int64_t>> frames_of = {
      {10, 1}, {256, 1}, {257, 2}, {320, 2}, {384, 2}, {385, 3}};
  for (const auto& [length, frames] : frames_of)
    EXPECT_EQ(mel.forward(tone.narrow(0, 0, length)).size(1), frames) << length;
  const auto clip = mel.forward(tone.narrow(0, 0, 320));
  const auto first = mel.forward(tone.narrow(0, 0, 256));
  const auto last = mel.forward(tone.narrow(0, 64, 256));
  EXPECT_TRUE(torch::allclose(clip, torch::cat({first, last}, 1)));
  const auto silence = mel.forward(torch::zeros({10}, torch::kInt16));
  EXPECT_TRUE(torch::allclose(silence, torch::full({40, 1}, (std::log(1e-6) + 4) / 4)));
}

TEST(LogMel, CentredAsEarlierVersionsDidLoudnessCancels) {
  const LogMel mel(8000, 40, /*centred=*/true);
  const auto features = mel.forward(tone_of(1000, 8000));
  EXPECT_EQ(features.size(1), 1 + (8000 - 256) / 128);
  EXPECT_LT((mel.forward(tone_of(1000, 2000)) - features).abs().mean().item<double>(), 0.2);
  EXPECT_LT(features.mean(1).abs().max().item<double>(), 1e-4);
  // A tone that stops: its filter has the strongest contrast.
  auto stops = tone_of(1000, 8000);
  stops.slice(0, 4000).zero_();
  const auto contrast = mel.forward(stops).slice(1, 0, 20).mean(1);
  EXPECT_NEAR(static_cast<double>(contrast.argmax().item<std::int64_t>()), 18.0, 1.0);
}

}  // namespace
}  // namespace cuttle
