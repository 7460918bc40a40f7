// Each strength does what it says, by as much as asked, and nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "sense/augment_support.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kSide = 20;

const ModalitySpec kImage = sense_of(ModalityKind::kImage, {kSide, kSide, 1});
const ModalitySpec kColour = sense_of(ModalityKind::kImage, {1, 1, 3});
const ModalitySpec kText = sense_of(ModalityKind::kText);
const ModalitySpec kAudio = sense_of(ModalityKind::kAudio);
const ModalitySpec kSeries = sense_of(ModalityKind::kSeries, {2});
const ModalitySpec kVector = sense_of(ModalityKind::kVector, {4});

Sample version(const Sample& sample, const ModalitySpec& spec, const ImageAugmentation& image,
               std::uint32_t slot) {
  return version_of(sample, spec, only([&](AugmentOptions& how) { how.image = image; }), slot);
}
std::vector<std::int16_t> version(const std::vector<std::int16_t>& wave,
                                  const AudioAugmentation& audio, std::uint32_t slot) {
  const auto how = only([&](AugmentOptions& o) { o.audio = audio; });
  return values_of<std::int16_t>(version_of(bytes_of_values(wave), kAudio, how, slot));
}
std::string version(const std::string& text, const TextAugmentation& strengths,
                    std::uint32_t slot) {
  const auto how = only([&](AugmentOptions& o) { o.text = strengths; });
  const Sample made = version_of(Sample(text.begin(), text.end()), kText, how, slot);
  return {made.begin(), made.end()};
}
std::vector<float> version(const std::vector<float>& steps, const SeriesAugmentation& series,
                           std::uint32_t slot, const ModalitySpec& spec = kSeries) {
  const auto how = only([&](AugmentOptions& o) { o.series = series; });
  return values_of<float>(version_of(bytes_of_values(steps), spec, how, slot));
}

/// A dark image with one bright pixel.
Sample star(std::int64_t y, std::int64_t x) {
  Sample image(kSide * kSide, 0);
  image[static_cast<std::size_t>(y * kSide + x)] = 255;
  return image;
}
Sample dark_above_bright() {
  Sample halves(kSide * kSide, 200);
  std::fill(halves.begin(), halves.begin() + kSide * kSide / 2, 100);
  return halves;
}

TEST(AugmentImage, MovesByItsShareAtMost) {
  std::set<std::pair<std::int64_t, std::int64_t>> moves;
  for (std::uint32_t slot = 0; slot < 400; ++slot) {
    const auto moved = version(star(10, 10), kImage, {0.1, 0, 0, false, 0, 0, 0, 0}, slot);
    const auto at = std::find(moved.begin(), moved.end(), 255) - moved.begin();
    ASSERT_EQ(std::count(moved.begin(), moved.end(), 255), 1);
    moves.emplace(at / kSide - 10, at % kSide - 10);
  }
  EXPECT_EQ(moves.size(), 25u);  // -2 to 2 in both directions
  EXPECT_EQ(*moves.begin(), std::make_pair(std::int64_t{-2}, std::int64_t{-2}));
  EXPECT_EQ(*moves.rbegin(), std::make_pair(std::int64_t{2}, std::int64_t{2}));
}

TEST(AugmentImage, IsMirroredHalfOfTheTime) {
  int mirrored = 0;
  for (std::uint32_t slot = 0; slot < 400; ++slot) {
    const auto image = version(star(3, 4), kImage, {0, 0, 0, true, 0, 0, 0, 0}, slot);
    EXPECT_TRUE(image == star(3, 4) || image == star(3, kSide - 1 - 4));
    mirrored += image != star(3, 4);
  }
  EXPECT_NEAR(mirrored, 200, 40);
}

