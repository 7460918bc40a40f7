// Shapes, parameter counts known from the literature, and what missing modalities may and may not
// change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "cuttle/core/error.hpp"
#include "support/tiny_task.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;

ModalitySpec image_spec(std::int64_t side, std::int64_t channels) {
  return {"image", ModalityKind::kImage, {side, side, channels}, 0.0, {}, {}};
}

Model conv4(std::int64_t side, std::int64_t channels, std::int64_t filters) {
  ModelOptions options;
  options.encoders["image"] = Section("conv4", {{"width", std::to_string(filters)}});
  return Model(options, {image_spec(side, channels)}, 5, 1, ModelRegistry{});
}

TEST(ParameterCount, Conv4OfMiniImageNetIsThePublishedOne) {
  EXPECT_EQ(conv4(84, 3, 32).layout()->parameters(), 32901);  // Finn et al. 2017
  EXPECT_EQ(conv4(84, 3, 64).layout()->parameters(), 121093);
}

TEST(ParameterCount, Conv4OfOmniglotIsTheBackboneAndAHead) {
  EXPECT_EQ(conv4(28, 1, 64).layout()->parameters(), 111936 + 5 * 64 + 5);
}

TEST(Layout, PartsAreAlignedAndGapsStayZero) {
  const auto layout = conv4(28, 1, 10).layout();
  auto flat = torch::zeros({layout->flat_size()});
  for (const auto& view : layout->views(flat)) view.fill_(1.0);
  for (std::int64_t i = 0; i < layout->count(); ++i) EXPECT_EQ(layout->offset(i) % 16, 0);
  EXPECT_EQ(flat.sum().item<double>(), static_cast<double>(layout->parameters()));
  EXPECT_TRUE(torch::equal(layout->flatten(layout->views(flat)), flat));
}

TEST(Layout, FrozenThenStatisticsThenLearnedWhateverTheOrderOfDeclaration) {
  ParameterLayout layout;
  const auto add = [&](const char* name, std::int64_t size, ParameterSection section) {
    ParameterSpec spec{name, {size}};
    spec.section = section;
    return layout.add(spec);
  };
  const auto learned = add("learned", 3, ParameterSection::kLearned);
  const auto full = add("full", 16, ParameterSection::kStatistics);  // no gap of its own
  const auto frozen = add("frozen", 5, ParameterSection::kFrozen);
  const auto mean = add("mean", 2, ParameterSection::kStatistics);
  EXPECT_EQ(layout.offset(frozen), 0);
  EXPECT_EQ(layout.offset(full), 16);
  EXPECT_LT(layout.offset(full), layout.observed_at(full));
  EXPECT_LT(layout.observed_at(full), layout.offset(mean));
  EXPECT_LT(layout.observed_at(mean), layout.offset(learned));
  EXPECT_EQ(layout.learned_size(), layout.flat_size() - layout.offset(learned));
  EXPECT_EQ(layout.reduced_size(), layout.flat_size() - 16);
  EXPECT_EQ(layout.statistics_size(), layout.offset(learned) - 16);
  EXPECT_EQ(layout.parameters(), 3 + 16 + 5 + 2);
  const auto flat = torch::arange(layout.flat_size());
  EXPECT_EQ(layout.reduced(flat)[0].item<std::int64_t>(), 16);
  EXPECT_EQ(layout.learned(flat)[0].item<std::int64_t>(), layout.offset(learned));
  EXPECT_THROW(add("mean", 2, ParameterSection::kLearned), Error);
}

TEST(Layout, NamesAreThoseAPythonUserExpects) {
  const auto layout = conv4(28, 1, 8).layout();
  EXPECT_EQ(layout->spec(0).name, "encoder.image.0.conv.weight");
  EXPECT_EQ(layout->spec(2).name, "encoder.image.0.norm.weight");
  EXPECT_EQ(layout->spec(layout->count() - 1).name, "head.bias");
}

TEST(Initial, IsAFunctionOfTheSeed) {
  const auto layout = conv4(28, 1, 8).layout();
  EXPECT_EQ(ParameterList::initial(layout, 1).sha256(), ParameterList::initial(layout, 1).sha256());
  EXPECT_NE(ParameterList::initial(layout, 1).sha256(), ParameterList::initial(layout, 2).sha256());
}

