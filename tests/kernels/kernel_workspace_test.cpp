// The workspace, seen through the addresses that it hands out. Every test has a thread, and so a
// workspace, of its own.

#include "kernels/workspace.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <thread>

namespace cuttle::kernels {
namespace {

using testing::Each;
using Byte = unsigned char;
using Addresses = std::vector<std::uintptr_t>;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kKeepsMemory = false;  // every array is then a block of its own
#else
constexpr bool kKeepsMemory = true;
#endif
constexpr std::int64_t kLarge = 1 << 20;  ///< more than what is left of a first block

template <class Body>
void on_a_fresh_thread(const Body& body) {
  std::thread(body).join();
}
template <class T>
std::uintptr_t address(const T* of) {
  return reinterpret_cast<std::uintptr_t>(of);
}

/// Takes arrays at random, in scratches within scratches, and writes a number of its own to each.
class Nesting {
 public:
  explicit Nesting(unsigned seed) : draw_(seed) {}
  void run(int depth) {
    const std::size_t before = live_.size();
    {
      Scratch scratch;
      for (int k = random(5); k >= 0; --k) {
        take(scratch);
        if (depth > 0 && random(2) == 0) run(depth - 1);
      }
      for (const Array& array : live_) {
        EXPECT_TRUE(std::all_of(array.begin, array.begin + array.size,
                                [&](Byte b) { return b == array.value; }));
      }
    }
    live_.resize(before);
  }

 private:
  struct Array {
    Byte* begin;
    std::int64_t size;
    Byte value;
  };
  int random(unsigned below) { return static_cast<int>(draw_() % below); }
  void take(Scratch& scratch) {
    const std::int64_t size = 1 + random(random(4) == 0 ? 150000 : 2000);
    const Array made{scratch.take<Byte>(size), size, ++stamp_};
    EXPECT_EQ(address(made.begin) % 64, 0u);
    for (const Array& other : live_) {
      EXPECT_TRUE(address(made.begin + made.size) <= address(other.begin) ||
                  address(other.begin + other.size) <= address(made.begin));
    }
    std::fill_n(made.begin, size, made.value);
    live_.push_back(made);
  }

  std::mt19937 draw_;
  std::vector<Array> live_;
  Byte stamp_ = 0;
};

TEST(KernelWorkspace, ArraysInUseAreAlignedApartAndKeepTheirContents) {
  on_a_fresh_thread([] {
    for (unsigned seed = 0; seed < 20; ++seed) Nesting(seed).run(3);
  });
}

TEST(KernelWorkspace, ThreadsDoNotShareArrays) {
  on_a_fresh_thread([] {
    auto theirs = std::make_unique<Scratch>();
    theirs->take<int>(1000);
    on_a_fresh_thread([&] {
      Scratch own;
      int* kept = own.take<int>(1000);
      std::fill_n(kept, 1000, 1);
      theirs.reset();  // gives nothing back that is of this thread
      std::fill_n(own.take<int>(3000), 3000, 2);
      EXPECT_THAT(std::vector<int>(kept, kept + 1000), Each(1));
    });
  });
}

TEST(KernelWorkspace, ZerosAreZeroWhereSomethingElseWas) {
  on_a_fresh_thread([] {
    for (const std::int64_t count : {1, 7, 1000, 100000}) {
      {
        Scratch scratch;
        std::fill_n(scratch.take<double>(count), count, 3.0);
      }
      Scratch scratch;
      const double* zeros = scratch.zeros<double>(count);
      EXPECT_THAT(std::vector<double>(zeros, zeros + count), Each(0.0)) << count;
    }
  });
}

TEST(KernelWorkspace, AnInnerScratchGivesBackWhatItTook) {
  if (!kKeepsMemory) GTEST_SKIP() << "under the address sanitizer nothing is handed out twice";
  on_a_fresh_thread([] {
    Scratch outer;
    const auto mine = address(outer.take<char>(100));
    const auto small = [] { return address(Scratch().take<double>(10)); };
    EXPECT_EQ(small(), mine + 128);
    Scratch().take<char>(kLarge);  // in a block of its own
    EXPECT_EQ(small(), mine + 128);
    EXPECT_EQ(address(outer.take<char>(100)), mine + 128);
  });
}

TEST(KernelWorkspace, BlocksThatAnInnerScratchAddedServeTheNext) {
  if (!kKeepsMemory) GTEST_SKIP() << "under the address sanitizer nothing is handed out twice";
  on_a_fresh_thread([] {
    Scratch outer;
    outer.take<char>(100);
    const auto work = [] {
      Scratch inner;
      return Addresses{address(inner.take<char>(kLarge)), address(inner.take<char>(2 * kLarge)),
                       address(inner.take<char>(3 * kLarge))};
    };
    const Addresses first = work();
    EXPECT_EQ(work(), first);
    EXPECT_EQ(work(), first);
  });
}

TEST(KernelWorkspace, RepeatedWorkNeedsNoMoreMemory) {
  if (!kKeepsMemory) GTEST_SKIP() << "under the address sanitizer memory goes back at once";
  on_a_fresh_thread([] {
    const auto work = [] {
      Scratch outer;
      Addresses at{address(outer.take<char>(6400)), address(outer.take<char>(kLarge))};
      Scratch inner;
      at.push_back(address(inner.take<char>(kLarge)));
      return at;
    };
    work();
    const Addresses joined = work();  // the blocks of the first time have become one
    EXPECT_EQ(joined[1], joined[0] + 6400);
    EXPECT_EQ(joined[2], joined[1] + kLarge);
    std::vector<std::vector<char>> others;  // would take the place of memory that is given back
    for (int i = 0; i < 4; ++i) {
      others.emplace_back(6400 + 2 * kLarge);
      EXPECT_EQ(work(), joined);
      EXPECT_EQ(address(Scratch().take<char>(1)), joined[0]);
    }
  });
}

}  // namespace
}  // namespace cuttle::kernels
