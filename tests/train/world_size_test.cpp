// P1 on thread ranks: the parameters after 20 steps and the records do not depend on the world
// size.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/train/environment.hpp"
#include "cuttle/train/trainer.hpp"
#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

struct Result {
  std::string sha256, metrics;
  bool operator==(const Result& other) const {
    return sha256 == other.sha256 && metrics == other.metrics;
  }
};

/// Image and text, either missing at times, with modality dropout; 5 tasks a step, which no world
/// size but 1 divides.
class WorldSizeTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    init_log(0, 1, LogLevel::kWarning);
    SyntheticOptions data;
    data.modalities = {"image", "text"};
    data.missing_rate = 0.2;
    folder_ = std::make_unique<TempFolder>();
    shards_ = write_synthetic_shards(folder_->path(), data);
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static RunConfig tiny(const std::string& algorithm) {
    RunConfig config;
    config.data.shards = shards_;
    config.episode = {};
    config.episode.way = 3;
    config.episode.query = 2;
    config.episode.meta_batch_size = 5;
    config.model.modality_dropout = 0.3;
    config.model.embedding = 8;
    for (const auto& name : {"image", "text"}) {
      config.model.encoders[name].width = 8;
      config.model.encoders[name].depth = 2;
    }
    config.adapt.algorithm = algorithm;
    config.adapt.inner_steps = 2;
    config.adapt.inner_lr = 0.1;
    config.train.steps = 20;
    config.train.validate_every = 10;
    config.train.validation_episodes = 7;
    config.train.checkpoint_every = 10;
    return config;
  }

  static Result train(const RunConfig& config, int ranks, const std::string& run,
                      bool resume = false) {
    SignalWatch signals;  // one per process
    Result result;
    run_thread_ranks(ranks, CommOptions{}, [&](Communicator& comm) {
      prepare_process(config);
      Trainer trainer(config, comm, {}, run, resume, {});
      const TrainOutcome outcome = trainer.run(signals);
      EXPECT_TRUE(outcome.complete);
      if (comm.rank() == 0) result.sha256 = outcome.parameters_sha256;
    });
    result.metrics = read_file(run + "/metrics.jsonl", 1 << 20);
    return result;
  }

  static void expect_equal_everywhere(const RunConfig& config) {
    TempFolder runs;
    const Result alone = train(config, 1, runs.path() + "/1");
    EXPECT_EQ(alone.sha256.size(), 64u);
    for (const int ranks : {2, 3, 4, 6})
      EXPECT_TRUE(train(config, ranks, runs.path() + "/" + std::to_string(ranks)) == alone)
          << config.adapt.algorithm << " on " << ranks << " ranks";
  }

  static std::unique_ptr<TempFolder> folder_;
  static std::vector<std::string> shards_;
};

std::unique_ptr<TempFolder> WorldSizeTest::folder_;
std::vector<std::string> WorldSizeTest::shards_;

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

TEST_F(WorldSizeTest, MicroBatchesOfTwoWithGatedFusion) {
  RunConfig config = tiny("maml");
  config.episode.micro_batch = 2;
  config.model.fusion = "gated";
  expect_equal_everywhere(config);
}

TEST_F(WorldSizeTest, LateFusionWithPerStepNormsSgdAndClipping) {
  RunConfig config = tiny("maml");
  config.model.fusion = "late";
  config.model.encoders["image"].norm = "batch_per_step";
  config.step.optimizer = "sgd";
  config.step.momentum = 0.9;
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

TEST_F(WorldSizeTest, ResumeOnAnotherWorldSize) {
  TempFolder runs;
  RunConfig config = tiny("maml");
  const Result gold = train(config, 1, runs.path() + "/gold");
  config.train.steps = 10;
  const Result half = train(config, 3, runs.path() + "/run");
  EXPECT_FALSE(half == gold);
  config.train.steps = 20;
  EXPECT_TRUE(train(config, 2, runs.path() + "/run", true) == gold);
}

TEST_F(WorldSizeTest, OneRankWithAnotherSeedIsRefusedByAll) {
  TempFolder runs;
  std::atomic<int> refused{0};
  run_thread_ranks(3, CommOptions{}, [&](Communicator& comm) {
    RunConfig config = tiny("maml");
    if (comm.rank() == 1) config.seed = 2;
    try {
      Trainer trainer(config, comm, {}, runs.path() + "/run", false, {});
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