TEST(ParameterList, InitialValuesGoByTheNameAlone) {
  const auto layout_of = [](const std::vector<std::string>& names) {
    auto layout = std::make_shared<ParameterLayout>();
    for (const auto& name : names) layout->add({name, {3, 2}});
    return layout;
  };
  const auto values = [&](const std::vector<std::string>& names, std::size_t i) {
    return ParameterList::initial(layout_of(names), 5).tensors()[i];
  };
  const auto alone = values({"head.weight"}, 0);
  EXPECT_TRUE(torch::equal(values({"encoder.image.0", "another", "head.weight"}, 2), alone));
  EXPECT_FALSE(torch::equal(values({"head.weights"}, 0), alone));
  // As anyone can compute it: SHA-256("head.weight") names the stream.
  Random random({5, Stream::kInit, 0x37986800f64d, 0x8045b1f7u});
  const double bound = 1.0 / std::sqrt(2.0);
  EXPECT_EQ(alone[0][0].item<float>(), static_cast<float>(bound * (2 * random.uniform() - 1)));
}

TEST(Model, AgreesWithPlainLibTorchLayers) {
  const Model model = conv4(28, 1, 8);
  const auto parameters = ParameterList::initial(model.layout(), 1).tensors();
  torch::manual_seed(1);
  Batch batch;
  batch.size = 6;
  batch.way = 5;
  batch.modalities.push_back({torch::randn({6, 1, 28, 28}), {}, torch::arange(6)});
  auto x = batch.modalities[0].values;
  for (std::size_t block = 0; block < 4; ++block) {
    const auto* p = &parameters[4 * block];
    x = torch::conv2d(x, p[0], p[1], 1, 1);
    x = torch::batch_norm(x, p[2], p[3], {}, {}, true, 0.0, 1e-5, false);
    x = torch::max_pool2d(torch::relu(x), 2);
  }
  const auto expected = torch::linear(x.flatten(1), parameters[16], parameters[17]);
  EXPECT_TRUE(torch::allclose(model.forward(parameters, batch, {}), expected, 1e-5, 1e-6));
}

TEST(Model, DropoutTakesNumbersOfTheEmbeddingByTheKey) {
  ModelOptions options;
  options.fusion = Section("late");
  options.dropout = 0.25;
  for (const char* name : {"a", "b"}) options.encoders[name] = Section("mlp", {{"width", "40"}});
  std::vector<ModalitySpec> senses(2);
  senses[0].name = "a";
  senses[1].name = "b";
  for (auto& sense : senses) sense.shape = {3};
  const Model model(options, senses, 0, 1, ModelRegistry{});
  const auto parameters = ParameterList::initial(model.layout(), 1).tensors();
  Batch batch;
  batch.size = 50;
  for (int sense = 0; sense < 2; ++sense)
    batch.modalities.push_back({torch::randn({50, 3}), {}, torch::arange(50)});
  const auto plain = model.embed(parameters, batch, {});
  const RandomKey key{7, Stream::kTrain, 3, 1};
  batch.kept = model.dropout(50, key);
  EXPECT_TRUE(torch::equal(batch.kept, model.dropout(50, key)));
  EXPECT_FALSE(torch::equal(batch.kept, model.dropout(50, {7, Stream::kTrain, 3, 2})));
  const auto taken = batch.kept.eq(0);
  EXPECT_TRUE((taken | batch.kept.eq(1 / 0.75f)).all().item<bool>());
  EXPECT_NEAR(taken.to(torch::kFloat64).mean().item<double>(), 0.25, 0.03);  // 4 deviations
  const auto dropped = model.embed(parameters, batch, {});
  for (std::size_t part = 0; part < 2; ++part)
    EXPECT_TRUE(torch::equal(
        dropped.parts[part],
        plain.parts[part] * batch.kept.narrow(1, 40 * static_cast<std::int64_t>(part), 40)));
  // A sample's numbers go where it goes.
  const Batch some = select_rows(batch, {4, 2}), both = concatenate(some, batch);
  EXPECT_TRUE(torch::equal(both.kept.slice(0, 0, 2), batch.kept.index({torch::tensor({4, 2})})));
  EXPECT_TRUE(torch::equal(both.kept.slice(0, 2), batch.kept));
  EXPECT_EQ(batch.to(torch::kFloat64).kept.dtype(), torch::kFloat64);
}

TEST(Model, NoEngineComputesWholeTasksOfAPerceptronThatDrops) {
  ModelOptions options;
  options.encoders["x"] = Section("mlp", {});
  ModalitySpec sense;
  sense.name = "x";
  sense.shape = {3};
  EXPECT_FALSE(Model(options, {sense}, 5, 1, ModelRegistry{}).perceptron().empty());
  options.dropout = 0.1;
  EXPECT_TRUE(Model(options, {sense}, 5, 1, ModelRegistry{}).perceptron().empty());
}