/// Where the bright part of an image has its centre, and the angle of its longest direction in
/// degrees.
struct Bar {
  double y = 0, x = 0, weight = 0, angle = 0;
  explicit Bar(const Sample& image) {
    double yy = 0, xx = 0, yx = 0;
    const auto sum = [&](const auto& add) {
      for (std::int64_t i = 0; i < kSide * kSide; ++i)
        add(static_cast<double>(i / kSide), static_cast<double>(i % kSide),
            static_cast<double>(image[static_cast<std::size_t>(i)]));
    };
    sum([&](double at_y, double at_x, double w) {
      weight += w;
      y += w * at_y;
      x += w * at_x;
    });
    y /= weight;
    x /= weight;
    sum([&](double at_y, double at_x, double w) {
      yy += w * (at_y - y) * (at_y - y);
      xx += w * (at_x - x) * (at_x - x);
      yx += w * (at_y - y) * (at_x - x);
    });
    angle = 90 / M_PI * std::atan2(2 * yx, xx - yy);
  }
};

TEST(AugmentImage, ABarIsTurnedAboutTheCentre) {
  Sample bar(kSide * kSide, 0);
  for (std::int64_t y : {9, 10})
    for (std::int64_t x = 4; x < 16; ++x) bar[static_cast<std::size_t>(y * kSide + x)] = 255;
  const double weight = Bar(bar).weight;
  std::vector<double> angles;
  for (std::uint32_t slot = 0; slot < 100; ++slot) {
    const Bar turned(version(bar, kImage, {0, 0, 30, false, 0, 0, 0, 0}, slot));
    EXPECT_NEAR(turned.y, 9.5, 0.1);
    EXPECT_NEAR(turned.x, 9.5, 0.1);
    EXPECT_NEAR(turned.weight / weight, 1, 0.05);
    angles.push_back(turned.angle);
  }
  EXPECT_NEAR(*std::min_element(angles.begin(), angles.end()), -29, 2);
  EXPECT_NEAR(*std::max_element(angles.begin(), angles.end()), 29, 2);
}

TEST(AugmentImage, ACropEnlargesWhatIsLeft) {
  Sample square(kSide * kSide, 0);
  for (std::int64_t i = 0; i < 36; ++i)
    square[static_cast<std::size_t>((7 + i / 6) * kSide + 7 + i % 6)] = 255;
  std::vector<double> grown, places;
  for (std::uint32_t slot = 0; slot < 100; ++slot) {
    const Bar found(version(square, kImage, {0, 0.4, 0, false, 0, 0, 0, 0}, slot));
    grown.push_back(found.weight / Bar(square).weight);
    places.push_back(found.x);
  }
  EXPECT_NEAR(*std::min_element(grown.begin(), grown.end()), 1, 0.1);
  EXPECT_NEAR(*std::max_element(grown.begin(), grown.end()), 1 / 0.36, 0.3);
  EXPECT_LT(*std::min_element(places.begin(), places.end()), 8);
  EXPECT_GT(*std::max_element(places.begin(), places.end()), 11);
}

TEST(AugmentImage, LosesAnAreaToItsMean) {
  const Sample halves = dark_above_bright();
  for (std::uint32_t slot = 0; slot < 50; ++slot) {
    const auto image = version(halves, kImage, {0, 0, 0, false, 0, 0, 0, 0.25}, slot);
    EXPECT_EQ(std::count(image.begin(), image.end(), 150), 100);  // a quarter of 400
    for (std::size_t i = 0; i < image.size(); ++i)
      EXPECT_TRUE(image[i] == 150 || image[i] == halves[i]);
  }
}

TEST(AugmentImage, BrightnessAndContrastStayInRange) {
  std::set<int> contrasts, levels;
  for (std::uint32_t slot = 0; slot < 200; ++slot) {
    const auto image = version(dark_above_bright(), kImage, {0, 0, 0, false, 0.2, 0.3, 0, 0}, slot);
    const int dark = image.front(), bright = image.back();
    EXPECT_NEAR(0.5 * (dark + bright), 150, 51.5);  // 0.2 of 255
    EXPECT_NEAR(bright - dark, 100, 31.5);
    contrasts.insert(bright - dark);
    levels.insert((dark + bright) / 2);
  }
  EXPECT_GT(contrasts.size(), 20u);
  EXPECT_GT(levels.size(), 40u);
}

