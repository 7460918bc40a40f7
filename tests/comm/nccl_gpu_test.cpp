// The conformance suite on hardware, one device per rank; skipped, visibly, where there are fewer
// devices than ranks.
#include <gtest/gtest.h>

#include "comm/conformance.hpp"
#include "comm/nccl_communicator.hpp"
#include "support/mpi_test_main.hpp"

namespace cuttle {
namespace {

class NcclGpu : public testing::TestWithParam<ConformanceCase> {};

TEST_P(NcclGpu, Holds) {
  const int local_rank = test_session().local_rank();
  const std::string obstacle = nccl_obstacle(test_communicator(), local_rank);
  if (!obstacle.empty()) GTEST_SKIP() << obstacle;
  CommOptions options;
  options.backend = "mpi";
  options.deadline_s = GetParam().deadline_s;
  const auto control = test_session().world(options);
  options.deadline_s = 60.0;  // NCCL's first start on a device takes seconds
  GetParam().check(*make_nccl_communicator(*control, local_rank, options));
}

INSTANTIATE_TEST_SUITE_P(, NcclGpu, testing::ValuesIn(conformance_cases()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace cuttle
