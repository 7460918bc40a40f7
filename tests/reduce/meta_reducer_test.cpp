#include "cuttle/reduce/meta_reducer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "cuttle/core/error.hpp"
#include "cuttle/core/hash.hpp"
#include "reduce/rows.hpp"

namespace cuttle {
namespace {

using namespace testing_reduce;
using ::testing::HasSubstr;

const float kNan = std::numeric_limits<float>::quiet_NaN();
const float kInf = std::numeric_limits<float>::infinity();

void add_all(MetaReducer& reducer, const Rows& rows) {
  for (const auto& row : rows) {
    reducer.add(Span<const float>(row.data(), row.size() - 2),
                Span<const float>(row.data() + row.size() - 2, 2), "task");
  }
}

std::string hash_of(const Reduced& result) {
  Sha256 hash;
  hash.update(result.gradient.data(), result.gradient.size() * sizeof(float));
  hash.update(result.scalars.data(), result.scalars.size() * sizeof(double));
  return hash.hex();
}

TEST(MetaReducer, MeanOfGradientsAndScalars) {
  const auto comm = make_solo_communicator();
  MetaReducer reducer(*comm, 3, {});
  reducer.add(std::vector<float>{1.0f, 2.0f, -4.0f}, std::vector<float>{0.5f}, "a");
  reducer.add(std::vector<float>{3.0f, 2.0f, 0.5f}, std::vector<float>{0.25f}, "b");
  const Reduced result = reducer.reduce(7);
  EXPECT_TRUE(result.apply);
  EXPECT_EQ(result.tasks, 2);
  EXPECT_EQ(result.skipped, 0);
  EXPECT_EQ(result.request, 7);
  EXPECT_EQ(result.gradient, (std::vector<float>{2.0f, 2.0f, -1.75f}));
  EXPECT_EQ(result.scalars, (std::vector<double>{0.375}));
}

TEST(MetaReducer, SameHashOnEveryNumberOfRanksAndEveryOrderOfTasks) {
  Rows rows = make_rows(13, 4002, 12.0, 2);
  for (std::size_t c = 0; c < 100; ++c) rows[5][c] = 1e-42f;
  const auto solo = make_solo_communicator();
  MetaReducer alone(*solo, 4000, {});
  add_all(alone, rows);
  const std::string expected = hash_of(alone.reduce(0));
  Rows reversed(rows.rbegin(), rows.rend());
  for (const int ranks : {1, 2, 3, 4, 6}) {
    for (const Rows* order : {&rows, &reversed}) {
      run_thread_ranks(ranks, {}, [&](Communicator& comm) {
        MetaReducer reducer(comm, 4000, {});
        for (int step = 0; step < 2; ++step) {  // buffers are used again
          add_all(reducer, share_of(*order, comm.rank(), ranks));
          EXPECT_EQ(hash_of(reducer.reduce(0)), expected) << ranks << " ranks, step " << step;
        }
      });
    }
  }
}

TEST(MetaReducer, HighestRequestWinsAndAStepWithoutTasksIsNotApplied) {
  run_thread_ranks(3, {}, [](Communicator& comm) {
    MetaReducer reducer(comm, 5, {});
    const Reduced result = reducer.reduce(comm.rank() == 1 ? 2 : 0);
    EXPECT_EQ(result.request, 2);
    EXPECT_FALSE(result.apply);
    EXPECT_EQ(result.tasks, 0);
    EXPECT_TRUE(result.gradient.empty());
  });
}

// What each rank caught; all must have caught the same.
template <class Exception>
std::string same_error(int ranks, const std::string& policy,
                       const std::function<void(MetaReducer&, int)>& fill) {
  std::vector<std::string> messages(static_cast<std::size_t>(ranks));
  run_thread_ranks(ranks, {}, [&](Communicator& comm) {
    MetaReducer reducer(comm, 2, {policy});
    fill(reducer, comm.rank());
    try {
      (void)reducer.reduce(0);
      ADD_FAILURE() << "rank " << comm.rank() << " did not throw";
    } catch (const Exception& error) {
      messages[static_cast<std::size_t>(comm.rank())] = error.what();
      const bool is_user =
          dynamic_cast<const UserError*>(static_cast<const std::exception*>(&error)) != nullptr;
      EXPECT_EQ(is_user, (std::is_same_v<Exception, UserError>));
    }
    // The reducer is ready for the next step.
    reducer.add(std::vector<float>{1.0f, 2.0f}, std::vector<float>{3.0f}, "next");
    EXPECT_EQ(reducer.reduce(0).tasks, ranks);
  });
  for (const auto& message : messages) EXPECT_EQ(message, messages[0]);
  return messages[0];
}

void add_good(MetaReducer& reducer) {
  reducer.add(std::vector<float>{1.0f, 2.0f}, std::vector<float>{3.0f}, "good");
}

TEST(MetaReducer, FailPolicyNamesRankTaskAndWhatWasNotFinite) {
  std::string message = same_error<Error>(3, "fail", [](MetaReducer& reducer, int rank) {
    if (rank < 2) add_good(reducer);
    if (rank == 2)
      reducer.add(std::vector<float>{1.0f, kNan}, std::vector<float>{3.0f}, "step 12 slot 5");
  });
  EXPECT_THAT(message, HasSubstr("1 of 3 tasks"));
  EXPECT_THAT(message, HasSubstr("rank 2, step 12 slot 5: element 1 of the gradient is nan"));
  EXPECT_THAT(message, HasSubstr("reduce.on_nonfinite"));
  message = same_error<Error>(2, "fail", [](MetaReducer& reducer, int rank) {
    reducer.add(std::vector<float>{1.0f, 1.0f}, std::vector<float>{rank == 0 ? -kInf : 1.0f},
                "slot 0");
  });
  EXPECT_THAT(message, HasSubstr("rank 0, slot 0: the loss is -inf"));
}

TEST(MetaReducer, SkipTaskAveragesTheOthers) {
  run_thread_ranks(3, {}, [](Communicator& comm) {
    MetaReducer reducer(comm, 1, {"skip_task"});
    reducer.add(std::vector<float>{comm.rank() == 1 ? kInf : 4.0f}, std::vector<float>{1.0f},
                "first");
    if (comm.rank() == 0) reducer.add(std::vector<float>{1.0f}, std::vector<float>{2.5f}, "second");
    const Reduced result = reducer.reduce(0);
    EXPECT_TRUE(result.apply);
    EXPECT_EQ(result.tasks, 3);
    EXPECT_EQ(result.skipped, 1);
    EXPECT_EQ(result.gradient, std::vector<float>{3.0f});
    EXPECT_EQ(result.scalars, std::vector<double>{1.5});
    EXPECT_EQ(result.skipped_note, "rank 1, first: element 0 of the gradient is inf");
  });
}

TEST(MetaReducer, SkipStepAppliesNothingAndSkipTaskNeedsAGoodOne) {
  for (const std::string policy : {"skip_step", "skip_task"}) {
    run_thread_ranks(2, {}, [&](Communicator& comm) {
      MetaReducer reducer(comm, 1, {policy});
      if (policy == "skip_step" || comm.rank() == 1) {
        reducer.add(std::vector<float>{comm.rank() == 1 ? kNan : 4.0f}, std::vector<float>{1.0f},
                    "first");
      }
      const Reduced result = reducer.reduce(0);
      EXPECT_FALSE(result.apply);
      EXPECT_EQ(result.skipped, 1);
      EXPECT_TRUE(result.gradient.empty());
      EXPECT_TRUE(result.scalars.empty());
    });
  }
}

TEST(MetaReducer, OneFailingRankEndsTheStepOnAll) {
  const auto fail_on_1 = [](MetaReducer& reducer, int rank) {
    if (rank == 1)
      reducer.fail(std::runtime_error("out of memory"));
    else
      add_good(reducer);
  };
  EXPECT_EQ(same_error<Error>(4, "skip_step", fail_on_1), "rank 1: out of memory");
  const auto bad_shard = [](MetaReducer& reducer, int rank) {
    if (rank != 1) reducer.fail(UserError("shard.h5 is truncated"));
  };
  EXPECT_EQ(same_error<UserError>(3, "fail", bad_shard),
            "rank 0: shard.h5 is truncated; rank 2: shard.h5 is truncated");
  const auto mixed = [](MetaReducer& reducer, int rank) {
    if (rank == 0)
      reducer.fail(UserError("bad"));
    else
      reducer.fail(Error("worse"));
  };
  EXPECT_EQ(same_error<Error>(2, "fail", mixed), "rank 0: bad; rank 1: worse");
}

TEST(MetaReducer, LongListsOfBadTasksAreCut) {
  const auto message = same_error<Error>(2, "fail", [](MetaReducer& reducer, int) {
    for (int i = 0; i < 50; ++i) {
      reducer.add(std::vector<float>{kNan, 0.0f}, std::vector<float>{1.0f},
                  "slot " + std::to_string(i));
    }
  });
  EXPECT_THAT(message, HasSubstr("100 of 100 tasks"));
  EXPECT_THAT(message, HasSubstr("slot 2:"));
  EXPECT_THAT(message, ::testing::Not(HasSubstr("slot 3:")));
}

// Ranks without tasks know neither the number of scalars nor any exponent, and a step that failed
// leaves nothing behind.
TEST(MetaReducer, TasksOfOneRankAloneAfterAStepThatFailed) {
  const Rows rows = make_rows(2, 42, 5.0, 4);
  run_thread_ranks(3, {}, [&](Communicator& comm) {
    MetaReducer reducer(comm, 40, {"skip_step"});
    if (comm.rank() == 1) add_all(reducer, Rows{std::vector<float>(42, 1e30f)});
    if (comm.rank() == 2) reducer.add(std::vector<float>(40, kNan), std::vector<float>{1, 1}, "a");
    EXPECT_FALSE(reducer.reduce(0).apply);
    if (comm.rank() == 1) add_all(reducer, rows);
    const Reduced result = reducer.reduce(0);
    EXPECT_EQ(result.tasks, 2);
    ASSERT_EQ(result.gradient.size(), 40u);
    for (std::size_t c = 0; c < 40; ++c) {
      EXPECT_EQ(result.gradient[c], static_cast<float>(reference_column(rows, c) / 2.0));
    }
    EXPECT_EQ(result.scalars[1], reference_column(rows, 41) / 2.0);
  });
}

TEST(MetaReducer, DifferentModelsOnTwoRanksAreRefused) {
  run_thread_ranks(2, {}, [](Communicator& comm) {
    MetaReducer reducer(comm, comm.rank() == 0 ? 5 : 6, {});
    try {
      (void)reducer.reduce(0);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("rank 1 has 6 parameters and rank 0 has 5"));
    }
    comm.barrier("all are still together");
  });
}

TEST(MetaReducer, UnknownPolicyIsAUserError) {
  const auto comm = make_solo_communicator();
  EXPECT_THROW(MetaReducer(*comm, 1, {"ignore"}), UserError);
}

}  // namespace
}  // namespace cuttle
