// P1 and P3 for learners, sources, fusions, objectives, norms and optimizers beside MAML's and
// Adam: few steps, the same parameters and records at world sizes 1, 2 and 3; and what a part owns
// (parameters, averages, slots) is in the checkpoint, so that a run resumed on other ranks has the
// uninterrupted one's bits.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include "cuttle/core/log.hpp"
#include "support/temp_folder.hpp"
#include "train/tiny_run.hpp"

namespace cuttle {
namespace {

/// A part in a run; `set` puts it into the tiny config.
struct Case {
  const char* name;
  const char* algorithm;
  std::function<void(RunConfig&)> set;
};
std::ostream& operator<<(std::ostream& out, const Case& part) {
  return out << part.name;
}

void nothing(RunConfig&) {}

/// No shards: one modality, made by the source.
void made_by(RunConfig& config, Section source, const char* target, const char* modality) {
  config.data.shards.clear();
  config.episode.source = std::move(source);
  config.episode.target = target;
  config.episode.way = 1;
  config.episode.shot = 4;
  config.episode.query = 3;
  config.model.modality_dropout = 0.0;
  config.model.encoders.clear();
  config.model.encoders[modality] = Section("mlp", {{"width", "8"}, {"depth", "1"}});
}

void agree(RunConfig& config, const char* where) {
  config.objectives["agree"] = {Section("contrastive", {{"width", "6"}}), 0.5, where};
}

void norms(RunConfig& config, const char* norm) {
  for (const auto& name : {"image", "text"})
    config.model.encoders[name] = tiny_encoder({{"norm", norm}});
}

void acting(RunConfig& config) {
  made_by(config, Section("tabular_mdp", {{"states", "4"}, {"actions", "3"}, {"horizon", "3"}}),
          "return", "state");
  config.adapt.values["exploration"] = "true";
}

void sinusoids(RunConfig& config) {
  made_by(config, Section("sinusoids", {{"noise", "0.1"}}), "value", "x");
  config.episode.shot_min = 2;
}

const Case kMetaSgd{"meta_sgd", "meta_sgd", nothing};
const Case kBoil{"boil", "maml", [](RunConfig& c) { c.adapt.values["fast"] = "[body]"; }};
const Case kLearnedBiases{"learned_biases", "meta_sgd", [](RunConfig& c) {
                            c.adapt.values["fast"] = "['*.bias', -encoder.text.*]";
                          }};
/// The resumed half begins before either has ended.
const Case kMamlPp{"maml_pp", "maml_pp", [](RunConfig& c) {
                     c.adapt.values.insert({{"multi_step", "5"}, {"first_order", "4"}});
                   }};
const Case kMamlClusters{"maml_clusters", "maml_clusters", [](RunConfig& c) {
                           c.adapt.values.insert({{"clusters", "3"}, {"width", "4"}});
                         }};
const Case kLeo{"leo", "leo", [](RunConfig& c) { c.adapt.values["latent"] = "4"; }};
const Case kLstm{"lstm", "lstm", [](RunConfig& c) { c.adapt.values["hidden"] = "4"; }};
const Case kImaml{"imaml", "imaml", nothing};
const Case kMetaCurvature{"meta_curvature", "meta_curvature", nothing};
const Case kCavia{"cavia", "cavia", [](RunConfig& c) { c.adapt.values["context"] = "4"; }};
const Case kSnail{"snail", "snail", [](RunConfig& c) {
                    c.adapt.values.insert({{"filters", "8"}, {"attention", "8"}});
                  }};
const Case kCaml{"caml", "caml",
                 [](RunConfig& c) { c.adapt.values.insert({{"width", "8"}, {"layers", "1"}}); }};
const Case kMann{"mann", "mann", [](RunConfig& c) {
                   c.adapt.values.insert({{"hidden", "8"}, {"slots", "6"}, {"reads", "2"}});
                 }};
const Case kMetaNetworks{"meta_networks", "meta_networks",
                         [](RunConfig& c) { c.adapt.values["width"] = "8"; }};
const Case kNeuralProcess{"neural_process", "neural_process",
                          [](RunConfig& c) { c.adapt.values["width"] = "8"; }};
const Case kR2d2{"r2d2", "r2d2", [](RunConfig& c) { c.model.fusion = "late"; }};
const Case kMatching{"matching", "matching", [](RunConfig& c) {
                       c.adapt.values["full_context"] = "true";
                       c.model.fusion = "late";
                     }};
const Case kRelation{"relation", "relation", [](RunConfig& c) {
                       c.adapt.values["hidden"] = "8";
                       c.model.fusion = "late";
                     }};
const Case kSiamese{"siamese", "siamese", [](RunConfig& c) {
                      c.adapt.values["loss"] = "pair";
                      c.model.fusion = "late";
                    }};
const Case kPretrain{"pretrain", "pretrain", [](RunConfig& c) {
                       c.episode.source = Section("minibatches", {{"batch", "12"}});
                       c.adapt.values["finetune_steps"] = "5";
                     }};
const Case kSimpleShot{
    "simpleshot", "pretrain", [](RunConfig& c) {
      c.model.fusion = "late";
      c.episode.source = Section("minibatches", {{"batch", "12"}});
      c.adapt.values.insert({{"adapt_by", "centroid"}, {"transform", "centred_unit"}});
    }};
const Case kMetaBaseline{"meta_baseline", "protonet",
                         [](RunConfig& c) { c.adapt.values["distance"] = "cosine"; }};
const Case kMetaOptNet{"metaoptnet", "metaoptnet", [](RunConfig& c) { c.model.fusion = "late"; }};
const Case kMamlRl{"maml_rl", "maml_rl", acting};
const Case kRl2{"rl2", "rl2", [](RunConfig& c) {
                  made_by(c, Section("bandits", {{"arms", "3"}, {"horizon", "2"}}), "return",
                          "state");
                  c.adapt.values["hidden"] = "4";
                }};
const Case kSinusoids{"sinusoids", "meta_sgd", sinusoids};
const Case kCausalTables{"causal_tables", "maml", [](RunConfig& c) {
                           made_by(c, Section("causal_tables", {{"features", "3"}}), "value", "x");
                         }};
const Case kGroups{"groups", "maml", [](RunConfig& c) {
                     c.episode.source = "groups";
                     c.episode.query = 1;
                   }};
const Case kAugmented{"augmented", "protonet", [](RunConfig& c) {
                        c.episode.source = Section("augmented", {{"flip", "true"}});
                      }};
/// Labelled and unlabelled tasks of the same shards, by weight.
const Case kMixture{"mixture", "protonet", [](RunConfig& c) {
                      const auto shards = std::exchange(c.data.shards, {});
                      c.sources["a"] = {Section("episodes"), 2.0, shards};
                      c.sources["b"] = {Section("augmented"), 1.0, shards};
                    }};
const Case kCrossAttention{
    "cross_attention", "fomaml", [](RunConfig& c) {
      c.model.fusion = Section("cross_attention", {{"fusion_width", "8"}, {"fusion_layers", "1"}});
    }};
const Case kContrastive{"contrastive", "protonet", [](RunConfig& c) { agree(c, "outer"); }};
const Case kContrastiveInside{"contrastive_inside", "maml", [](RunConfig& c) { agree(c, "both"); }};
const Case kSupport{"support", "maml", [](RunConfig& c) { norms(c, "support"); }};
const Case kRunning{"running", "protonet", [](RunConfig& c) { norms(c, "running"); }};
const Case kTask{"task", "maml", [](RunConfig& c) { norms(c, "task"); }};
const Case kLayer{"layer", "maml", [](RunConfig& c) { norms(c, "layer"); }};
const Case kLion{"lion", "protonet", [](RunConfig& c) {
                   c.step.optimizer = Section("lion", {{"beta2", "0.9"}});
                   c.step.weight_decay = 0.1;
                 }};
const Case kSgd{"sgd", "protonet", [](RunConfig& c) {
                  c.step.optimizer = Section("sgd", {{"momentum", "0.9"}});
                  c.step.outer_lr = 0.1;
                }};

class Parts : public TinyShardsTest, public testing::WithParamInterface<Case> {
 protected:
  static RunConfig config_of(const Case& part) {
    RunConfig config = tiny_config(shards_->path(), part.algorithm);
    config.train.steps = 6;
    config.train.validate_every = 3;
    config.train.validation_episodes = 4;
    config.train.checkpoint_every = 3;
    part.set(config);
    return config;
  }
};

class WorldSize : public Parts {};

TEST_P(WorldSize, ChangesNoBit) {
  const RunConfig config = config_of(GetParam());
  TempFolder runs;
  const Result alone = train_on_threads(config, 1, runs.path() + "/1");
  EXPECT_EQ(alone.sha256.size(), 64u);
  for (const int ranks : {2, 3})
    EXPECT_TRUE(train_on_threads(config, ranks, runs.path() + "/" + std::to_string(ranks)) == alone)
        << ranks << " ranks";
  // That it was trained at all, and by its seed.
  RunConfig other = config;
  other.seed = 2;
  EXPECT_FALSE(train_on_threads(other, 1, runs.path() + "/other").sha256 == alone.sha256);
}

const auto kAll = testing::Values(
    kMetaSgd, kBoil, kLearnedBiases, kMamlPp, kMamlClusters, kLeo, kLstm, kImaml, kMetaCurvature,
    kCavia, kSnail, kCaml, kMann, kMetaNetworks, kNeuralProcess, kR2d2, kMatching, kRelation,
    kSiamese, kPretrain, kSimpleShot, kMetaBaseline, kMetaOptNet, kMamlRl, kRl2, kSinusoids,
    kCausalTables, kGroups, kAugmented, kMixture, kCrossAttention, kContrastive, kContrastiveInside,
    kSupport, kRunning, kTask, kLayer, kLion, kSgd);
std::string name_of(const testing::TestParamInfo<Case>& part) {
  return part.param.name;
}

INSTANTIATE_TEST_SUITE_P(All, WorldSize, kAll, name_of);

class Resume : public Parts {
 protected:
  /// The slots in the newest checkpoint of a run.
  static std::string kept_by_optimizer(const std::string& run) {
    return read_file(list_checkpoints(run).back().folder + "/optimizer.safetensors", 1 << 24);
  }
};

TEST_P(Resume, OnAnotherWorldSizeGivesTheUninterruptedBits) {
  RunConfig config = config_of(GetParam());
  TempFolder runs;
  const Result gold = train_on_threads(config, 1, runs.path() + "/gold");
  config.train.steps = 3;
  const Result half = train_on_threads(config, 3, runs.path() + "/run");
  EXPECT_FALSE(half == gold);
  config.train.steps = 6;
  EXPECT_TRUE(train_on_threads(config, 2, runs.path() + "/run", true) == gold);
  EXPECT_EQ(kept_by_optimizer(runs.path() + "/run"), kept_by_optimizer(runs.path() + "/gold"));
}

INSTANTIATE_TEST_SUITE_P(All, Resume, kAll, name_of);

}  // namespace
}  // namespace cuttle
