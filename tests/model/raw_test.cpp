// Raw features of every kind of sense against loops and known numbers, and models without
// parameters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/model/model.hpp"
#include "model/encoders/raw_features.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;
using Values = std::map<std::string, std::string>;

template <class T>
RawModality raw_of(const std::vector<std::vector<T>>& samples) {
  RawModality raw;
  raw.offsets.push_back(0);
  for (const auto& sample : samples) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(sample.data());
    raw.bytes.insert(raw.bytes.end(), bytes, bytes + sample.size() * sizeof(T));
    raw.offsets.push_back(static_cast<std::int64_t>(raw.bytes.size()));
    raw.present.push_back(1);
  }
  return raw;
}

/// What a model of this sense alone makes of samples.
torch::Tensor features(const ModalitySpec& spec, const RawModality& raw, const Values& keys = {}) {
  ModelOptions options;
  options.encoders[spec.name] = Section("raw", keys);
  const Model model(options, {spec}, 0, 0, ModelRegistry{});
  EXPECT_EQ(model.layout()->flat_size(), 0);
  EXPECT_TRUE(model.samples_apart());
  RawBatch batch;
  batch.size = static_cast<std::int64_t>(raw.present.size());
  batch.modalities.push_back(raw);
  const auto embedding = model.embed({}, model.prepare(batch, 2), {});
  EXPECT_EQ(embedding.parts[0].size(1), model.fusion().part_widths()[0]);
  return embedding.parts[0];
}

TEST(Raw, PicturesAreScaledDownByAreas) {
  const ModalitySpec spec{"x", ModalityKind::kImage, {4, 5, 2}, 0.0, {0.4f}, {0.3f}};
  std::vector<std::uint8_t> picture;
  for (int i = 0; i < 40; ++i) picture.push_back(static_cast<std::uint8_t>(i * i % 251));
  const auto at = [&](int row, int column, int channel) {
    return picture[static_cast<std::size_t>((row * 5 + column) * 2 + channel)] / 255.0;
  };
  const auto whole = features(spec, raw_of<std::uint8_t>({picture, picture}));
  ASSERT_EQ(whole.sizes(), torch::IntArrayRef({2, 40}));
  for (int i = 0; i < 40; ++i)
    EXPECT_FLOAT_EQ(whole[1][i].item<float>(), static_cast<float>(picture[i] / 255.0));
  // Rows in pairs; columns 0, 1 and 2 (their middles are at 0.5, 1.5 and 2.5, the border) and 3, 4.
  const auto small = features(spec, raw_of<std::uint8_t>({picture}), {{"side", "2"}});
  ASSERT_EQ(small.sizes(), torch::IntArrayRef({1, 8}));
  for (int row = 0; row < 2; ++row)
    for (int channel = 0; channel < 2; ++channel) {
      double left = 0, right = 0;
      for (int r = 2 * row; r < 2 * row + 2; ++r) {
        for (int c = 0; c < 3; ++c) left += at(r, c, channel) / 6;
        for (int c = 3; c < 5; ++c) right += at(r, c, channel) / 4;
      }
      EXPECT_NEAR(small[0][row * 4 + channel].item<double>(), left, 1e-6);
      EXPECT_NEAR(small[0][row * 4 + 2 + channel].item<double>(), right, 1e-6);
    }
}

/// Of one character "a" between spaces: the CRC-32 of " ", "a", " a", "a ", " a ", as zlib has it.
TEST(Raw, VideosAreTheirMeanPicture) {
  const ModalitySpec picture{"x", ModalityKind::kImage, {4, 5, 2}, 0.0, {0.4f}, {0.3f}};
  ModalitySpec video = picture;
  video.kind = ModalityKind::kVideo;
  std::vector<std::vector<std::uint8_t>> frames(3);
  std::vector<std::uint8_t> whole;
  for (int i = 0; i < 120; ++i) {
    whole.push_back(static_cast<std::uint8_t>(i * i % 251));
    frames[static_cast<std::size_t>(i / 40)].push_back(whole.back());
  }
  const Values keys{{"side", "2"}};
  const auto found = features(video, raw_of<std::uint8_t>({whole, frames[1]}), keys);
  const auto each = features(picture, raw_of<std::uint8_t>(frames), keys);
  EXPECT_TRUE(torch::allclose(found[0], each.mean(0)));
  EXPECT_TRUE(torch::equal(found[1], each[1]));
}

