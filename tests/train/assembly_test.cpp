// What configs and saved texts make of models, episodes and modalities.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <functional>
#include <limits>

#include "support/every_learner.hpp"
#include "support/tiny_task.hpp"
#include "train/tiny_evaluation.hpp"

namespace cuttle {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

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
      {"vector", ModalityKind::kVector, {128}, 0.0, {}, {}},
      {"clip", ModalityKind::kVideo, {28, 20, 1}, 0.0, {0.1f}, {0.2f}}};
  EXPECT_EQ(modalities_from_json(modalities_to_json(all)), all);
  std::vector<ModalitySpec> reversed(all.rbegin(), all.rend());
  EXPECT_EQ(modalities_from_json(modalities_to_json(reversed)), reversed);
  EXPECT_THAT(modalities_from_json(modalities_to_json({})), IsEmpty());
}

TEST(Modalities, ComeBackWithColumnsCategoriesAndHoles) {
  ModalitySpec spec{"x", ModalityKind::kVector, {2}, 0.0, {}, {}};
  spec.columns = {"sex", "age"};
  EXPECT_EQ(modalities_from_json(modalities_to_json({spec}))[0].columns, spec.columns);
  spec.categories = {{"f", "m"}, {}};
  spec.holes = true;
  const std::string text = modalities_to_json({spec});
  const auto back = modalities_from_json(text)[0];
  EXPECT_EQ(back.columns, spec.columns);
  EXPECT_EQ(back.categories, spec.categories);
  EXPECT_TRUE(back.holes);
  EXPECT_THAT(modalities_refusal(with(text, ",\"age\"", "")),
              HasSubstr("does not name its categories by column"));
}

TEST(Modalities, AudioOfEarlierVersionsIsCentred) {
  const std::vector<ModalitySpec> now = {{"audio", ModalityKind::kAudio, {}, 8000.0, {}, {}},
                                         {"text", ModalityKind::kText, {}, 0.0, {}, {}}};
  const std::string text = modalities_to_json(now);
  EXPECT_FALSE(modalities_from_json(text)[0].centred);
  auto then = modalities_from_json(with(text, "\"centred\":false,", ""));
  EXPECT_TRUE(then[0].centred);
  EXPECT_FALSE(then == now);
  EXPECT_EQ(modalities_from_json(modalities_to_json(then)), then);
  then[0].centred = false;
  EXPECT_EQ(then, now);
  EXPECT_THAT(modalities_refusal(with(text, "\"centred\":false", "\"centred\":1")),
              HasSubstr("the saved modalities cannot be read"));
}

TEST(Modalities, ColumnsOfATableComeBack) {
  std::vector<ModalitySpec> specs = {{"vector", ModalityKind::kVector, {2}, 0.0, {}, {}},
                                     {"text", ModalityKind::kText, {}, 0.0, {}, {}}};
  const std::string without = modalities_to_json(specs);
  EXPECT_THAT(without, Not(HasSubstr("columns")));
  specs[0].columns = {"age", "sex=f"};
  const auto back = modalities_from_json(modalities_to_json(specs));
  EXPECT_EQ(back[0].columns, specs[0].columns);
  EXPECT_THAT(back[1].columns, IsEmpty());
}

TEST(Modalities, HowManyFramesAVideoKeepsComesBack) {
  std::vector<ModalitySpec> specs = {{"clip", ModalityKind::kVideo, {8, 8, 3}, 0.0, {}, {}}};
  EXPECT_THAT(modalities_to_json(specs), Not(HasSubstr("most_frames")));
  specs[0].most_frames = 16;
  EXPECT_EQ(modalities_from_json(modalities_to_json(specs))[0].most_frames, 16);
}

TEST(Modalities, WhetherEdgesHaveADirectionComesBack) {
  std::vector<ModalitySpec> specs = {{"roads", ModalityKind::kGraph, {2}, 0.0, {}, {}}};
  EXPECT_THAT(modalities_to_json(specs), Not(HasSubstr("directed")));
  EXPECT_EQ(modalities_from_json(modalities_to_json(specs))[0], specs[0]);
  specs[0].directed = true;
  EXPECT_EQ(modalities_from_json(modalities_to_json(specs))[0], specs[0]);
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
  look("augment.tasks", [](RunConfig& c) { c.augment.tasks = "query"; });
  look("model.modality_dropout", [](RunConfig& c) { c.model.modality_dropout = 0.1; });
  look("model.dropout", [](RunConfig& c) { c.model.dropout = 0.1; });
  return refused;
}

TEST(Protocol, KeysThatNoSourceGoesByAreRefused) {
  using Keys = std::vector<std::string>;
  const Keys drawn{"episode.way_min",  "episode.uneven", "episode.groups",
                   "episode.complete", "augment.tasks",  "model.modality_dropout"};
  EXPECT_EQ(unused_keys({"sinusoids"}), drawn);
  const Keys tables(drawn.begin() + 1, drawn.end());  // whose ways are drawn, too
  EXPECT_EQ(unused_keys({"causal_tables"}), tables);
  EXPECT_EQ(unused_keys({"causal_tables", "sinusoids"}), tables);
  EXPECT_EQ(unused_keys({"tabular_mdp"}),
            (Keys{"episode.way_min", "episode.shot_min", "episode.uneven", "episode.groups",
                  "episode.complete", "augment.tasks", "model.modality_dropout", "model.dropout"}));
  EXPECT_EQ(unused_keys({"minibatches"}),
            (Keys{"episode.way_min", "episode.shot_min", "episode.uneven"}));
  EXPECT_EQ(unused_keys({"augmented"}), Keys{"augment.tasks"});  // it has strengths of its own
  for (const char* source : {"episodes", "groups"})
    EXPECT_THAT(unused_keys({source}), IsEmpty()) << source;
  EXPECT_THAT(unused_keys({"sinusoids", "episodes"}), IsEmpty());
}

