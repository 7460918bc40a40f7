// Over real MPI ranks the reduction gives the bits that one rank alone computes.

#include <gtest/gtest.h>

#include "cuttle/reduce/interval.hpp"
#include "cuttle/reduce/meta_reducer.hpp"
#include "reduce/rows.hpp"
#include "support/mpi_test_main.hpp"

namespace cuttle {
namespace {

using namespace testing_reduce;

Reduced reduce_rows(Communicator& comm, const Rows& rows) {
  MetaReducer reducer(comm, 5000, {});
  for (const auto& row : rows) reducer.add(row, std::vector<float>{row[0]}, "task");
  return reducer.reduce(comm.rank());
}

TEST(ReduceMpi, SameBitsAsOneRankAlone) {
  const auto solo = make_solo_communicator();
  const Rows rows = make_rows(17, 5000, 14.0, 21);  // narrow and wide columns
  const Reduced expected = reduce_rows(*solo, rows);
  Communicator& world = test_communicator();
  const Rows mine = share_of(rows, world.rank(), world.size());
  const Reduced found = reduce_rows(world, mine);
  EXPECT_EQ(found.tasks, 17);
  EXPECT_EQ(found.request, world.size() - 1);
  EXPECT_EQ(found.gradient, expected.gradient);
  EXPECT_EQ(found.scalars, expected.scalars);
  const auto alone = mean_intervals(*solo, "test", rows, 5000);
  const auto together = mean_intervals(world, "test", mine, 5000);
  for (std::size_t c = 0; c < 5000; ++c) {
    EXPECT_EQ(bits_of(together[c].half_width), bits_of(alone[c].half_width));
  }
}

}  // namespace
}  // namespace cuttle