class EveryFusion : public testing::TestWithParam<const char*> {
 protected:
  EveryFusion() {
    TinySettings settings;
    settings.fusion = GetParam();
    learner = tiny_learner(settings);
  }
  const Model& model() const { return learner->model(); }
  std::unique_ptr<const Learner> learner;
};

TEST_P(EveryFusion, EveryDeclaredParameterGetsAGradient) {
  Tensors leaves;
  const auto parameters = ParameterList::initial(model().layout(), 2);
  for (const auto& value : parameters.tensors())
    leaves.push_back(value.detach().clone().requires_grad_());
  const Task task = tiny_task(model(), 3, torch::kFloat32);
  auto loss = torch::cross_entropy_loss(model().forward(leaves, task.query, {}), task.query.labels);
  const auto gradient = torch::autograd::grad({loss}, leaves, {}, false, false, true);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const auto& name = model().layout()->spec(static_cast<std::int64_t>(i)).name;
    // A bias right before batch norm shifts nothing: the fused block does not even read it.
    const bool idle = name.find("conv.bias") != std::string::npos;
    ASSERT_EQ(gradient[i].defined(), !idle) << name;
    EXPECT_TRUE(idle || gradient[i].abs().max().item<double>() > 0.0) << name;
  }
}

TEST_P(EveryFusion, HiddenModalitiesGiveFiniteLogitsForEverySample) {
  const auto parameters = ParameterList::initial(model().layout(), 2).tensors();
  const Task task = tiny_task(model(), 3, torch::kFloat32);
  for (const std::vector<bool>& keep :
       {std::vector<bool>{true, false}, {false, true}, {false, false}}) {
    const auto logits = model().forward(parameters, keep_modalities(task.query, keep), {});
    EXPECT_TRUE(logits.isfinite().all().item<bool>());
    EXPECT_EQ(logits.size(0), task.query.size);
  }
}

TEST_P(EveryFusion, AnAbsentModalityChangesNothingOfTheOthersFeatures) {
  const auto parameters = ParameterList::initial(model().layout(), 2).tensors();
  const Task task = tiny_task(model(), 3, torch::kFloat32);
  const auto hidden = keep_modalities(task.query, {true, false});
  const auto& image = model().encoder(0);
  EXPECT_TRUE(torch::equal(image.forward(parameters, task.query.modalities[0], {}).pooled,
                           image.forward(parameters, hidden.modalities[0], {}).pooled));
}

INSTANTIATE_TEST_SUITE_P(Fusions, EveryFusion,
                         testing::Values("concat", "cross_attention", "gated", "late"));

TEST(Model, RefusesUnknownWordsByKey) {
  ModelOptions options;
  options.encoders["image"].network = "conv5";
  EXPECT_THAT([&] { Model(options, {image_spec(28, 1)}, 5, 1, ModelRegistry{}); },
              testing::ThrowsMessage<UserError>(
                  HasSubstr("model.encoders.image.type: 'conv5' is unknown")));
  options = {};
  options.fusion = "trilinear";
  EXPECT_THAT([&] { Model(options, {image_spec(28, 1)}, 5, 1, ModelRegistry{}); },
              testing::ThrowsMessage<UserError>(
                  HasSubstr("model.fusion: 'trilinear' is unknown; there are bilinear, ")));
  options = {};
  options.encoders["sound"].network = "mel_conv";
  EXPECT_THAT([&] { Model(options, {image_spec(28, 1)}, 5, 1, ModelRegistry{}); },
              testing::ThrowsMessage<UserError>(HasSubstr("no such modality")));
}

TEST(Model, RefusesAnEncoderOfAnotherKindAndTooManyBlocks) {
  ModelOptions options;
  options.encoders["image"].network = "char_conv";
  EXPECT_THAT([&] { Model(options, {image_spec(28, 1)}, 5, 1, ModelRegistry{}); },
              testing::ThrowsMessage<UserError>(HasSubstr("kind text")));
  options.encoders["image"] = Section("conv4", {{"width", "8"}, {"depth", "6"}});
  EXPECT_THAT([&] { Model(options, {image_spec(28, 1)}, 5, 1, ModelRegistry{}); },
              testing::ThrowsMessage<UserError>(HasSubstr("use at most 4")));
}

}  // namespace
}  // namespace cuttle
