// The stand-in alone: it must behave like CUDA where the backend relies on it, and see what its
// users do wrong. That it sees what a wrong backend does is shown by nccl_mutants_test.cpp.
#include "support/nccl_standin/standin.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include <cuda_runtime_api.h>

namespace cuttle {
namespace {

class NcclStandinTest : public testing::Test {
 protected:
  void SetUp() override {
    standin_start({2, 0, 3, 20000});
    cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&event_, cudaEventDisableTiming);
    cudaHostAlloc(&host_, kBytes, cudaHostAllocDefault);
    cudaMalloc(&device_, kBytes);
  }

  void copy_in() {
    EXPECT_EQ(cudaMemcpyAsync(device_, host_, kBytes, cudaMemcpyHostToDevice, stream_),
              cudaSuccess);
  }
  void copy_out() {
    EXPECT_EQ(cudaMemcpyAsync(host_, device_, kBytes, cudaMemcpyDeviceToHost, stream_),
              cudaSuccess);
  }
  static std::vector<Fault> faults() {
    std::vector<Fault> all;
    for (const FaultReport& report : standin_reports()) all.push_back(report.fault);
    return all;
  }
  char* host() const { return static_cast<char*>(host_); }

  static constexpr std::size_t kBytes = 10000;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t event_ = nullptr;
  void* host_ = nullptr;
  void* device_ = nullptr;
};

TEST_F(NcclStandinTest, CopiesAreAsynchronousInOrderAndRight) {
  std::memset(host_, 7, kBytes);
  for (int i = 0; i < 5; ++i) {
    copy_in();
    copy_out();
  }
  EXPECT_EQ(cudaEventQuery(event_), cudaSuccess) << "never recorded";
  cudaEventRecord(event_, stream_);
  EXPECT_EQ(cudaEventQuery(event_), cudaErrorNotReady) << "ten copies with delays up to 20 ms";
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  EXPECT_EQ(cudaEventQuery(event_), cudaSuccess);
  EXPECT_EQ(host()[0], 7);
  EXPECT_EQ(host()[kBytes - 1], 7);
  EXPECT_TRUE(faults().empty());
}

TEST_F(NcclStandinTest, ReadingTheSourceOfACopyIsAllowedWritingIsNot) {
  copy_in();
  const volatile char first = host()[0];
  (void)first;
  EXPECT_TRUE(faults().empty());
  host()[0] = 1;
  EXPECT_EQ(faults(), std::vector<Fault>{Fault::kHostAccess});
}

TEST_F(NcclStandinTest, TheHostMayNotReadDeviceMemory) {
  const volatile char first = static_cast<char*>(device_)[5];
  (void)first;
  EXPECT_EQ(faults(), std::vector<Fault>{Fault::kHostAccess});
}

TEST_F(NcclStandinTest, PageableMemoryIsRefused) {
  std::vector<char> pageable(kBytes);
  EXPECT_NE(cudaMemcpyAsync(device_, pageable.data(), kBytes, cudaMemcpyHostToDevice, stream_),
            cudaSuccess);
  EXPECT_EQ(faults(), std::vector<Fault>{Fault::kMemory});
}

TEST_F(NcclStandinTest, AnEventOrdersTwoStreams) {
  cudaStream_t other = nullptr;
  cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking);
  void* second = nullptr;
  cudaHostAlloc(&second, kBytes, cudaHostAllocDefault);
  copy_in();
  cudaEventRecord(event_, stream_);
  cudaStreamWaitEvent(other, event_, 0);
  EXPECT_EQ(cudaMemcpyAsync(second, device_, kBytes, cudaMemcpyDeviceToHost, other), cudaSuccess);
  EXPECT_TRUE(faults().empty());
  // Writes what the other stream may still read:
  EXPECT_EQ(cudaMemcpyAsync(device_, host_, kBytes, cudaMemcpyHostToDevice, stream_),
            cudaErrorInvalidValue);
  EXPECT_EQ(faults(), std::vector<Fault>{Fault::kRace});
}

TEST_F(NcclStandinTest, WhatIsNotFreedIsCounted) {
  cudaEventDestroy(event_);
  cudaFree(device_);
  standin_check_leaks();
  EXPECT_EQ(faults(), (std::vector<Fault>{Fault::kLeak, Fault::kLeak}))
      << "a stream and an allocation";
  cudaEventRecord(event_, stream_);
  EXPECT_EQ(faults().back(), Fault::kAfterEnd);
}

}  // namespace
}  // namespace cuttle
