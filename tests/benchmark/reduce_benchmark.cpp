// Milliseconds a step of the exact reduction for two sizes of model, on 1 and 2 thread ranks,
// beside a plain float64 sum of the same rows on one rank, and for the worst case where no column
// fits into 63 bits.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/core/random.hpp"
#include "cuttle/core/timer.hpp"
#include "cuttle/reduce/meta_reducer.hpp"

namespace {

using namespace cuttle;

constexpr int kRepeats = 7;

// Normal values over some decades; `decades` above 11 make nearly every column wide.
std::vector<std::vector<float>> make_rows(std::size_t columns, std::size_t rows, double decades) {
  std::vector<std::vector<float>> result(rows, std::vector<float>(columns));
  std::uint64_t state = 1;
  for (auto& row : result) {
    for (auto& value : row) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const double uniform = static_cast<double>(state >> 11) * 0x1p-53;
      value = static_cast<float>((uniform - 0.5) *
                                 std::pow(10.0, -decades * static_cast<double>((state >> 3) & 1)));
    }
  }
  return result;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2),
                   values.end());
  return 1e3 * values[values.size() / 2];
}

double plain_sum(const std::vector<std::vector<float>>& rows) {
  std::vector<double> seconds;
  for (int i = 0; i < kRepeats; ++i) {
    Timer timer;
    std::vector<double> sums(rows[0].size());
    for (const auto& row : rows) {
      for (std::size_t c = 0; c < row.size(); ++c) sums[c] += row[c];
    }
    std::vector<float> mean(sums.size());
    for (std::size_t c = 0; c < sums.size(); ++c) {
      mean[c] = static_cast<float>(sums[c] / static_cast<double>(rows.size()));
    }
    seconds.push_back(timer.seconds() + 1e-30 * static_cast<double>(mean[0]));
  }
  return median(seconds);
}

void measure(const char* what, std::size_t columns, std::size_t tasks, double decades) {
  const auto rows = make_rows(columns, tasks, decades);
  std::printf("%-22s plain float64 %8.2f ms", what, plain_sum(rows));
  for (const int ranks : {1, 2}) {
    std::vector<double> add_seconds, reduce_seconds;
    run_thread_ranks(ranks, {}, [&](Communicator& comm) {
      MetaReducer reducer(comm, columns, {});
      for (int i = 0; i < kRepeats; ++i) {
        Timer timer;
        for (std::size_t t = 0; t < tasks; ++t) {
          if (static_cast<int>(t) % ranks == comm.rank())
            reducer.add(rows[t], std::vector<float>{1.0f}, "task");
        }
        const double added = timer.lap();
        comm.barrier("start together");
        timer.lap();
        (void)reducer.reduce(0);
        if (comm.rank() == 0) {
          add_seconds.push_back(added);
          reduce_seconds.push_back(timer.seconds());
        }
      }
    });
    std::printf("   %d rank%s: add %8.2f, reduce %8.2f ms", ranks, ranks > 1 ? "s" : "",
                median(add_seconds), median(reduce_seconds));
  }
  std::printf("\n");
}

}  // namespace

int main() {
  measure("112,261 x 16", 112261, 16, 3);
  measure("12,000,000 x 4", 12000000, 4, 3);
  measure("112,261 x 16, wide", 112261, 16, 20);
  return 0;
}
