// What configs and saved texts make of models, episodes and modalities.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <functional>
#include <limits>

#include "support/tiny_task.hpp"
#include "train/tiny_evaluation.hpp"

namespace cuttle {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

/// `text` with the first `old` replaced.
std::string with(std::string text, const std::string& old, const std::string& changed) {
  const auto place = text.find(old);
  EXPECT_NE(place, std::string::npos) << old << " in " << text;
  return text.replace(place, old.size(), changed);
}

std::string modalities_refusal(const std::string& json) {
  return refusal_of([&] { modalities_from_json(json); });
}

TEST(Modalities, ComeBackFromJsonAsTheyWere) {
  const float third = 1.0f / 3.0f, tiny = std::numeric_limits<float>::denorm_min();
  const std::vector<ModalitySpec> all = {
      {"image", ModalityKind::kImage, {28, 20, 3}, 0.0, {0.1f, third, 0.9f}, {tiny, 1e-8f, 3e38f}},
      {"caption \"é\"", ModalityKind::kText, {}, 0.0, {}, {}},
      {"audio", ModalityKind::kAudio, {}, 44100.1, {}, {}},
      {"imu", ModalityKind::kSeries, {6}, 0.0, {-0.5f}, {0.5f}},
      {"vector", ModalityKind::kVector, {128}, 0.0, {}, {}}};
  EXPECT_EQ(modalities_from_json(modalities_to_json(all)), all);
  std::vector<ModalitySpec> reversed(all.rbegin(), all.rend());
  EXPECT_EQ(modalities_from_json(modalities_to_json(reversed)), reversed);
  EXPECT_THAT(modalities_from_json(modalities_to_json({})), IsEmpty());
}

TEST(Modalities, DamagedJsonIsRefused) {
  const std::string good = modalities_to_json(tiny_modalities());
  EXPECT_EQ(modalities_refusal(good), "");
  for (const std::string& bad : {std::string(), good.substr(0, good.size() / 2), std::string("[1]"),
                                 with(good, "\"stddev\"", "\"sddev\""),
                                 with(good, "\"shape\":[12,12,1]", "\"shape\":\"12x12\""),
                                 with(good, "\"name\":\"image\"", "\"name\":null")})
    EXPECT_THAT(modalities_refusal(bad), HasSubstr("the saved modalities cannot be read")) << bad;
  EXPECT_THAT(modalities_refusal(with(good, "\"kind\":\"text\"", "\"kind\":\"smell\"")),
              HasSubstr("unknown modality kind 'smell'"));
}

TEST(EvaluationEpisodes, AreTheTrainingOnesUnlessOverridden) {
  RunConfig config;
  config.episode.way = 7;
  config.episode.shot = 3;
  config.episode.query = 4;
  config.episode.groups = "apart";
  config.episode.complete = true;
  const auto as_trained = evaluation_episodes(config);
  EXPECT_EQ(as_trained.way, 7);
  EXPECT_EQ(as_trained.shot, 3);
  EXPECT_EQ(as_trained.query, 4);
  EXPECT_EQ(as_trained.groups, "apart");
  EXPECT_TRUE(as_trained.complete);
  config.evaluation.way = 5;
  EXPECT_EQ(evaluation_episodes(config).way, 5);
  EXPECT_EQ(evaluation_episodes(config).shot, 3);
  config.evaluation.shot = 1;
  config.evaluation.query = 9;
  EXPECT_EQ(evaluation_episodes(config).shot, 1);
  EXPECT_EQ(evaluation_episodes(config).query, 9);
}

TEST(EvaluationEpisodes, HaveOneWayAndOneShotThoughTrainingVaries) {
  RunConfig config;
  config.episode.way_min = 2;
  config.episode.shot_min = 1;
  config.episode.uneven = true;
  EXPECT_FALSE(evaluation_episodes(config).uneven);
  EXPECT_EQ(evaluation_episodes(config).way_min, 0);
  EXPECT_EQ(evaluation_episodes(config).shot_min, 0);
  EXPECT_EQ(config.episode.way_min, 2);
}

/// The optional keys of the protocol that a run of these sources refuses, by their changes alone.
std::vector<std::string> unused_keys(const std::vector<std::string>& sources) {
  RunConfig usual;
  usual.episode.source = sources.front();
  if (sources.size() > 1)
    for (const auto& source : sources) usual.sources["the_" + source].source = source;
  std::vector<std::string> refused;
  const auto look = [&](const std::string& key, const std::function<void(RunConfig&)>& change) {
    RunConfig config = usual;
    EXPECT_EQ(refusal_of([&] { check_protocol(config, usual, {}); }), "");
    change(config);
    const auto said = refusal_of([&] { check_protocol(config, usual, {}); });
    if (said.empty()) return;
    EXPECT_THAT(said, testing::StartsWith(key + ": has no effect with " + sources.front()));
    EXPECT_EQ(refusal_of([&] { check_protocol(config, config, {}); }), "");
    refused.push_back(key);
  };
  look("episode.way_min", [](RunConfig& c) { c.episode.way_min = 2; });
  look("episode.shot_min", [](RunConfig& c) { c.episode.shot_min = 1; });
  look("episode.uneven", [](RunConfig& c) { c.episode.uneven = true; });
  look("episode.groups", [](RunConfig& c) { c.episode.groups = "apart"; });
  look("episode.complete", [](RunConfig& c) { c.episode.complete = true; });
  look("model.modality_dropout", [](RunConfig& c) { c.model.modality_dropout = 0.1; });
  return refused;
}

TEST(Protocol, KeysThatNoSourceGoesByAreRefused) {
  using Keys = std::vector<std::string>;
  const Keys drawn{"episode.way_min", "episode.uneven", "episode.groups", "episode.complete",
                   "model.modality_dropout"};
  EXPECT_EQ(unused_keys({"sinusoids"}), drawn);
  EXPECT_EQ(unused_keys({"causal_tables"}), drawn);
  EXPECT_EQ(unused_keys({"causal_tables", "sinusoids"}), drawn);
  EXPECT_EQ(unused_keys({"tabular_mdp"}),
            (Keys{"episode.way_min", "episode.shot_min", "episode.uneven", "episode.groups",
                  "episode.complete", "model.modality_dropout"}));
  EXPECT_EQ(unused_keys({"minibatches"}),
            (Keys{"episode.way_min", "episode.shot_min", "episode.uneven"}));
  for (const char* source : {"episodes", "augmented", "groups"})
    EXPECT_THAT(unused_keys({source}), IsEmpty()) << source;
  EXPECT_THAT(unused_keys({"sinusoids", "episodes"}), IsEmpty());
}

/// Sizes of the parameter, empty if the model has none of this name.
std::vector<std::int64_t> shape_of(const Assembly& parts, const std::string& name) {
  const auto& layout = *parts.model->layout();
  for (std::int64_t i = 0; i < layout.count(); ++i)
    if (layout.spec(i).name == name) return layout.spec(i).shape;
  return {};
}

TEST(Assembly, HasRoomForTheLargerWayAndTheMoreStepsOfTrainingAndEvaluation) {
  RunConfig config = tiny_config("", "maml");  // way 3, 2 steps
  config.model.encoders["image"] = tiny_encoder({{"norm", "batch_per_step"}});
  const auto sizes = [&] {
    const auto parts = assemble(config, {tiny_modalities()}, {});
    std::vector<std::int64_t> found;
    for (const std::int64_t i : parts.model->layout()->with_role(ParameterRole::kHead))
      found.push_back(parts.model->layout()->spec(i).shape.front());
    found.push_back(shape_of(parts, "encoder.image.0.norm.weight").front());
    return found;
  };
  EXPECT_EQ(sizes(), (std::vector<std::int64_t>{3, 3, 3}));
  config.evaluation.way = 5;
  config.adapt.values["eval_inner_steps"] = "4";
  EXPECT_EQ(sizes(), (std::vector<std::int64_t>{5, 5, 5}));
  config.evaluation.way = 2;
  config.adapt.values["eval_inner_steps"] = "1";
  EXPECT_EQ(sizes(), (std::vector<std::int64_t>{3, 3, 3}));
  config.adapt.type = "protonet";
  const auto metric = assemble(config, {tiny_modalities()}, {});
  EXPECT_THAT(metric.model->layout()->with_role(ParameterRole::kHead), IsEmpty());
}

}  // namespace
}  // namespace cuttle
