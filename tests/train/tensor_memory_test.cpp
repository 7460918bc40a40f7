#include "train/tensor_memory.hpp"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <thread>

#include "cuttle/train/environment.hpp"

namespace cuttle {
namespace {

class TensorMemory : public testing::Test {
 protected:
  void SetUp() override { pool_tensor_memory(); }
};

torch::Tensor filled(std::int64_t elements, float value) {
  return torch::full({elements}, value);
}

TEST_F(TensorMemory, blocks_are_aligned_whatever_their_size) {
  for (const std::int64_t elements : {1, 15, 16, 17, 1000, 16'368, 16'384, 100'000, 1'000'003}) {
    const auto tensor = filled(elements, 2.0f);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data_ptr()) % 64, 0u) << elements;
    EXPECT_EQ(tensor.sum().item<double>(), 2.0 * static_cast<double>(elements)) << elements;
  }
  EXPECT_EQ(torch::empty({0}).data_ptr(), nullptr);
}

TEST_F(TensorMemory, the_same_work_again_takes_no_more_memory) {
  const auto work = [] {
    for (std::int64_t elements = 20'000; elements < 200'000; elements += 9'999) {
      const auto a = filled(elements, 1.0f), b = filled(2 * elements, 1.0f);
      const auto c = torch::cat({a, b});
    }
  };
  work();
  const std::size_t needed = tensor_memory_bytes();
  for (int i = 0; i < 5; ++i) work();
  EXPECT_EQ(tensor_memory_bytes(), needed);
}

TEST_F(TensorMemory, a_large_idle_block_is_not_spent_on_a_small_tensor) {
  {
    const auto large = filled(8 << 20, 1.0f);
  }
  const std::size_t before = tensor_memory_bytes();
  const auto small = filled(1 << 20, 1.0f);
  const auto again = filled(8 << 20, 1.0f);
  EXPECT_LT(tensor_memory_bytes() - before, std::size_t{5} << 20);
}

TEST_F(TensorMemory, living_tensors_never_share_a_block) {
  const auto first = filled(50'000, 1.0f);
  const auto copy = first.clone();
  auto grown = filled(50'000, 3.0f);
  grown.resize_({90'000});
  copy.fill_(7.0f);
  EXPECT_EQ(first.sum().item<float>(), 50'000.0f);
  EXPECT_EQ(grown.narrow(0, 0, 50'000).sum().item<float>(), 150'000.0f);
}

TEST_F(TensorMemory, tensors_may_die_in_another_thread) {
  for (int round = 0; round < 20; ++round) {
    auto tensor = filled(70'000, 1.0f);
    std::thread other([moved = std::move(tensor)]() mutable {
      EXPECT_EQ(moved.sum().item<float>(), 70'000.0f);
      moved = filled(70'000, 2.0f);
    });
    const auto mine = filled(70'000, 5.0f);
    other.join();
    EXPECT_EQ(mine.sum().item<float>(), 350'000.0f);
  }
}

}  // namespace
}  // namespace cuttle