TEST(Raw, TextsAreCountsOfHashedNGrams) {
  const ModalitySpec spec{"x", ModalityKind::kText, {}, 0.0, {}, {}};
  const std::uint32_t space = 0xe96ccf45u, a = 0xe8b7be43u;
  const auto made = features(spec, raw_of<char>({{'A'}, {}}), {{"buckets", "1000003"}});
  EXPECT_EQ(made[0].sum().item<double>(), 6.0);
  EXPECT_EQ(made[0][space % 1000003].item<double>(), 2.0);
  EXPECT_EQ(made[0][a % 1000003].item<double>(), 1.0);
  EXPECT_EQ(made[0].gt(0).sum().item<std::int64_t>(), 5);
  EXPECT_EQ(made[1][space % 1000003].item<double>(), 2.0);  // nothing between two spaces
  EXPECT_EQ(made[1].sum().item<double>(), 3.0);
  const auto wide = features(spec, raw_of<char>({{'\xc3', '\xa9', '\xe7', '\x8a', '\xac'}}));
  EXPECT_EQ(wide[0].sum().item<double>(), 4 + 3 + 2);  // "é犬": two characters
}

TEST(Raw, LettersAreInLowerCase) {
  EXPECT_EQ(lower_case("ABC xyz 1"), "abc xyz 1");
  EXPECT_EQ(lower_case("ÄÖÜß×Ø ŁŐŠŽŸ"), "äöüß×ø łőšžÿ");
  EXPECT_EQ(lower_case("ΆΈΊΌΎΏ ΑΩΫ ЀЁЯ Ґ"), "άέίόύώ αωϋ ѐёя ґ");
  EXPECT_EQ(lower_case("犬 🐕"), "犬 🐕");
  EXPECT_EQ(lower_case("\xc3"), "\xc3");  // cut off
}

TEST(Raw, SeriesAreInterpolated) {
  const ModalitySpec spec{"x", ModalityKind::kSeries, {2}, 0.0, {1.0f, 10.0f}, {2.0f, 5.0f}};
  const auto raw = raw_of<float>({{0, 10, 1, 20, 4, 0}, {7, 8}});
  const auto made = features(spec, raw, {{"steps", "5"}});
  const auto expected = torch::tensor({0.0, 0.5, 1.0, 2.5, 4.0, 10.0, 15.0, 20.0, 10.0, 0.0});
  EXPECT_TRUE(torch::allclose(made[0], expected.to(torch::kFloat32)));
  EXPECT_TRUE(
      torch::allclose(made[1], torch::tensor({7.f, 7.f, 7.f, 7.f, 7.f, 8.f, 8.f, 8.f, 8.f, 8.f})));
  const auto units = features(spec, raw, {{"steps", "1"}, {"standardise", "true"}});
  EXPECT_TRUE(torch::allclose(units[0], torch::tensor({-0.5f, 0.0f})));
}

/// A star of ten nodes, whose middle is the end of nine edges, and one node that is its own.
TEST(Raw, GraphsAreTheirFeaturesAndDegrees) {
  const ModalitySpec spec{"x", ModalityKind::kGraph, {2}, 0.0, {1.0f, 10.0f}, {2.0f, 5.0f}};
  std::vector<std::int32_t> star{10}, own{1};
  const auto add = [](std::vector<std::int32_t>& to, float value) {
    std::int32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    to.push_back(bits);
  };
  for (int i = 0; i < 10; ++i) {
    add(star, static_cast<float>(i));
    add(star, 3.0f);
  }
  for (std::int32_t i = 1; i < 10; ++i) star.insert(star.end(), {0, i});
  for (const float value : {7.0f, -2.0f}) add(own, value);
  own.insert(own.end(), {0, 0});
  const auto raw = raw_of<std::int32_t>({star, own});
  const auto made = features(spec, raw);
  const auto expected =
      torch::tensor({4.5, 3.0, std::sqrt(8.25), 0.0, 0.0, 0.9, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1});
  EXPECT_TRUE(torch::allclose(made[0], expected.to(torch::kFloat32)));
  EXPECT_TRUE(torch::allclose(
      made[1], torch::tensor({7.f, -2.f, 0.f, 0.f, 0.f, 0.f, 1.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f})));
  const auto units = features(spec, raw, {{"standardise", "true"}});
  EXPECT_TRUE(torch::allclose(units[1].narrow(0, 0, 2), torch::tensor({3.0f, -2.4f})));
}

TEST(Raw, VectorsAreAsTheyCome) {
  const ModalitySpec spec{"x", ModalityKind::kVector, {2}, 0.0, {1.0f, 10.0f}, {2.0f, 5.0f}};
  const auto raw = raw_of<float>({{3, 15}, {1, 0}});
  EXPECT_TRUE(torch::allclose(features(spec, raw), torch::tensor({{3.f, 15.f}, {1.f, 0.f}})));
  EXPECT_TRUE(torch::allclose(features(spec, raw, {{"standardise", "true"}}),
                              torch::tensor({{1.f, 1.f}, {0.f, -2.f}})));
}