TEST(AugmentImage, ColoursFadeAndGlowAboutTheirGrey) {
  std::set<int> differences;
  for (std::uint32_t slot = 0; slot < 100; ++slot) {
    const auto pixel = version({180, 100, 60}, kColour, {0, 0, 0, false, 0, 0, 0.5, 0}, slot);
    EXPECT_NEAR(0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2], 119.4, 1);
    EXPECT_NEAR((pixel[0] - pixel[2]) / 120.0, 1, 0.51);
    differences.insert(pixel[0] - pixel[2]);
    const Sample grey{90, 90, 90};
    EXPECT_EQ(version(grey, kColour, {0, 0, 0, false, 0, 0, 0.5, 0}, slot), grey);
  }
  EXPECT_GT(differences.size(), 30u);
}

TEST(AugmentAudio, MovesFadesAndFallsSilent) {
  const std::vector<std::int16_t> tone(1000, 1000);
  std::set<std::int16_t> gains;
  std::set<std::int64_t> earlier, later;
  for (std::uint32_t slot = 0; slot < 50; ++slot) {
    const auto moved = version(tone, {0.2, 0, 0, 0, 0}, slot);
    const auto silent = std::count(moved.begin(), moved.end(), 0);
    EXPECT_LE(silent, 200);
    (moved[0] == 0 ? later : earlier).insert(silent);
    const auto gap = version(tone, {0, 0, 0, 0.3, 0}, slot);
    EXPECT_EQ(std::count(gap.begin(), gap.end(), 0), 300);
    const auto loud = version(tone, {0, 0.5, 0, 0, 0}, slot);
    EXPECT_GE(loud[0], 606);  // 1000 exp(+-0.5)
    EXPECT_LE(loud[0], 1649);
    EXPECT_EQ(std::count(loud.begin(), loud.end(), loud[0]), 1000);
    gains.insert(loud[0]);
  }
  EXPECT_GT(gains.size(), 40u);
  EXPECT_GT(earlier.size(), 10u);
  EXPECT_GT(later.size(), 10u);
}

TEST(AugmentAudio, NoiseIsAShareOfTheLoudness) {
  std::vector<std::int16_t> wave(4000);
  for (std::size_t i = 0; i < wave.size(); ++i) wave[i] = i % 2 == 0 ? 8000 : -8000;
  std::vector<double> levels;
  for (std::uint32_t slot = 0; slot < 40; ++slot) {
    const auto noisy = version(wave, {0, 0, 0.1, 0, 0}, slot);
    double squares = 0, neighbours = 0, before = 0;
    for (std::size_t i = 0; i < wave.size(); ++i) {
      const double noise = noisy[i] - wave[i];
      squares += noise * noise;
      neighbours += noise * before;
      before = noise;
    }
    EXPECT_LT(std::abs(neighbours), 0.1 * squares);  // white
    levels.push_back(std::sqrt(squares / 4000) / 8000);
  }
  EXPECT_LE(*std::max_element(levels.begin(), levels.end()), 0.102);
  EXPECT_GT(*std::max_element(levels.begin(), levels.end()), 0.08);
  EXPECT_LT(*std::min_element(levels.begin(), levels.end()), 0.02);
  const std::vector<std::int16_t> silence(100, 0), full(100, 32767);
  EXPECT_EQ(version(silence, {0, 0, 0.5, 0, 0}, 1), silence);
  for (const std::int16_t value : version(full, {0, 0, 10, 0, 0}, 1)) EXPECT_LE(value, 32767);
}

/// The amplitude of a frequency in the middle of a wave of 8 kHz.
double amplitude(const std::vector<std::int16_t>& wave, double hertz) {
  double sine = 0, cosine = 0, count = 0;
  for (std::size_t i = 400; i + 400 < wave.size(); ++i, ++count) {
    const double angle = 2 * M_PI * hertz / 8000 * static_cast<double>(i);
    sine += wave[i] * std::sin(angle);
    cosine += wave[i] * std::cos(angle);
  }
  return 2 * std::hypot(sine, cosine) / count;
}

