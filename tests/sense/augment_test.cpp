// Other versions of samples: pure functions of the key, off is off, and what is not a sample's
// stays.
#include "cuttle/sense/augment.hpp"

#include <gtest/gtest.h>

#include <set>

#include "cuttle/core/hash.hpp"
#include "sense/augment_support.hpp"

namespace cuttle {
namespace {

/// A batch of all five senses with random content; each is absent in one of the six samples.
struct AllSenses {
  std::vector<ModalitySpec> specs{{"image", ModalityKind::kImage, {9, 7, 3}, 0.0, {}, {}},
                                  {"text", ModalityKind::kText, {}, 0.0, {}, {}},
                                  {"audio", ModalityKind::kAudio, {}, 8000.0, {}, {}},
                                  {"series", ModalityKind::kSeries, {2}, 0.0, {1, 2}, {3, 4}},
                                  {"vector", ModalityKind::kVector, {3}, 0.0, {}, {}}};
  RawBatch batch;

  AllSenses() {
    std::vector<std::vector<Sample>> samples(5);
    Random random({5, Stream::kTesting, 0, 0});
    for (int i = 0; i < 6; ++i) {
      Sample image, text;
      std::vector<std::int16_t> audio;
      std::vector<float> series, vector;
      for (int k = 0; k < 9 * 7 * 3; ++k) image.push_back(draw<std::uint8_t>(random, 256));
      for (int k = 0; k < 30; ++k)
        text.push_back(static_cast<std::uint8_t>('a' + draw<int>(random, 26)));
      for (int k = 0; k < 400; ++k) audio.push_back(draw<std::int16_t>(random, 60000));
      for (int k = 0; k < 40; ++k) series.push_back(draw<float>(random, 1000) / 64);
      for (int k = 0; k < 3; ++k) vector.push_back(draw<float>(random, 1000) / 64);
      samples[0].push_back(image);
      samples[1].push_back(text);
      samples[2].push_back(bytes_of_values(audio));
      samples[3].push_back(bytes_of_values(series));
      samples[4].push_back(bytes_of_values(vector));
    }
    batch.size = 6;
    batch.labels = {0, 0, 1, 1, 2, 2};
    batch.samples = {10, 11, 12, 13, 14, 15};
    for (std::size_t m = 0; m < 5; ++m) {
      std::vector<const Sample*> rows;
      for (std::size_t i = 0; i < 6; ++i) rows.push_back(i == m + 1 ? nullptr : &samples[m][i]);
      batch.modalities.push_back(sense_with(rows));
    }
  }

