// The parts of comm that need no second rank.
#include <gmock/gmock.h>

#include <map>

#include "comm/collective.hpp"
#include "comm/rank_list.hpp"
#include "comm/watchdog.hpp"
#include "comm/world_size_guard.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

TEST(RankList, NamesRangesAndSingles) {
  EXPECT_EQ(rank_list({3}), "rank 3");
  EXPECT_EQ(rank_list({0, 1}), "ranks 0, 1");
  EXPECT_EQ(rank_list({0, 1, 2, 5, 7, 8}), "ranks 0-2, 5, 7, 8");
}

TEST(RankList, GroupsWhoSaysTheSame) {
  EXPECT_EQ(group_sayings({{0, "a"}, {1, "b"}, {2, "a"}, {4, "a"}}, "; "),
            "ranks 0, 2, 4: a; rank 1: b");
}

TEST(Collective, EveryPartOfADescriptionCounts) {
  const Collective base{12, "gradient", reduce_shape(ReduceOp::kSum, 100)};
  EXPECT_EQ(base.describe(), "'gradient' #12 (sum of 100 int64)");
  const std::vector<Collective> others = {{13, "gradient", base.shape},
                                          {12, "vote", base.shape},
                                          {12, "gradient", reduce_shape(ReduceOp::kMax, 100)},
                                          {12, "gradient", reduce_shape(ReduceOp::kSum, 101)},
                                          {12, "gradient", reduce_bytes_shape(100)},
                                          {12, "gradient", broadcast_shape(0)},
                                          {12, "gradient", gather_shape()}};
  for (const auto& other : others) EXPECT_NE(other.hash(), base.hash()) << other.describe();
  EXPECT_EQ((Collective{12, "gradient", reduce_shape(ReduceOp::kSum, 100)}).hash(), base.hash());
}

TEST(Watchdog, TheMessageNamesWhoIsMissingAndWhatTheyDo) {
  const Collective what{12, "gradient", gather_shape()};
  const auto message = lost_message(
      what, 30, {{0, true, ""}, {1, false, "is dead"}, {2, true, ""}, {3, false, "waits"}});
  EXPECT_THAT(message, AllOf(HasSubstr("ranks 1, 3 did not arrive"), HasSubstr("'gradient' #12"),
                             HasSubstr("within 30 s"), HasSubstr("rank 1: is dead"),
                             HasSubstr("rank 3: waits"), HasSubstr("comm.deadline_s")));
  EXPECT_THAT(lost_message(what, kEndedEarly, {{0, false, "failed"}}), Not(HasSubstr("deadline")));
  EXPECT_THAT(lost_message(what, 30, {{0, true, ""}}), HasSubstr("all ranks arrived"));
}

TEST(Watchdog, ADeadlinePasses) {
  EXPECT_TRUE(Deadline(1e-9).passed());
  EXPECT_FALSE(Deadline(1000).passed());
  EXPECT_FALSE(Deadline(checked_deadline(365.0 * 86400)).passed());
}

std::function<const char*(const char*)> lookup_in(
    const std::map<std::string, std::string>& environment) {
  return [&](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  };
}
void check_with(int size, const std::map<std::string, std::string>& environment) {
  check_world_size(size, lookup_in(environment));
}

TEST(WorldSizeGuard, PassesWhatWasPromised) {
  EXPECT_NO_THROW(check_with(1, {}));
  EXPECT_NO_THROW(check_with(4, {}));
  EXPECT_NO_THROW(check_with(4, {{"OMPI_COMM_WORLD_SIZE", "4"}}));
  EXPECT_NO_THROW(check_with(2, {{"OMPI_COMM_WORLD_SIZE", "2"}, {"SLURM_NTASKS", "4"}}));
  EXPECT_NO_THROW(check_with(4, {{"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_NTASKS", "8"}}));
  EXPECT_NO_THROW(check_with(1, {{"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_NTASKS", "8"}}));
  EXPECT_NO_THROW(check_with(1, {{"OMPI_COMM_WORLD_SIZE", "1"}, {"SLURM_NTASKS", "8"}}));
  EXPECT_NO_THROW(check_with(1, {{"SLURM_NTASKS", "not a number"}}));
}

TEST(WorldSizeGuard, WorkOfOneProcessIsNotStartedSeveralTimes) {
  const auto refusal = [](const std::map<std::string, std::string>& environment) {
    try {
      check_one_process("adapt", lookup_in(environment));
    } catch (const UserError& problem) {
      return std::string(problem.what());
    }
    return std::string();
  };
  EXPECT_EQ(refusal({}), "");
  EXPECT_EQ(refusal({{"OMPI_COMM_WORLD_SIZE", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}}), "");
  EXPECT_EQ(refusal({{"SLURM_NTASKS", "8"}}), "");  // the job's own script
  EXPECT_THAT(refusal({{"OMPI_COMM_WORLD_SIZE", "3"}}),
              AllOf(HasSubstr("3 were started"), HasSubstr("cuttle adapt without mpirun")));
  EXPECT_THAT(refusal({{"SLURM_STEP_NUM_TASKS", "4"}}),
              AllOf(HasSubstr("4 were started"), HasSubstr("srun --ntasks=1")));
}

TEST(WorldSizeGuard, RefusesProcessesThatBelieveToBeAlone) {
  EXPECT_THAT(
      [] {
        check_with(1, {{"SLURM_STEP_NUM_TASKS", "4"}});
      },
      ThrowsMessage<UserError>(AllOf(HasSubstr("4 tasks"), HasSubstr("srun --mpi=pmix"))));
  EXPECT_THAT(
      [] {
        check_with(1, {{"SLURM_NTASKS", "8"}});
      },
      ThrowsMessage<UserError>(HasSubstr("SLURM_NTASKS")));
  EXPECT_THAT(
      [] {
        check_with(1, {{"OMPI_COMM_WORLD_SIZE", "2"}});
      },
      ThrowsMessage<UserError>(AllOf(HasSubstr("2 ranks"), HasSubstr("mpirun"))));
}

}  // namespace
}  // namespace cuttle
