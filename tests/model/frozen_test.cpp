// Frozen encoders: their parameters are not learned, and features are computed once a sample where
// a sample's features are its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "cuttle/core/error.hpp"
#include "cuttle/model/sample_cache.hpp"
#include "support/tiny_task.hpp"

namespace cuttle {
namespace {

/// Counts its passes; a row's feature is the mean of its values.
class CountingBlock final : public Block {
 public:
  CountingBlock(bool apart, int& passes) : apart_(apart), passes_(passes) {}
  std::string kind() const override { return "counting"; }
  bool samples_apart() const override { return apart_; }
  Signal forward(const Tensors&, const Signal& input, const Context&) const override {
    ++passes_;
    return {input.values.mean(1, true), {}};
  }

 private:
  bool apart_;
  int& passes_;
};

class CountingEncoder final : public Encoder {
 public:
  CountingEncoder(const EncoderRequest& request, bool apart, int& passes) {
    request.layout.add({request.prefix + ".weight", {20}});
    blocks_.push_back(std::make_unique<CountingBlock>(apart, passes));
    width_ = 1;
  }
  ModalityInput prepare(const RawModality& raw) const override {
    std::vector<float> values(raw.bytes.begin(), raw.bytes.end());
    ModalityInput input;
    input.values = torch::tensor(values).view({-1, 2});
    return input;
  }
};

ModalitySpec vector_spec(const std::string& name) {
  return {name, ModalityKind::kVector, {2}, 0.0, {}, {}};
}

/// Two modalities of two bytes a sample; `frozen` is, with an encoder that counts its passes.
struct Counted {
  explicit Counted(bool apart, const std::string& from = "another run") {
    ModelRegistry registry;
    registry.encoders["counting"].make = [this, apart](const EncoderRequest& request) {
      return std::make_unique<const CountingEncoder>(request, apart, passes);
    };
    ModelOptions options;
    options.encoders["frozen"] = {"counting", from};
    options.encoders["learned"] = {"counting"};
    model = std::make_unique<Model>(
        options, std::vector<ModalitySpec>{vector_spec("learned"), vector_spec("frozen")}, 2, 1,
        registry);
  }

  /// Samples with these indices; sample i has the bytes i and 3 i, and the sense unless i is 7.
  static RawBatch raw(const std::vector<std::int64_t>& samples) {
    RawBatch batch;
    batch.size = static_cast<std::int64_t>(samples.size());
    batch.samples = samples;
    batch.labels.assign(samples.size(), 0);
    batch.modalities.resize(2);
    for (auto& modality : batch.modalities) {
      modality.offsets.push_back(0);
      for (const auto i : samples) {
        modality.present.push_back(i != 7);
        if (i != 7)
          for (const auto byte : {i, 3 * i})
            modality.bytes.push_back(static_cast<std::uint8_t>(byte));
        modality.offsets.push_back(static_cast<std::int64_t>(modality.bytes.size()));
      }
    }
    return batch;
  }