TEST(Augmentation, StrengthsThatNoSenseGoesByChangeNothing) {
  RunConfig config;
  const auto refused = [&](const std::vector<ModalitySpec>& senses) {
    return refusal_of([&] { check_augmentation(config, {senses}); });
  };
  const ModalitySpec text{"name", ModalityKind::kText, {}, 0.0, {}, {}};
  const ModalitySpec image{"drawing", ModalityKind::kImage, {8, 8, 1}, 0.0, {}, {}};
  config.augment.text = {0, 0};
  EXPECT_EQ(refused({text}), "");  // none are changed anyway
  config.augment.tasks = "query";
  EXPECT_THAT(refused({text}), testing::StartsWith("augment.tasks: is query, but all strengths of "
                                                   "text are 0 (nothing would change)"));
  EXPECT_EQ(refused({text, image}), "");
  config.augment.audio.gain = 1;  // warned of: one key chooses other senses
  EXPECT_EQ(refused({text, image}), "");
}

/// Sizes of the parameter, empty if the model has none of this name.
std::vector<std::int64_t> shape_of(const Assembly& parts, const std::string& name) {
  const auto& layout = *parts.model->layout();
  for (std::int64_t i = 0; i < layout.count(); ++i)
    if (layout.spec(i).name == name) return layout.spec(i).shape;
  return {};
}

TEST(Assembly, HasRowsForTrainingAlone) {
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
  const std::vector<std::int64_t> of_training{3, 3, 3};
  EXPECT_EQ(sizes(), of_training);
  config.adapt.values["eval_inner_steps"] = "4";
  EXPECT_EQ(sizes(), of_training);
  config.evaluation.way = 2;
  config.adapt.values["eval_inner_steps"] = "1";
  EXPECT_EQ(sizes(), of_training);
  config.adapt.type = "protonet";
  const auto metric = assemble(config, {tiny_modalities()}, {});
  EXPECT_THAT(metric.model->layout()->with_role(ParameterRole::kHead), IsEmpty());
}

TEST(Assembly, LiteIsForEmbeddedSupportsAndNormsThatKeepSamplesApart) {
  RunConfig config = tiny_config("", "protonet");
  config.model.lite = 2;
  const TaskInputs inputs{tiny_modalities(), 0, 6};
  const auto refusal = [&](const char* algorithm, const char* norm) {
    config.adapt.type = algorithm;
    for (const auto& name : {"image", "text"})
      config.model.encoders[name] = tiny_encoder({{"norm", norm}});
    return refusal_of([&] { assemble(config, inputs, {}); });
  };
  EXPECT_EQ(refusal("protonet", "support"), "");
  EXPECT_EQ(refusal("r2d2", "layer"), "");
  for (const char* norm : {"batch", "running"})
    EXPECT_THAT(refusal("protonet", norm), HasSubstr("model.lite: a norm goes by the batch"));
  EXPECT_THAT(refusal("maml", "layer"), HasSubstr("model.lite: maml embeds no support set"));
}

TEST(Assembly, MoreWaysThanTrainedAreForLearnersThatCompare) {
  RunConfig config = tiny_config("", "maml");  // way 3
  config.evaluation.way = 5;
  const auto refusal = [&](const std::string& algorithm) {
    config.adapt.type = algorithm;
    const auto said = refusal_of([&] { check_ways(config, {}); });
    const TaskInputs inputs{tiny_modalities(), 0, 6};
    if (algorithm != "pretrain") {  // which trains on minibatches
      EXPECT_EQ(refusal_of([&] { assemble(config, inputs, {}); }), said);
    }
    return said;
  };
  for (const auto& name : learners_for({TaskForm::kEpisode, TaskForm::kMinibatch})) {
    const Demands demands = builtin_learners().at(name).demands(Section(name));
    if (demands.head || demands.class_rows)
      EXPECT_THAT(refusal(name),
                  AllOf(HasSubstr("evaluation.way: is 5, above episode.way, 3, and " + name),
                        HasSubstr("use 3 or less, train with a larger episode.way")));
    else
      EXPECT_EQ(refusal(name), "") << name;
  }
  config.adapt.type = "protonet";
  EXPECT_EQ(most_classes(config, {}), 0);
  config.adapt = Section("caml", {{"max_way", "4"}});
  EXPECT_EQ(most_classes(config, {}), 4);
  EXPECT_THAT(refusal("caml"), HasSubstr("evaluation.way: is 5, and caml has room for 4 classes"));
  config.adapt = Section("snail");
  config.evaluation.way = 3;
  EXPECT_EQ(refusal("snail"), "");
  EXPECT_EQ(most_classes(config, {}), 3);
  config.episode.target = Section("value");
  config.episode.way = 1;
  config.evaluation.way = 0;
  EXPECT_EQ(refusal_of([&] { check_ways(config, {}); }), "");
  config.adapt.type = "protonet";
  EXPECT_EQ(most_classes(config, {}), 0);
}

}  // namespace
}  // namespace cuttle