TEST(AugmentAudio, ABandMaskTakesOneSineAndLeavesAnother) {
  std::vector<std::int16_t> wave(4000);
  for (std::size_t i = 0; i < wave.size(); ++i) {
    const double t = 2 * M_PI / 8000 * static_cast<double>(i);
    wave[i] =
        static_cast<std::int16_t>(std::lround(8000 * (std::sin(500 * t) + std::sin(2500 * t))));
  }
  int low = 0, high = 0, none = 0;
  for (std::uint32_t slot = 0; slot < 60; ++slot) {
    const auto masked = version(wave, {0, 0, 0, 0, 0.3}, slot);
    ASSERT_EQ(masked.size(), wave.size());
    const double a = amplitude(masked, 500), b = amplitude(masked, 2500);
    EXPECT_TRUE(a > 7900 || b > 7900);  // 0.3 of the mel scale never has both
    EXPECT_LT(a, 8100);
    EXPECT_LT(b, 8100);
    low += a < 100;
    high += b < 100;
    none += a > 7900 && b > 7900;
  }
  EXPECT_GT(low, 10);
  EXPECT_GT(high, 10);
  EXPECT_GT(none, 2);
  for (const std::size_t few : {0u, 1u, 20u}) {
    const std::vector<std::int16_t> shortest(few, 77);
    EXPECT_EQ(version(shortest, {0.1, 0.1, 0.1, 0.1, 0.1}, 1).size(), few);
  }
}

TEST(AugmentText, LosesWholeCharacters) {
  const std::string text = "gr\xC3\xBC\xC3\x9F dich, sch\xC3\xB6ne welt";
  std::size_t characters = 0, shorter = 0;
  for (std::uint32_t slot = 0; slot < 300; ++slot) {
    const std::string left = version(text, {0.3, 0}, slot);
    std::size_t at = 0;
    for (std::size_t i = 0; i < left.size();) {  // a subsequence of characters
      std::size_t end = i + 1;
      while (end < left.size() && (left[end] & 0xC0) == 0x80) ++end;
      const std::string character = left.substr(i, end - i);
      at = text.find(character, at);
      ASSERT_NE(at, text.npos);
      at += character.size();
      i = end;
      ++characters;
    }
    shorter += left.size() < text.size();
  }
  EXPECT_NEAR(static_cast<double>(characters) / 300, 0.7 * 21 + 1, 0.5);
  EXPECT_GT(shorter, 280u);
  // Never nothing, and then one character, any of them.
  std::set<char> kept;
  double left = 0;
  for (std::uint32_t slot = 0; slot < 400; ++slot) {
    const std::string few = version("xyz", {0.9, 0}, slot);
    ASSERT_GE(few.size(), 1u);
    kept.insert(few.front());
    left += static_cast<double>(few.size());
  }
  EXPECT_EQ(kept.size(), 3u);
  EXPECT_NEAR(left / 400, 1.2, 0.12);
}

TEST(AugmentText, LosesWholeWordsButForOne) {
  std::set<std::string> made;
  for (std::uint32_t slot = 0; slot < 300; ++slot)
    made.insert(version("one two  three", {0, 0.5}, slot));
  EXPECT_EQ(made, (std::set<std::string>{"one two  three", "one two", "one three", "two  three",
                                         "one", "two", "three"}));
  for (std::uint32_t slot = 0; slot < 20; ++slot) {
    EXPECT_EQ(version("word", {0, 0.9}, slot), "word");
    EXPECT_EQ(version(" word\n", {0, 0.9}, slot), " word\n");
    EXPECT_EQ(version("", {0.9, 0.9}, slot), "");
    EXPECT_EQ(version("  ", {0, 0.9}, slot), "  ");
    EXPECT_GE(version("a b c d", {0.9, 0.9}, slot).size(), 1u);
  }
}

/// 100 steps: the step's number, and -1.
std::vector<float> count_up() {
  std::vector<float> steps;
  for (int t = 1; t <= 100; ++t) steps.insert(steps.end(), {static_cast<float>(t), -1.0f});
  return steps;
}

