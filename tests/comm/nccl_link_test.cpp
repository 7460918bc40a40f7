// The production code with the real libnccl and libcudart, on a machine with or without devices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nccl.h>

#include "comm/nccl_communicator.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

TEST(NcclLink, LibraryAndHeaderAreOfOneVersion) {
  int version = 0;
  ASSERT_EQ(ncclGetVersion(&version), ncclSuccess);
  EXPECT_EQ(version, NCCL_VERSION_CODE);
  EXPECT_GE(version, NCCL_VERSION(2, 28, 0));
}

TEST(NcclLink, WithoutDeviceItRefusesAndSaysWhy) {
  if (visible_cuda_devices() > 0) GTEST_SKIP() << "this machine has devices";
  const auto alone = make_solo_communicator();
  try {
    make_nccl_communicator(*alone, 0, {});
    ADD_FAILURE() << "no error";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("rank 0 on"));
    EXPECT_THAT(error.what(), testing::ContainsRegex("sees no CUDA device: .*(driver|device)"));
    EXPECT_THAT(error.what(), testing::HasSubstr("comm.backend"));
  }
}

TEST(NcclLink, OneRankAloneOnADevice) {
  if (visible_cuda_devices() == 0) GTEST_SKIP() << "this machine shows no CUDA device";
  const auto alone = make_solo_communicator();
  const auto comm = make_nccl_communicator(*alone, 0, {});
  EXPECT_EQ(comm->all_reduce("alone", {-5, 7}, ReduceOp::kSum).wait(),
            (std::vector<std::int64_t>{-5, 7}));
}

}  // namespace
}  // namespace cuttle
