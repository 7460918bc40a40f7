// Milliseconds a step of the exact reduction, by parts, beside a plain float64 sum of the same
// rows.
//   reduce_benchmark                                  the usual sizes, on 1, 2 and 4 thread ranks
//   mpirun -n 2 reduce_benchmark                      the same on the ranks that MPI made
//   reduce_benchmark COLUMNS TASKS [DECADES [STEPS]]  one size; TASKS are dealt to the ranks;
//   values
//                                                     over 3 decades if not said
// Medians over the steps of rank 0.

#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/comm/mpi_session.hpp"
#include "cuttle/core/timer.hpp"
#include "cuttle/reduce/meta_reducer.hpp"

namespace {

using namespace cuttle;

using Rows = std::vector<std::vector<float>>;
using Parts = std::map<std::string, double>;

struct Size {
  std::size_t columns, tasks;
  double decades;
  int steps;
};

// Both signs, half of them over some decades; above 11 most columns do not fit into 63 bits.
std::vector<float> make_row(const Size& size, std::size_t task) {
  std::vector<float> row(size.columns);
  std::uint64_t state = task;
  const double scale = std::pow(10.0, -size.decades);
  for (auto& value : row) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const double uniform = static_cast<double>(state >> 11) * 0x1p-53;
    value = static_cast<float>((uniform - 0.5) * ((state >> 40) & 1 ? scale : 1.0));
  }
  return row;
}

/// Adds the time that collectives take, from their start to their end, to the part of their name.
class Clocked final : public Communicator {
 public:
  Clocked(Communicator& inner, Parts& parts) : inner_(inner), parts_(parts) {}
  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  std::string backend() const override { return inner_.backend(); }
  Pending<std::vector<std::int64_t>> all_reduce(std::string_view name,
                                                std::vector<std::int64_t> values,
                                                ReduceOp op) override {
    return clock(name, [&] { return inner_.all_reduce(name, std::move(values), op); });
  }
  Pending<std::vector<std::uint8_t>> all_reduce_max(std::string_view name,
                                                    std::vector<std::uint8_t> values) override {
    return clock(name, [&] { return inner_.all_reduce_max(name, std::move(values)); });
  }
  Pending<std::string> broadcast(std::string_view name, std::string bytes, int root) override {
    return clock(name, [&] { return inner_.broadcast(name, std::move(bytes), root); });
  }
  Pending<std::vector<std::string>> all_gather(std::string_view name, std::string bytes) override {
    return clock(name, [&] { return inner_.all_gather(name, std::move(bytes)); });
  }

 private:
  template <class Start>
  auto clock(std::string_view name, Start start) -> decltype(start()) {
    const Timer timer;
    auto pending = start();
    using Result = decltype(pending.wait());
    double& part = parts_[std::string(name)];
    part += timer.seconds();
    auto held = std::make_shared<decltype(pending)>(std::move(pending));
    return decltype(start())(std::function<Result()>([held, &part] {
      const Timer waiting;
      auto result = held->wait();
      part += waiting.seconds();
      return result;
    }));
  }

  Communicator& inner_;
  Parts& parts_;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2),
                   values.end());
  return values.empty() ? 0.0 : 1e3 * values[values.size() / 2];
}

