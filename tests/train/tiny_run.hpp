#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/train/environment.hpp"
#include "cuttle/train/trainer.hpp"
#include "support/shard_writer.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {

/// What a run computes.
struct Result {
  std::string sha256, metrics;
  bool operator==(const Result& other) const {
    return sha256 == other.sha256 && metrics == other.metrics;
  }
};

/// Image and text, either missing at times.
inline void write_tiny_shards(const std::string& folder) {
  SyntheticOptions data;
  data.modalities = {"image", "text"};
  data.missing_rate = 0.2;
  write_synthetic_shards(folder, data);
}

/// Tests that share those in one folder.
class TinyShardsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    init_log(0, 1, LogLevel::kWarning);
    shards_ = std::make_unique<TempFolder>();
    write_tiny_shards(shards_->path());
  }
  static void TearDownTestSuite() { shards_.reset(); }

  static inline std::unique_ptr<TempFolder> shards_;
};

/// Eight filters, two blocks; `more`: keys beside.
inline Section tiny_encoder(std::map<std::string, std::string> more = {}) {
  more.insert({{"width", "8"}, {"depth", "2"}});
  return Section("auto", std::move(more));
}

/// 20 steps on the tiny shards in the folder, with modality dropout; 5 tasks a step, which no world
/// size but 1 divides.
inline RunConfig tiny_config(const std::string& folder, const std::string& algorithm) {
  RunConfig config;
  config.data.shards = {folder + "/*.h5"};
  config.episode = {};
  config.episode.way = 3;
  config.episode.query = 2;
  config.episode.meta_batch_size = 5;
  config.model.modality_dropout = 0.3;
  for (const auto& name : {"image", "text"}) config.model.encoders[name] = tiny_encoder();
  config.adapt = Section(algorithm, {{"inner_steps", "2"}, {"inner_lr", "0.1"}});
  config.train.steps = 20;
  config.train.validate_every = 10;
  config.train.validation_episodes = 7;
  config.train.checkpoint_every = 10;
  return config;
}

/// This rank's part of the run; the records are read on rank 0.
inline Result train_rank(Communicator& comm, const RunConfig& config, const std::string& run,
                         SignalWatch& signals, bool resume = false) {
  prepare_process(config, 0);
  Trainer trainer(config, comm, {}, {run, resume}, {});
  const TrainOutcome outcome = trainer.run(signals);
  EXPECT_TRUE(outcome.complete);
  if (comm.rank() != 0) return {};
  return {outcome.parameters_sha256, read_file(run + "/metrics.jsonl", 1 << 20)};
}

inline Result train_on_threads(const RunConfig& config, int ranks, const std::string& run,
                               bool resume = false) {
  SignalWatch signals;  // one per process
  Result result;
  run_thread_ranks(ranks, CommOptions{}, [&](Communicator& comm) {
    const Result mine = train_rank(comm, config, run, signals, resume);
    if (comm.rank() == 0) result = mine;
  });
  return result;
}

}  // namespace cuttle
