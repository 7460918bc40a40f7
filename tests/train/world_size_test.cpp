// P1 on thread ranks: the parameters after 20 steps and the records do not depend on the world
// size.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "cuttle/core/log.hpp"
#include "support/temp_folder.hpp"
#include "train/tiny_run.hpp"

namespace cuttle {
namespace {

class WorldSizeTest : public TinyShardsTest {
 protected:
  static RunConfig tiny(const std::string& algorithm) {
    return tiny_config(shards_->path(), algorithm);
  }

  static void expect_equal_everywhere(const RunConfig& config) {
    TempFolder runs;
    const Result alone = train_on_threads(config, 1, runs.path() + "/1");
    EXPECT_EQ(alone.sha256.size(), 64u);
    for (const int ranks : {2, 3, 4, 6})
      EXPECT_TRUE(train_on_threads(config, ranks, runs.path() + "/" + std::to_string(ranks)) ==
                  alone)
          << config.adapt.type << " on " << ranks << " ranks";
  }
};

TEST_F(WorldSizeTest, Maml) {
  expect_equal_everywhere(tiny("maml"));
}
TEST_F(WorldSizeTest, Fomaml) {
  expect_equal_everywhere(tiny("fomaml"));
}
TEST_F(WorldSizeTest, Anil) {
  expect_equal_everywhere(tiny("anil"));
}
TEST_F(WorldSizeTest, Reptile) {
  expect_equal_everywhere(tiny("reptile"));
}
TEST_F(WorldSizeTest, Protonet) {
  expect_equal_everywhere(tiny("protonet"));
}

TEST_F(WorldSizeTest, MetaSgd) {
  expect_equal_everywhere(tiny("meta_sgd"));
}
TEST_F(WorldSizeTest, Lstm) {
  expect_equal_everywhere(tiny("lstm"));
}
TEST_F(WorldSizeTest, Snail) {
  expect_equal_everywhere(tiny("snail"));
}
TEST_F(WorldSizeTest, R2d2) {
  expect_equal_everywhere(tiny("r2d2"));
}

/// Statistics that training averages are parts of the state too.
TEST_F(WorldSizeTest, RunningNorms) {
  RunConfig config = tiny("maml");
  for (const auto& name : {"image", "text"})
    config.model.encoders[name] = tiny_encoder({{"norm", "running"}});
  expect_equal_everywhere(config);
}

TEST_F(WorldSizeTest, MicroBatchesOfTwoWithGatedFusion) {
  RunConfig config = tiny("maml");
  config.episode.micro_batch = 2;
  config.model.fusion = "gated";
  expect_equal_everywhere(config);
}

TEST_F(WorldSizeTest, LateFusionWithPerStepNormsSgdAndClipping) {
  RunConfig config = tiny("maml");
  config.model.fusion = "late";
  config.model.encoders["image"] = tiny_encoder({{"norm", "batch_per_step"}});
  config.step.optimizer = Section("sgd", {{"momentum", "0.9"}});
  config.step.clip = "norm";
  config.step.clip_at = 0.5;
  expect_equal_everywhere(config);
}

TEST_F(WorldSizeTest, VariableWayAndShotWithoutPrefetch) {
  RunConfig config = tiny("protonet");
  config.episode.way_min = 2;
  config.episode.shot = 3;
  config.episode.shot_min = 1;
  config.data.prefetch = 0;
  config.model.fusion = "late";
  expect_equal_everywhere(config);
}

/// Values to predict: a perceptron on its own engine, and the same on LibTorch's operations.
TEST_F(WorldSizeTest, Regression) {
  TempFolder shards;
  SyntheticOptions data;
  data.modalities = {"vector"};
  data.targets = 2;
  write_synthetic_shards(shards.path(), data);
  for (const bool fused : {true, false}) {
    RunConfig config = tiny_config(shards.path(), "maml");
    config.episode.target = "value";
    config.episode.way = 1;
    config.episode.shot = 4;
    config.episode.shot_min = 2;
    config.episode.query = 2;
    config.model.modality_dropout = 0.0;
    config.model.encoders.clear();
    config.model.encoders["vector"] = tiny_encoder({{"fused", fused ? "true" : "false"}});
    expect_equal_everywhere(config);
  }
}

TEST_F(WorldSizeTest, ResumeOnAnotherWorldSize) {
  TempFolder runs;
  RunConfig config = tiny("maml");
  const Result gold = train_on_threads(config, 1, runs.path() + "/gold");
  config.train.steps = 10;
  const Result half = train_on_threads(config, 3, runs.path() + "/run");
  EXPECT_FALSE(half == gold);
  config.train.steps = 20;
  EXPECT_TRUE(train_on_threads(config, 2, runs.path() + "/run", true) == gold);
}

TEST_F(WorldSizeTest, OneRankWithAnotherSeedIsRefusedByAll) {
  TempFolder runs;
  std::atomic<int> refused{0};
  run_thread_ranks(3, CommOptions{}, [&](Communicator& comm) {
    RunConfig config = tiny("maml");
    if (comm.rank() == 1) config.seed = 2;
    try {
      Trainer trainer(config, comm, {}, {runs.path() + "/run"}, {});
    } catch (const UserError& problem) {
      EXPECT_NE(std::string(problem.what()).find("seed: 1 on rank 0, 2 on rank 1"),
                std::string::npos)
          << problem.what();
      ++refused;
    }
  });
  EXPECT_EQ(refused, 3);
  EXPECT_FALSE(std::filesystem::exists(runs.path() + "/run"));
}

}  // namespace
}  // namespace cuttle
