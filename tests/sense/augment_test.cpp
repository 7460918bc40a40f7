// Other versions of samples: what may change does, by as much as asked, and nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "cuttle/sense/augment.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kSide = 20;

RandomKey key_of(std::uint32_t slot) {
  return {3, Stream::kTesting, 0, slot};
}

ModalitySpec spec_of(ModalityKind kind, std::vector<std::int64_t> shape = {}) {
  return {"sense", kind, std::move(shape), 0.0, {}, {}};
}

template <class T>
std::vector<std::uint8_t> bytes_of(const std::vector<T>& values) {
  std::vector<std::uint8_t> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}
template <class T>
std::vector<T> values_of(const std::vector<std::uint8_t>& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

RawBatch batch_of(const std::vector<std::vector<std::uint8_t>>& samples) {
  RawBatch batch;
  batch.size = static_cast<std::int64_t>(samples.size());
  batch.modalities.resize(1);
  RawModality& raw = batch.modalities[0];
  raw.offsets = {0};
  for (const auto& sample : samples) {
    raw.bytes.insert(raw.bytes.end(), sample.begin(), sample.end());
    raw.offsets.push_back(static_cast<std::int64_t>(raw.bytes.size()));
    raw.present.push_back(!sample.empty());
    batch.samples.push_back(7);
  }
  return batch;
}

std::vector<std::uint8_t> row(const RawBatch& batch, std::size_t i) {
  const RawModality& raw = batch.modalities[0];
  return {raw.bytes.begin() + raw.offsets[i], raw.bytes.begin() + raw.offsets[i + 1]};
}

/// One version of one sample.
std::vector<std::uint8_t> version(const std::vector<std::uint8_t>& sample, const ModalitySpec& spec,
                                  const Augmentation& how, std::uint32_t slot) {
  return row(augment(batch_of({sample}), {spec}, how, key_of(slot), {false}), 0);
}

/// A dark image with one bright pixel.
std::vector<std::uint8_t> star(std::int64_t y, std::int64_t x) {
  std::vector<std::uint8_t> image(kSide * kSide, 0);
  image[static_cast<std::size_t>(y * kSide + x)] = 255;
  return image;
}

const ModalitySpec kImage = spec_of(ModalityKind::kImage, {kSide, kSide, 1});
const ModalitySpec kText = spec_of(ModalityKind::kText);
const ModalitySpec kAudio = spec_of(ModalityKind::kAudio);
const ModalitySpec kSeries = spec_of(ModalityKind::kSeries, {2});
const ModalitySpec kVector = spec_of(ModalityKind::kVector, {4});

TEST(Augment, ChangesNothingUnlessAsked) {
  const Augmentation none{0, 0, 0, false};
  const auto text = std::vector<std::uint8_t>{'a', 'b', 0xC3, 0xA9};
  const auto audio = bytes_of<std::int16_t>({1, -32768, 32767, 5});
  const auto floats = bytes_of<float>({1.5f, -2.0f, 0.25f, 1e20f});
  for (std::uint32_t slot = 0; slot < 20; ++slot) {
    EXPECT_EQ(version(star(3, 4), kImage, none, slot), star(3, 4));
    EXPECT_EQ(version(text, kText, none, slot), text);
    EXPECT_EQ(version(audio, kAudio, none, slot), audio);
    EXPECT_EQ(version(floats, kSeries, none, slot), floats);
    EXPECT_EQ(version(floats, kVector, none, slot), floats);
  }
}

TEST(Augment, ImagesMoveByTheirShareAtMost) {
  std::set<std::pair<std::int64_t, std::int64_t>> moves;
  for (std::uint32_t slot = 0; slot < 400; ++slot) {
    const auto moved = version(star(10, 10), kImage, {0.1, 0, 0, false}, slot);
    const auto at = std::find(moved.begin(), moved.end(), 255) - moved.begin();
    ASSERT_EQ(std::count(moved.begin(), moved.end(), 255), 1);
    moves.emplace(at / kSide - 10, at % kSide - 10);
  }
  EXPECT_EQ(moves.size(), 25u);  // -2 to 2 in both directions
  EXPECT_EQ(*moves.begin(), std::make_pair(std::int64_t{-2}, std::int64_t{-2}));
  EXPECT_EQ(*moves.rbegin(), std::make_pair(std::int64_t{2}, std::int64_t{2}));
}

TEST(Augment, ImagesAreMirroredHalfOfTheTime) {
  int mirrored = 0;
  for (std::uint32_t slot = 0; slot < 400; ++slot) {
    const auto image = version(star(3, 4), kImage, {0, 0, 0, true}, slot);
    EXPECT_TRUE(image == star(3, 4) || image == star(3, kSide - 1 - 4));
    mirrored += image != star(3, 4);
  }
  EXPECT_NEAR(mirrored, 200, 40);
}

TEST(Augment, ImagesLoseAnAreaToTheirMean) {
  std::vector<std::uint8_t> halves(kSide * kSide, 200);
  std::fill(halves.begin(), halves.begin() + kSide * kSide / 2, 100);
  for (std::uint32_t slot = 0; slot < 50; ++slot) {
    const auto image = version(halves, kImage, {0, 0.25, 0, false}, slot);
    EXPECT_EQ(std::count(image.begin(), image.end(), 150), 100);  // a quarter of 400
    for (std::size_t i = 0; i < image.size(); ++i)
      EXPECT_TRUE(image[i] == 150 || image[i] == halves[i]);
  }
}

TEST(Augment, BrightnessAndContrastStayInRange) {
  std::vector<std::uint8_t> halves(kSide * kSide, 200);
  std::fill(halves.begin(), halves.begin() + kSide * kSide / 2, 100);
  std::set<int> contrasts, levels;
  for (std::uint32_t slot = 0; slot < 200; ++slot) {
    const auto image = version(halves, kImage, {0, 0, 0.2, false}, slot);
    const int dark = image.front(), bright = image.back();
    EXPECT_NEAR(0.5 * (dark + bright), 150, 51.5);  // 0.2 of 255
    EXPECT_NEAR(bright - dark, 100, 21.5);
    contrasts.insert(bright - dark);
    levels.insert((dark + bright) / 2);
  }
  EXPECT_GT(contrasts.size(), 15u);
  EXPECT_GT(levels.size(), 40u);
}

TEST(Augment, TextsLoseWholeCharacters) {
  const std::string text = "gr\xC3\xBC\xC3\x9F dich, sch\xC3\xB6ne welt";
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  std::size_t characters = 0, shorter = 0;
  for (std::uint32_t slot = 0; slot < 300; ++slot) {
    const auto left = version(bytes, kText, {0, 0.3, 0, false}, slot);
    std::size_t at = 0;
    for (std::size_t i = 0; i < left.size();) {  // a subsequence of characters
      std::size_t end = i + 1;
      while (end < left.size() && (left[end] & 0xC0) == 0x80) ++end;
      const std::string character(left.begin() + static_cast<std::ptrdiff_t>(i),
                                  left.begin() + static_cast<std::ptrdiff_t>(end));
      at = text.find(character, at);
      ASSERT_NE(at, text.npos);
      at += character.size();
      i = end;
      ++characters;
    }
    shorter += left.size() < bytes.size();
  }
  EXPECT_NEAR(static_cast<double>(characters) / 300, 0.7 * 21 + 1, 0.5);
  EXPECT_GT(shorter, 280u);
  // Never nothing, and then one character, any of them.
  std::set<std::uint8_t> kept;
  double left = 0;
  for (std::uint32_t slot = 0; slot < 400; ++slot) {
    const auto few = version({'x', 'y', 'z'}, kText, {0, 0.9, 0, false}, slot);
    ASSERT_GE(few.size(), 1u);
    kept.insert(few.front());
    left += static_cast<double>(few.size());
  }
  EXPECT_EQ(kept.size(), 3u);
  EXPECT_NEAR(left / 400, 1.2, 0.12);
}

TEST(Augment, RecordingsMoveFadeAndFallSilent) {
  std::vector<std::int16_t> tone(1000, 1000);
  std::set<std::int16_t> gains;
  std::set<std::int64_t> earlier, later;
  for (std::uint32_t slot = 0; slot < 50; ++slot) {
    const auto moved =
        values_of<std::int16_t>(version(bytes_of(tone), kAudio, {0.2, 0, 0, false}, slot));
    const auto silent = std::count(moved.begin(), moved.end(), 0);
    EXPECT_LE(silent, 200);
    (moved[0] == 0 ? later : earlier).insert(silent);
    const auto gap =
        values_of<std::int16_t>(version(bytes_of(tone), kAudio, {0, 0.3, 0, false}, slot));
    EXPECT_EQ(std::count(gap.begin(), gap.end(), 0), 300);
    const auto loud =
        values_of<std::int16_t>(version(bytes_of(tone), kAudio, {0, 0, 0.5, false}, slot));
    EXPECT_GE(loud[0], 606);  // 1000 exp(+-0.5)
    EXPECT_LE(loud[0], 1649);
    EXPECT_EQ(std::count(loud.begin(), loud.end(), loud[0]), 1000);
    gains.insert(loud[0]);
  }
  EXPECT_GT(gains.size(), 40u);
  EXPECT_GT(earlier.size(), 10u);
  EXPECT_GT(later.size(), 10u);
}

TEST(Augment, NumbersAreNoisyByTheirDeviation) {
  auto spec = kVector;
  spec.mean = {0, 10, 20, 30};
  spec.stddev = {1, 2, 4, 8};
  std::vector<double> sums(4), squares(4);
  constexpr int kDraws = 4000;
  const auto sample = bytes_of<float>({5, 6, 7, 8});
  int blanked = 0;
  for (std::uint32_t slot = 0; slot < kDraws; ++slot) {
    const auto noisy = values_of<float>(version(sample, spec, {0, 0, 0.5, false}, slot));
    for (std::size_t c = 0; c < 4; ++c) {
      const double off = noisy[c] - (5.0 + static_cast<double>(c));
      sums[c] += off;
      squares[c] += off * off;
    }
    const auto erased = values_of<float>(version(sample, spec, {0, 0.4, 0, false}, slot));
    EXPECT_TRUE(erased[3] == 8 || erased[3] == 30);  // its mean
    blanked += erased[3] == 30;
  }
  for (std::size_t c = 0; c < 4; ++c) {
    EXPECT_NEAR(sums[c] / kDraws, 0, 0.05 * spec.stddev[c]);
    EXPECT_NEAR(std::sqrt(squares[c] / kDraws), 0.5 * spec.stddev[c], 0.03 * spec.stddev[c]);
  }
  EXPECT_NEAR(blanked, 0.4 * kDraws, 150);
}

TEST(Augment, SeriesStartLaterAndHaveAGap) {
  std::vector<float> steps;
  for (int t = 1; t <= 100; ++t) steps.insert(steps.end(), {static_cast<float>(t), -1.0f});
  std::set<std::size_t> lengths;
  for (std::uint32_t slot = 0; slot < 100; ++slot) {
    const auto cut = values_of<float>(version(bytes_of(steps), kSeries, {0.2, 0, 0, false}, slot));
    lengths.insert(cut.size() / 2);
    EXPECT_EQ(cut[0], 101.0f - static_cast<float>(cut.size() / 2));
    EXPECT_EQ(cut[cut.size() - 2], 100.0f);
    const auto gap = values_of<float>(version(bytes_of(steps), kSeries, {0, 0.3, 0, false}, slot));
    EXPECT_EQ(std::count(gap.begin(), gap.end(), 0.0f), 60);  // 30 steps of both channels
  }
  EXPECT_GE(*lengths.begin(), 80u);
  EXPECT_LE(*lengths.rbegin(), 100u);
  EXPECT_GT(lengths.size(), 10u);
  for (std::uint32_t slot = 0; slot < 50; ++slot)  // a single step is never cut away
    EXPECT_EQ(version(bytes_of<float>({1, 2}), kSeries, {0.5, 0, 0, false}, slot).size(), 8u);
}

TEST(Augment, IsAFunctionOfTheKeyAndSparesWhatStaysAsRecorded) {
  const auto batch = batch_of({star(3, 4), star(3, 4), {}, star(3, 4)});
  const Augmentation how;
  const std::vector<bool> first{true, false, false, false};
  const auto once = augment(batch, {kImage}, how, key_of(1), first);
  const auto again = augment(batch, {kImage}, how, key_of(1), first);
  const auto other = augment(batch, {kImage}, how, key_of(2), first);
  EXPECT_EQ(once.modalities[0].bytes, again.modalities[0].bytes);
  EXPECT_NE(once.modalities[0].bytes, other.modalities[0].bytes);
  EXPECT_EQ(row(once, 0), star(3, 4));
  EXPECT_NE(row(once, 1), star(3, 4));
  EXPECT_NE(row(once, 1), row(once, 3));  // draws of their own
  EXPECT_TRUE(row(once, 2).empty());
  EXPECT_EQ(once.modalities[0].present, batch.modalities[0].present);
  EXPECT_TRUE(once.samples.empty());  // no cache may take them for the recorded ones
}

}  // namespace
}  // namespace cuttle