double plain_sum(const Rows& rows, int steps) {
  std::vector<double> seconds;
  for (int i = 0; i < steps; ++i) {
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

/// What one rank does; `rows`: of all tasks that it may have.
void measure(Communicator& comm, const Size& size, const std::map<std::size_t, const float*>& rows,
             std::map<std::string, std::vector<double>>& seconds) {
  Parts parts;
  Clocked clocked(comm, parts);
  MetaReducer reducer(clocked, size.columns, {});
  for (int i = -2; i < size.steps; ++i) {
    Timer timer;
    for (const auto& [task, row] : rows) {
      if (static_cast<int>(task) % comm.size() != comm.rank()) continue;
      reducer.add(Span<const float>(row, size.columns), std::vector<float>{1.0f}, "task");
    }
    const double added = timer.lap();
    comm.barrier("start together");
    for (auto& part : parts) part.second = 0.0;
    timer.lap();
    const Reduced result = reducer.reduce(0);
    const double all = timer.lap();
    if (i < 0) continue;  // first touches of memory
    double moving = 0.0;
    for (const auto& part : parts) {
      seconds[part.first].push_back(part.second);
      moving += part.second;
    }
    seconds["add"].push_back(added);
    seconds["reduce"].push_back(all);
    seconds["local"].push_back(all - moving);
  }
}

void print(const Size& size, const Communicator& comm,
           std::map<std::string, std::vector<double>>& seconds, double plain) {
  std::printf(
      "%10zu x %-3zu %2.0f decades %d %-6s | add %8.2f | reduce %8.2f = vote %6.3f + ranges"
      " %6.2f + sums %7.2f + local %7.2f | plain float64 %7.2f ms\n",
      size.columns, size.tasks, size.decades, comm.size(), comm.backend().c_str(),
      median(seconds["add"]), median(seconds["reduce"]), median(seconds["step vote"]),
      median(seconds["gradient exponents"]),
      median(seconds["gradient sum"]) + median(seconds["gradient wide sum"]),
      median(seconds["local"]), plain);
  std::fflush(stdout);
}

void measure_on_threads(const Size& size, int ranks, const Rows& rows, double plain) {
  run_thread_ranks(ranks, {}, [&](Communicator& comm) {
    std::map<std::size_t, const float*> mine;
    for (std::size_t t = 0; t < rows.size(); ++t) mine[t] = rows[t].data();
    std::map<std::string, std::vector<double>> seconds;
    measure(comm, size, mine, seconds);
    if (comm.rank() == 0) print(size, comm, seconds, plain);
  });
}

void measure_here(const Size& size, Communicator& comm) {
  Rows rows;
  std::map<std::size_t, const float*> mine;
  for (std::size_t t = 0; t < size.tasks; ++t) {
    if (static_cast<int>(t) % comm.size() == comm.rank()) rows.push_back(make_row(size, t));
  }
  for (std::size_t k = 0; k < rows.size(); ++k) {
    mine[k * static_cast<std::size_t>(comm.size()) + static_cast<std::size_t>(comm.rank())] =
        rows[k].data();
  }
  std::map<std::string, std::vector<double>> seconds;
  measure(comm, size, mine, seconds);
  const double plain = comm.rank() == 0 ? plain_sum(rows, size.steps) : 0.0;
  if (comm.rank() == 0) print(size, comm, seconds, plain);
}

std::vector<Size> sizes_of(int argc, char** argv) {
  if (argc < 3) {
    return {{112261, 4, 3, 30},
            {112261, 16, 3, 30},
            {112261, 16, 20, 10},
            {12424320, 4, 3, 7},
            {12424320, 16, 3, 5}};
  }
  return {{std::strtoull(argv[1], nullptr, 10), std::strtoull(argv[2], nullptr, 10),
           argc > 3 ? std::atof(argv[3]) : 3.0, argc > 4 ? std::atoi(argv[4]) : 15}};
}

}  // namespace

int main(int argc, char** argv) {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);  // as cuttle does
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  MpiSession session(&argc, &argv);
  CommOptions options;
  options.backend = "mpi";
  for (const Size& size : sizes_of(argc, argv)) {
    if (session.size() > 1) {
      measure_here(size, *session.world(options));
      continue;
    }
    Rows rows;
    for (std::size_t t = 0; t < size.tasks; ++t) rows.push_back(make_row(size, t));
    const double plain = plain_sum(rows, size.steps);
    for (const int ranks : {1, 2, 4}) measure_on_threads(size, ranks, rows, plain);
  }
  return 0;
}
