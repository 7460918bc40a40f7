#include "kernels/parallel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <thread>

#include "kernels/kernel_parts.hpp"

namespace cuttle::kernels {
namespace {

struct Part {
  std::int64_t index, begin, end;
  std::thread::id thread;
};

std::vector<Part> parts_made(std::int64_t count) {
  std::vector<Part> made;
  std::mutex mutex;
  in_parts(count, [&](std::int64_t index, std::int64_t begin, std::int64_t end) {
    const std::lock_guard<std::mutex> lock(mutex);
    made.push_back({index, begin, end, std::this_thread::get_id()});
  });
  std::sort(made.begin(), made.end(), [](auto& a, auto& b) { return a.index < b.index; });
  return made;
}

#ifdef _OPENMP
constexpr int kMostThreads = 4;
#else
constexpr int kMostThreads = 1;
#endif

TEST(KernelParallel, PartsCoverAllItemsOnceEachOnAThreadOfItsOwn) {
  for (int threads = 1; threads <= kMostThreads; ++threads) {
    const parts::Threads scope(threads);
    for (std::int64_t count = 0; count < 14; ++count) {
      SCOPED_TRACE(std::to_string(count) + " items, threads: " + std::to_string(threads));
      const auto made = parts_made(count);
      // Work of nothing is one empty part, so that what it sums up exists.
      ASSERT_EQ(parts_of(count), std::clamp<std::int64_t>(count, 1, threads));
      ASSERT_EQ(static_cast<std::int64_t>(made.size()), parts_of(count));
      std::set<std::thread::id> on;
      std::int64_t next = 0;
      for (std::size_t k = 0; k < made.size(); ++k) {
        EXPECT_EQ(made[k].index, static_cast<std::int64_t>(k));
        EXPECT_EQ(made[k].begin, next);
        next = made[k].end;
        const std::int64_t size = made[k].end - made[k].begin;
        EXPECT_TRUE(size == count / parts_of(count) || size == count / parts_of(count) + 1);
        on.insert(made[k].thread);
      }
      EXPECT_EQ(next, count);
      EXPECT_EQ(on.size(), made.size());
    }
  }
}

}  // namespace
}  // namespace cuttle::kernels