/// What triangle `band` of 40, equally wide on the mel scale, gives a frequency.
double share_of(int band, double at, double rate) {
  const auto hertz = [&](int i) {
    const double top = 2595 * std::log10(1 + rate / 2 / 700);
    return 700 * (std::pow(10, i * top / 41 / 2595) - 1);
  };
  const double left = hertz(band), centre = hertz(band + 1), right = hertz(band + 2);
  return std::max(0.0, std::min((at - left) / (centre - left), (right - at) / (right - centre)));
}

/// By a discrete Fourier transform in loops, of two windows.
TEST(Raw, SoundsAreMeanAndDeviationOfBands) {
  const double rate = 1000;  // windows of 25, every 10
  std::vector<std::int64_t> samples;
  for (int i = 0; i < 36; ++i)
    samples.push_back(static_cast<std::int64_t>(9000 * std::sin(0.6 * i * i) + 200 * i));
  const auto made = RawSound(rate)(torch::tensor(samples).to(torch::kInt16));
  ASSERT_EQ(made.numel(), 2 * RawSound::kBands);
  int heard = 0;  // triangles are narrow: few have a frequency of these windows
  for (int band = 0; band < RawSound::kBands; ++band) {
    std::vector<double> logs;
    for (const int first : {0, 10}) {
      double sum = 0;
      for (int bin = 0; bin <= 12; ++bin) {
        double re = 0, im = 0;
        for (int i = 0; i < 25; ++i) {
          const double hann = 0.5 - 0.5 * std::cos(2 * M_PI * i / 24);
          const double x =
              hann * static_cast<double>(samples[static_cast<std::size_t>(first + i)]) / 32768.0;
          re += x * std::cos(2 * M_PI * bin * i / 25);
          im -= x * std::sin(2 * M_PI * bin * i / 25);
        }
        sum += share_of(band, bin * rate / 25, rate) * (re * re + im * im);
      }
      logs.push_back(std::log(sum + 1e-6));
    }
    heard += logs[0] > -13 ? 1 : 0;
    EXPECT_NEAR(made[band].item<double>(), (logs[0] + logs[1]) / 2, 1e-5);
    EXPECT_NEAR(made[RawSound::kBands + band].item<double>(), std::abs(logs[0] - logs[1]) / 2,
                1e-5);
  }
  EXPECT_GE(heard, 10);
  EXPECT_TRUE(RawSound(rate)(torch::zeros({3}, torch::kInt16)).isfinite().all().item<bool>());
}

TEST(Raw, KeysOfAnotherKindAreRefused) {
  const ModalitySpec spec{"x", ModalityKind::kVector, {2}, 0.0, {}, {}};
  try {
    features(spec, raw_of<float>({{1, 2}}), {{"side", "8"}});
    FAIL();
  } catch (const UserError& problem) {
    EXPECT_THAT(problem.what(),
                HasSubstr("model.encoders.x.side: is about images and video, and x is vector"));
  }
}

/// Two senses and no parameters: fused, and each as a part with equal weights, where samples lack
/// some, or all of them.
TEST(Raw, ModelsMayHaveNoParameters) {
  const ModalitySpec x{"x", ModalityKind::kVector, {2}, 0.0, {}, {}};
  ModalitySpec y = x;
  y.name = "y";
  for (const bool late : {true, false}) {
    ModelOptions options;
    options.fusion = late ? Section("late", {{"late_weights", "equal"}})
                          : Section("concat", {{"missing", "zeros"}});
    options.encoders["x"] = options.encoders["y"] = Section("raw");
    const Model model(options, {x, y}, 0, 0, ModelRegistry{});
    EXPECT_EQ(model.layout()->flat_size(), 0);
    for (const bool none : {false, true}) {
      RawBatch raw;
      raw.size = 2;
      raw.modalities = {raw_of<float>({{1, 2}}), raw_of<float>({{3, 4}})};
      raw.modalities[0].present = {1, 0};
      raw.modalities[0].offsets = {0, 8, 8};
      raw.modalities[1].present = {0, 1};
      raw.modalities[1].offsets = {0, 0, 8};
      if (none)
        for (auto& sense : raw.modalities) sense = {{}, {0, 0, 0}, {0, 0}};
      const Embedding seen = model.embed({}, model.prepare(raw, 2), {});
      EXPECT_EQ(seen.complete, !late);
      EXPECT_EQ(seen.parts.size(), late ? 2u : 1u);
      EXPECT_EQ(seen.parts[0].sum().item<double>(), none ? 0.0 : late ? 3.0 : 10.0);
      if (!late) continue;
      EXPECT_TRUE(torch::allclose(seen.weights, torch::tensor({0.5f, 0.5f})));
      EXPECT_EQ(seen.mask.sum().item<double>(), none ? 0.0 : 2.0);
    }
  }
}

}  // namespace
}  // namespace cuttle
