// P1 across backends: ranks that are processes compute the bits that ranks that are threads do.
#include <gtest/gtest.h>

#include "cuttle/core/log.hpp"
#include "support/mpi_test_main.hpp"
#include "support/temp_folder.hpp"
#include "train/tiny_run.hpp"

namespace cuttle {
namespace {

Result train_on_mpi(const RunConfig& config, const std::string& run) {
  SignalWatch signals;  // one per process
  return train_rank(test_communicator(), config, run, signals);
}

TEST(WorldSizeMpi, ComputesWhatThreadsDo) {
  Communicator& world = test_communicator();
  init_log(world.rank(), world.size(), LogLevel::kWarning);
  const TempFolder folder;  // that of rank 0 is the one that all use
  const std::string path = world.broadcast("folder", folder.path(), 0).wait();
  if (world.rank() == 0) write_tiny_shards(path);
  world.barrier("shards");
  const RunConfig config = tiny_config(path, "maml");
  const Result processes = train_on_mpi(config, path + "/processes");
  if (world.rank() != 0) return;
  const Result threads = train_on_threads(config, 2, path + "/threads");
  EXPECT_EQ(processes.sha256.size(), 64u);
  EXPECT_EQ(processes.sha256, threads.sha256);
  EXPECT_EQ(processes.metrics, threads.metrics);
}

}  // namespace
}  // namespace cuttle