TEST(AugmentSeries, AreCutAtBothEndsAndHaveAGap) {
  std::set<std::size_t> starts, ends;
  for (std::uint32_t slot = 0; slot < 100; ++slot) {
    const auto cut = version(count_up(), {0, 0, 0, 0.2, 0.3, 0}, slot);
    starts.insert(static_cast<std::size_t>(cut[0]));
    ends.insert(static_cast<std::size_t>(cut[cut.size() - 2]));
    EXPECT_EQ(cut.size() / 2, static_cast<std::size_t>(cut[cut.size() - 2] - cut[0]) + 1);
    const auto gap = version(count_up(), {0, 0, 0, 0, 0, 0.3}, slot);
    EXPECT_EQ(std::count(gap.begin(), gap.end(), 0.0f), 60);  // 30 steps of both channels
  }
  EXPECT_LE(*starts.rbegin(), 21u);
  EXPECT_GT(starts.size(), 10u);
  EXPECT_GE(*ends.begin(), 70u);
  EXPECT_GT(ends.size(), 15u);
  for (std::uint32_t slot = 0; slot < 50; ++slot) {  // a step stays
    EXPECT_EQ(version({1, 2}, {0, 0, 0.2, 0.5, 0.5, 0}, slot).size(), 2u);
    EXPECT_GE(version({1, 2, 3, 4}, {0, 0, 0.2, 0.5, 0.5, 0}, slot).size(), 2u);
    EXPECT_TRUE(version({}, {0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, slot).empty());
  }
}

TEST(AugmentSeries, TimeRunsOnFromEndToEnd) {
  std::set<float> middles;
  for (std::uint32_t slot = 0; slot < 100; ++slot) {
    const auto warped = version(count_up(), {0, 0, 0.2, 0, 0, 0}, slot);
    ASSERT_EQ(warped.size(), 200u);
    EXPECT_EQ(warped.front(), 1.0f);
    EXPECT_NEAR(warped[198], 100, 1e-4);
    for (std::size_t t = 1; t < 100; ++t) {
      EXPECT_GT(warped[2 * t], warped[2 * t - 2]);
      EXPECT_NEAR(warped[2 * t], static_cast<double>(t) + 1, 20.0);
      EXPECT_EQ(warped[2 * t + 1], -1.0f);
    }
    middles.insert(warped[100]);
  }
  EXPECT_LT(*middles.begin(), 40);
  EXPECT_GT(*middles.rbegin(), 60);
}

TEST(AugmentSeries, ChannelsGrowAboutTheirMean) {
  auto spec = kSeries;
  spec.mean = {10, 0};
  spec.stddev = {1, 1};
  std::set<float> factors;
  for (std::uint32_t slot = 0; slot < 60; ++slot) {
    const auto scaled = version({11, 5, 14, -5}, {0, 0.2, 0, 0, 0, 0}, slot, spec);
    const float factor = scaled[0] - 10;
    EXPECT_NEAR(factor, 1, 0.2001);
    EXPECT_NEAR(scaled[2], 10 + 4 * factor, 1e-4);
    EXPECT_NEAR(scaled[1], -scaled[3], 1e-6);
    EXPECT_NE(scaled[1], 5 * factor);
    factors.insert(factor);
  }
  EXPECT_GT(factors.size(), 50u);
}

TEST(AugmentVector, NoiseGoesByTheDeviation) {
  auto spec = kVector;
  spec.mean = {0, 10, 20, 30};
  spec.stddev = {1, 2, 4, 8};
  std::vector<double> sums(4), squares(4);
  constexpr int kDraws = 4000;
  const auto sample = bytes_of_values<float>({5, 6, 7, 8});
  const auto loud = only([](AugmentOptions& how) { how.vector.noise = 0.5; });
  const auto holes = only([](AugmentOptions& how) { how.vector.erase = 0.4; });
  int blanked = 0;
  for (std::uint32_t slot = 0; slot < kDraws; ++slot) {
    const auto noisy = values_of<float>(version_of(sample, spec, loud, slot));
    for (std::size_t c = 0; c < 4; ++c) {
      const double off = noisy[c] - (5.0 + static_cast<double>(c));
      sums[c] += off;
      squares[c] += off * off;
    }
    const auto erased = values_of<float>(version_of(sample, spec, holes, slot));
    EXPECT_TRUE(erased[3] == 8 || erased[3] == 30);  // its mean
    blanked += erased[3] == 30;
  }
  for (std::size_t c = 0; c < 4; ++c) {
    EXPECT_NEAR(sums[c] / kDraws, 0, 0.05 * spec.stddev[c]);
    EXPECT_NEAR(std::sqrt(squares[c] / kDraws), 0.5 * spec.stddev[c], 0.03 * spec.stddev[c]);
  }
  EXPECT_NEAR(blanked, 0.4 * kDraws, 150);
}

TEST(AugmentVector, CategoriesStayOrBecomeHolesAsAllValuesDoThatAreErased) {
  auto spec = kVector;
  spec.columns = {"a", "b", "c", "d"};
  spec.categories = {{}, {"x", "y", "z"}, {}, {}};
  spec.holes = true;
  const float hole = std::nanf("");
  const auto sample = bytes_of_values<float>({5, 2, hole, 8});
  const auto how = only([](AugmentOptions& o) {
    o.vector.noise = 0.5;
    o.vector.erase = 0.3;
  });
  int holes = 0, changed = 0;
  for (std::uint32_t slot = 0; slot < 1000; ++slot) {
    const auto made = values_of<float>(version_of(sample, spec, how, slot));
    EXPECT_TRUE(made[1] == 2 || std::isnan(made[1]));
    EXPECT_TRUE(std::isnan(made[2]));
    holes += std::isnan(made[1]) ? 1 : 0;
    changed += made[0] != 5 && !std::isnan(made[0]) ? 1 : 0;
  }
  EXPECT_NEAR(holes, 300, 60);
  EXPECT_NEAR(changed, 700, 60);
}

/// A ring of twenty nodes.
TEST(AugmentGraph, LosesEdgesAndItsFeaturesGetNoise) {
  auto spec = sense_of(ModalityKind::kGraph, {2});
  spec.mean = {0, 10};
  spec.stddev = {1, 4};
  std::vector<std::int32_t> words{20};
  words.resize(41, 0);  // features that are 0
  for (std::int32_t i = 0; i < 19; ++i) words.insert(words.end(), {i, i + 1});
  const Sample ring = bytes_of_values(words);
  const auto view = [&](const Sample& sample) {
    return view_graph(sample.data(), static_cast<std::int64_t>(sample.size()), spec);
  };
  const auto sparse = only([](AugmentOptions& how) { how.graph.edges = 0.3; });
  const auto loud = only([](AugmentOptions& how) { how.graph.noise = 0.5; });
  std::int64_t kept = 0;
  double squares[2] = {0, 0};
  constexpr int kDraws = 400;
  for (std::uint32_t slot = 0; slot < kDraws; ++slot) {
    const Sample fewer = version_of(ring, spec, sparse, slot);
    kept += view(fewer).edges;
    EXPECT_TRUE(std::equal(fewer.begin(), fewer.begin() + 164, ring.begin()));
    for (std::int64_t i = 0; i < view(fewer).edges; ++i)
      EXPECT_EQ(view(fewer).edge(i)[1], view(fewer).edge(i)[0] + 1);
    const Sample noisy = version_of(ring, spec, loud, slot);
    ASSERT_EQ(noisy.size(), ring.size());
    EXPECT_TRUE(std::equal(noisy.begin() + 164, noisy.end(), ring.begin() + 164));
    const auto numbers = values_of<float>({view(noisy).features, view(noisy).pairs});
    for (std::size_t i = 0; i < numbers.size(); ++i) squares[i % 2] += numbers[i] * numbers[i];
  }
  EXPECT_NEAR(static_cast<double>(kept) / kDraws, 0.7 * 19, 0.5);
  EXPECT_NEAR(std::sqrt(squares[0] / (20 * kDraws)), 0.5, 0.02);
  EXPECT_NEAR(std::sqrt(squares[1] / (20 * kDraws)), 2.0, 0.08);
}

}  // namespace
}  // namespace cuttle