  int passes = 0;
  std::unique_ptr<Model> model;
};

std::vector<float> floats(const torch::Tensor& values) {
  const auto flat = values.flatten().contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

TEST(Frozen, ParametersComeFirstAndHaveNoPlaceAmongTheLearned) {
  const Counted counted(true);
  const auto layout = counted.model->layout();
  EXPECT_EQ(layout->spec(0).name, "encoder.frozen.weight");
  EXPECT_FALSE(layout->is_learned(0));
  for (std::int64_t i = 1; i < layout->count(); ++i) EXPECT_TRUE(layout->is_learned(i));
  EXPECT_EQ(layout->learned_size(), layout->flat_size() - 32);  // 20, and the gap behind them
  EXPECT_EQ(layout->learned(torch::arange(layout->flat_size()))[0].item<std::int64_t>(), 32);
  EXPECT_EQ(Counted(true, "").model->layout()->learned_size(), layout->flat_size());
}

TEST(SampleCache, ComputesEachSampleOnce) {
  Counted counted(true);
  const auto parameters = ParameterList::initial(counted.model->layout(), 1);
  SampleCache cache(*counted.model, parameters, false);
  const auto batch = counted.model->prepare(Counted::raw({4, 2, 7, 4}), 2, &cache);
  EXPECT_EQ(counted.passes, 2);
  const auto& input = batch.modalities[1];
  EXPECT_TRUE(input.encoded);
  EXPECT_THAT(floats(input.values), testing::ElementsAre(8, 4, 8));
  EXPECT_TRUE(torch::equal(input.rows, torch::tensor({0, 1, 3}, torch::kInt64)));
  EXPECT_FALSE(batch.modalities[0].encoded);
  EXPECT_THAT(floats(counted.model->prepare(Counted::raw({5, 2}), 2, &cache).modalities[1].values),
              testing::ElementsAre(10, 4));
  EXPECT_EQ(counted.passes, 3);
}

TEST(SampleCache, KnowsNothingOfChangedSamples) {
  Counted counted(true);
  const auto parameters = ParameterList::initial(counted.model->layout(), 1);
  SampleCache cache(*counted.model, parameters, false);
  auto changed = Counted::raw({2, 4});
  changed.modalities[1].changed = true;
  changed.modalities[1].bytes = {0, 2, 0, 10};
  const auto features = [&](const RawBatch& raw) {
    return floats(counted.model->prepare(raw, 2, &cache).modalities[1].values);
  };
  EXPECT_THAT(features(changed), testing::ElementsAre(1, 5));
  EXPECT_THAT(features(Counted::raw({2, 4})), testing::ElementsAre(4, 8));  // not what was put in
  EXPECT_THAT(features(changed), testing::ElementsAre(1, 5));               // nor taken from there
  EXPECT_EQ(counted.passes, 6);
}

TEST(SampleCache, KeepsCopiesByTheirNumbers) {
  Counted counted(true);
  const auto parameters = ParameterList::initial(counted.model->layout(), 1);
  SampleCache cache(*counted.model, parameters, false);
  auto first = Counted::raw({2, 4}), second = first;
  first.modalities[1].copies = {1, 2};
  first.modalities[1].bytes = {0, 2, 0, 10};
  second.modalities[1].copies = {3, 2};
  second.modalities[1].bytes = {0, 6, 0, 10};
  cache.take(1, {2}, torch::full({1, 1}, 9.0f), 3);
  const auto features = [&](const RawBatch& raw) {
    return floats(counted.model->prepare(raw, 2, &cache).modalities[1].values);
  };
  EXPECT_THAT(features(first), testing::ElementsAre(1, 5));
  EXPECT_THAT(features(Counted::raw({2, 4})), testing::ElementsAre(4, 8));
  EXPECT_THAT(features(second), testing::ElementsAre(9, 5));
  EXPECT_EQ(counted.passes, 4);  // each once, and nothing for what was given
}

TEST(SampleCache, ModelsTakeFeaturesAsTheyAre) {
  Counted counted(true);
  const auto parameters = ParameterList::initial(counted.model->layout(), 1);
  SampleCache cache(*counted.model, parameters, false);
  const auto raw = Counted::raw({4, 2, 7, 9});
  const auto logits = [&](const Batch& batch) {
    return counted.model->forward(parameters.tensors(), batch, {});
  };
  const auto kept = counted.model->prepare(raw, 2, &cache);
  const int before = counted.passes;
  const auto with_features = logits(kept);
  EXPECT_EQ(counted.passes, before + 1);  // the learned encoder
  EXPECT_TRUE(torch::equal(with_features, logits(counted.model->prepare(raw, 2))));
  // What batches go through keeps them.
  const auto twice = concatenate(kept, kept);
  EXPECT_TRUE(twice.modalities[1].encoded);
  EXPECT_TRUE(torch::equal(logits(twice).narrow(0, 4, 4), with_features));
  EXPECT_TRUE(keep_modalities(kept, {true, false}).modalities[1].rows.numel() == 0);
}

TEST(SampleCache, LeavesEncodersThatLookAtTheWholeBatch) {
  Counted counted(false);
  const auto parameters = ParameterList::initial(counted.model->layout(), 1);
  SampleCache cache(*counted.model, parameters, false);
  const auto batch = counted.model->prepare(Counted::raw({4, 2}), 2, &cache);
  EXPECT_EQ(counted.passes, 0);
  EXPECT_FALSE(batch.modalities[1].encoded);
  EXPECT_EQ(counted.model->frozen_encoders(), "frozen in every batch");
  EXPECT_EQ(Counted(true).model->frozen_encoders(), "frozen once a sample");
  EXPECT_EQ(Counted(true, "").model->frozen_encoders(), "");
}

TEST(SampleCache, NeedsToKnowTheSamples) {
  Counted counted(true);
  const auto parameters = ParameterList::initial(counted.model->layout(), 1);
  SampleCache cache(*counted.model, parameters, false);
  auto raw = Counted::raw({4, 2});
  raw.samples.clear();
  EXPECT_THROW(counted.model->prepare(raw, 2, &cache), Error);
}

TEST(SampleCache, KeepsDearRowsIfAsked) {
  ModelOptions options;
  options.encoders["sound"] = Section("auto", {{"depth", "2"}});
  const Model model(options, {{"sound", ModalityKind::kAudio, {}, 8000.0, {}, {}}}, 2, 1,
                    ModelRegistry{});
  const auto parameters = ParameterList::initial(model.layout(), 1);
  RawBatch raw;
  raw.size = 3;
  raw.samples = {5, 9, 5};
  raw.modalities = {{{}, {0}, {}}};
  for (const int steps : {700, 2000, 700}) {
    auto& sound = raw.modalities[0];
    for (int i = 0; i < 2 * steps; ++i) sound.bytes.push_back(static_cast<std::uint8_t>(i * steps));
    sound.offsets.push_back(static_cast<std::int64_t>(sound.bytes.size()));
    sound.present.push_back(1);
  }
  const auto expected = model.prepare(raw, 2).modalities[0];
  SampleCache cache(model, parameters, true), no_rows(model, parameters, false);
  EXPECT_FALSE(no_rows.keeps(0));
  for (int again = 0; again < 2; ++again) {
    const auto input = model.prepare(raw, 2, &cache).modalities[0];
    EXPECT_TRUE(torch::equal(input.values, expected.values));
    EXPECT_TRUE(torch::equal(input.mask, expected.mask));
    EXPECT_FALSE(input.encoded);
    // What is kept does not look at the bytes again.
    if (again == 0) std::fill(raw.modalities[0].bytes.begin(), raw.modalities[0].bytes.end(), 0);
  }
}

TEST(SamplesApart, IsWhatEncodersWithoutBatchNormPromise) {
  const std::vector<ModalitySpec> image{{"image", ModalityKind::kImage, {16, 16, 1}, 0.0, {}, {}}};
  const std::vector<ModalitySpec> text{{"text", ModalityKind::kText, {}, 0.0, {}, {}}};
  const auto apart = [&](const std::vector<ModalitySpec>& spec, const std::string& type,
                         const std::string& norm) {
    ModelOptions options;
    options.encoders[spec[0].name] = Section(
        type, {{"width", "8"}, {"norm", norm}, {"frame.norm", norm}, {"over_time.norm", "none"}});
    return Model(options, spec, 2, 1, ModelRegistry{}).encoder(0).samples_apart();
  };
  for (const auto& type : {"conv4", "resnet12"}) {
    EXPECT_TRUE(apart(image, type, "none")) << type;
    EXPECT_TRUE(apart(image, type, "running")) << type;  // in use, by averages over training
    EXPECT_FALSE(apart(image, type, "support")) << type;
    EXPECT_FALSE(apart(image, type, "batch")) << type;
  }
  EXPECT_TRUE(apart(text, "char_conv", "none"));
  EXPECT_FALSE(apart(text, "char_conv", "batch_per_step"));
  EXPECT_TRUE(apart(text, "transformer", "batch"));
  EXPECT_TRUE(apart(text, "gru", "batch"));
  const std::vector<ModalitySpec> video{{"video", ModalityKind::kVideo, {16, 16, 1}, 0.0, {}, {}}};
  EXPECT_TRUE(apart(video, "frames", "layer"));
  EXPECT_FALSE(apart(video, "frames", "batch"));
  EXPECT_TRUE(apart({vector_spec("x")}, "mlp", "batch"));
}

}  // namespace
}  // namespace cuttle