  template <class T>
  static T draw(Random& random, std::uint64_t below) {
    return static_cast<T>(random.below(below));
  }
  RawBatch changed(const AugmentOptions& how, std::uint32_t slot) const {
    RawBatch other = batch;
    augment(other, specs, how, augment_key(slot));
    return other;
  }
};

TEST(Augment, ChangesNothingUnlessAsked) {
  const AllSenses all;
  const RawBatch same = all.changed(no_change(), 1);
  for (std::size_t m = 0; m < 5; ++m) {
    EXPECT_EQ(same.modalities[m].bytes, all.batch.modalities[m].bytes);
    EXPECT_FALSE(same.modalities[m].changed);  // a cache may know them
    EXPECT_FALSE(changes(no_change(), all.specs[m]));
    EXPECT_TRUE(changes({}, all.specs[m]));
  }
  // One strength that is nearly nothing takes the whole way through all that is off.
  const auto text = Sample{'a', ' ', 'b', 0xC3, 0xA9, '\n'};
  const auto floats = bytes_of_values<float>({1.5f, -0.0f, 0.25f, 1e20f});
  const auto sound = bytes_of_values<std::int16_t>({1, -32768, 32767, 5});
  const auto barely = only([](AugmentOptions& how) {
    how.text.characters = how.series.crop_start = how.vector.erase = how.audio.shift = 1e-9;
    how.image.shift = 1e-9;
  });
  for (std::uint32_t slot = 0; slot < 20; ++slot) {
    EXPECT_EQ(version_of(text, sense_of(ModalityKind::kText), barely, slot), text);
    EXPECT_EQ(version_of(sound, sense_of(ModalityKind::kAudio), barely, slot), sound);
    EXPECT_EQ(version_of(floats, sense_of(ModalityKind::kSeries, {2}), barely, slot), floats);
    EXPECT_EQ(version_of(floats, sense_of(ModalityKind::kVector, {4}), barely, slot), floats);
    EXPECT_EQ(version_of(text, sense_of(ModalityKind::kImage, {2, 1, 3}), barely, slot), text);
  }
}

TEST(Augment, CopiesAreFewAndOfTheSampleAlone) {
  const AllSenses all;
  AugmentOptions how;
  how.copies = 3;
  const std::uint64_t seed = augment_key(0).seed;
  for (std::size_t m = 0; m < 5; ++m) {
    std::vector<std::set<std::int64_t>> drawn(6);
    std::set<Sample> versions;
    for (std::uint32_t slot = 0; slot < 40; ++slot) {
      const RawBatch changed = all.changed(how, slot);
      const RawModality& raw = changed.modalities[m];
      EXPECT_FALSE(raw.changed);
      ASSERT_EQ(raw.copies.size(), 6u);
      for (std::size_t i = 0; i < 6; ++i) {
        if (raw.present[i] == 0) continue;
        drawn[i].insert(raw.copies[i]);
        EXPECT_EQ(row_of(changed, i, m), augmented_copy(row_of(all.batch, i, m), all.specs[m], how,
                                                        seed, all.batch.samples[i], raw.copies[i]));
      }
    }
    for (std::size_t i = 0; i < 6; ++i)
      EXPECT_EQ(drawn[i],
                i == m + 1 ? std::set<std::int64_t>{} : (std::set<std::int64_t>{1, 2, 3}));
    const auto copy = [&](std::uint64_t of, std::int64_t sample, std::int64_t number) {
      versions.insert(
          augmented_copy(row_of(all.batch, 0, m), all.specs[m], how, of, sample, number));
    };
    copy(seed, 10, 1);
    copy(seed, 10, 2);
    copy(seed, 11, 1);
    copy(seed + 1, 10, 1);
    EXPECT_EQ(versions.size(), 4u) << m;
  }
}

TEST(Augment, FramesOfAVideoChangeAlike) {
  Sample frame, video;
  for (int k = 0; k < 9 * 7 * 3; ++k) frame.push_back(static_cast<std::uint8_t>(37 * k));
  for (int copy = 0; copy < 3; ++copy) video.insert(video.end(), frame.begin(), frame.end());
  const ModalitySpec pictures = sense_of(ModalityKind::kImage, {9, 7, 3});
  const ModalitySpec videos = sense_of(ModalityKind::kVideo, {9, 7, 3});
  for (std::uint32_t slot = 0; slot < 5; ++slot) {
    const Sample one = version_of(frame, pictures, {}, slot);
    Sample expected;
    for (int copy = 0; copy < 3; ++copy) expected.insert(expected.end(), one.begin(), one.end());
    EXPECT_NE(one, frame);
    EXPECT_EQ(version_of(video, videos, {}, slot), expected);
  }
  EXPECT_TRUE(changes({}, videos));
  EXPECT_FALSE(changes(no_change(), videos));
}

TEST(Augment, SaturationAloneIsNothingToGrey) {
  const auto how = only([](AugmentOptions& o) { o.image.saturation = 0.5; });
  EXPECT_FALSE(changes(how, sense_of(ModalityKind::kImage, {4, 4, 1})));
  EXPECT_TRUE(changes(how, sense_of(ModalityKind::kImage, {4, 4, 3})));
}

TEST(Augment, IsAFunctionOfTheKeyTheSampleAndTheSense) {
  AllSenses all;
  const RawBatch once = all.changed({}, 1), again = all.changed({}, 1), other = all.changed({}, 2);
  for (std::size_t m = 0; m < 5; ++m) {
    EXPECT_EQ(once.modalities[m].bytes, again.modalities[m].bytes);
    EXPECT_NE(once.modalities[m].bytes, other.modalities[m].bytes);
    EXPECT_NE(once.modalities[m].bytes, all.batch.modalities[m].bytes);
    EXPECT_EQ(once.modalities[m].present, all.batch.modalities[m].present);
    EXPECT_TRUE(once.modalities[m].changed);
    EXPECT_TRUE(row_of(once, m + 1, m).empty());  // absent
  }
  EXPECT_EQ(once.labels, all.batch.labels);
  EXPECT_EQ(once.samples, all.batch.samples);
  // What else is changed, or there, has no part in it.
  const auto images = only([](AugmentOptions& how) { how.image = {}; });
  EXPECT_EQ(all.changed(images, 1).modalities[0].bytes, once.modalities[0].bytes);
  all.batch.modalities[0].present[0] = 0;
  EXPECT_EQ(row_of(all.changed({}, 1), 5, 0), row_of(once, 5, 0));
  // Equal samples get draws of their own.
  const Sample text(40, 'x');
  RawBatch twins = batch_with({&text, &text});
  augment(twins, {sense_of(ModalityKind::kText)},
          only([](AugmentOptions& how) { how.text.characters = 0.5; }), augment_key(1));
  EXPECT_NE(row_of(twins, 0).size(), row_of(twins, 1).size());
}

TEST(Augment, WhatTheSourceAugmentedDrawsIsAsEver) {
  struct Recorded {
    double shift, erase, noise;
    bool flip;
    const char* hash;  ///< of the version before there were other strengths
  };
  for (const Recorded& was :
       {Recorded{0.15, 0.2, 0.1, false,
                 "a1d9dd31474b85ec9f75d7554c7a439fd723645503079dbabe6c639a8e6ad65b"},
        Recorded{0.3, 0.5, 0.4, true,
                 "9de7d5f6ea8984006bd7655c5fb2770e0355564f50520d8e79e8af07187fe5e7"},
        Recorded{0, 0.2, 0, false,
                 "9ec120940fb4e5cac25cabeecb18d71c966314bf4abf8ae404aaf1bfb29f8f6f"}}) {
    AllSenses all;
    const RawBatch recorded = all.batch;
    AugmentOptions how;
    how.image = {was.shift, 0, 0, was.flip, was.noise, was.noise, 0, was.erase};
    how.audio = {was.shift, was.noise, 0, was.erase, 0};
    how.text = {was.erase, 0};
    how.series = {was.noise, 0, 0, was.shift, 0, was.erase};
    how.vector = {was.noise, 0, was.erase};
    augment_in_turn(all.batch, all.specs, how, augment_key(1),
                    {true, false, false, false, false, false});
    std::string bytes;
    for (const RawModality& raw : all.batch.modalities) {
      bytes.append(raw.bytes.begin(), raw.bytes.end());
      EXPECT_TRUE(raw.changed);
    }
    EXPECT_EQ(sha256(bytes), was.hash);
    for (std::size_t m = 0; m < 5; ++m) EXPECT_EQ(row_of(all.batch, 0, m), row_of(recorded, 0, m));
  }
}

TEST(Augment, VectorsMixWithinTheirClass) {
  const auto spec = sense_of(ModalityKind::kVector, {2});
  const std::vector<Sample> samples{bytes_of_values<float>({0, 0}), bytes_of_values<float>({1, 2}),
                                    bytes_of_values<float>({50, 50}),
                                    bytes_of_values<float>({-9, -9})};
  const auto how = only([](AugmentOptions& o) { o.vector.mix = 0.5; });
  std::set<float> ways;
  for (std::uint32_t slot = 0; slot < 50; ++slot) {
    RawBatch batch = batch_with({&samples[0], &samples[1], &samples[2], &samples[3]});
    batch.labels = {0, 0, 1, 2};
    augment(batch, {spec}, how, augment_key(slot));
    const auto first = values_of<float>(row_of(batch, 0));
    EXPECT_GE(first[0], 0);
    EXPECT_LE(first[0], 0.5);
    EXPECT_FLOAT_EQ(first[1], 2 * first[0]);  // on the line to the other
    EXPECT_LE(1 - values_of<float>(row_of(batch, 1))[0], 0.5);
    EXPECT_EQ(row_of(batch, 2), samples[2]);  // alone in its class
    ways.insert(first[0]);

    RawBatch values = batch_with({&samples[0], &samples[1]});
    values.labels = {0, 0};
    values.targets = {1, 2};
    augment(values, {spec}, how, augment_key(slot));
    EXPECT_EQ(row_of(values, 0), samples[0]);  // its value would be another
  }
  EXPECT_GT(ways.size(), 40u);
}

}  // namespace
}  // namespace cuttle
