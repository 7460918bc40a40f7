#include <gmock/gmock.h>

#include <chrono>
#include <functional>
#include <thread>

#include "comm/conformance.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/timer.hpp"
#include "support/temp_folder.hpp"

namespace cuttle {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

/// The message of the exception of exactly this type, or a failure.
template <class Exception>
std::string thrown_by(const std::function<void()>& body) {
  try {
    body();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::exception& problem) {
    EXPECT_TRUE(typeid(problem) == typeid(Exception))
        << typeid(problem).name() << ": " << problem.what();
    return problem.what();
  }
  return {};
}

/// Rank 0 runs `one`, the others `other`: all must be told where rank 0 was (`zero_says`) and where
/// the others were (`others_say`), and the communicator must go on working.
void expect_mismatch(Communicator& comm, const std::function<void()>& one,
                     const std::function<void()>& other, const std::string& zero_says,
                     const std::string& others_say) {
  if (comm.size() == 1) return;
  const auto message = thrown_by<Error>(comm.rank() == 0 ? one : other);
  EXPECT_THAT(message, AllOf(HasSubstr("rank 0"), HasSubstr(zero_says), HasSubstr(others_say)));
  EXPECT_EQ(comm.all_reduce("next", {1}, ReduceOp::kSum).wait()[0], comm.size());
}

void names_must_match(Communicator& comm) {
  expect_mismatch(
      comm, [&] { comm.all_reduce("gradient", {1}, ReduceOp::kSum).wait(); },
      [&] { comm.all_reduce("vote", {1}, ReduceOp::kSum).wait(); }, "'gradient'", "'vote'");
}
void lengths_must_match(Communicator& comm) {
  expect_mismatch(
      comm,
      [&] { comm.all_reduce("gradient", std::vector<std::int64_t>(5000), ReduceOp::kSum).wait(); },
      [&] { comm.all_reduce("gradient", {1}, ReduceOp::kSum).wait(); }, "5000", "1");
}
void operations_must_match(Communicator& comm) {
  expect_mismatch(
      comm, [&] { comm.all_reduce("gradient", {1}, ReduceOp::kSum).wait(); },
      [&] { comm.all_reduce("gradient", {1}, ReduceOp::kMax).wait(); }, "sum", "max");
}
void kinds_must_match(Communicator& comm) {
  expect_mismatch(
      comm, [&] { comm.all_gather("x", std::string(100000, 'x')).wait(); },
      [&] { comm.broadcast("x", "", 0).wait(); }, "gather", "broadcast");
}
void roots_must_match(Communicator& comm) {
  expect_mismatch(
      comm, [&] { comm.broadcast("x", "a", 0).wait(); },
      [&] { comm.broadcast("x", "b", comm.size() - 1).wait(); }, "broadcast from rank 0",
      "broadcast from rank " + std::to_string(comm.size() - 1));
}

/// Waits, without the communicator under test, until `ranks` ranks have left a mark in the folder.
void wait_for_marks(const TempFolder& folder, int ranks) {
  const Timer timer;
  const auto marks = [&] { return expand_paths(folder / "*.mark").size(); };
  while (marks() < static_cast<std::size_t>(ranks) && timer.seconds() < 60) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

/// The last rank stays away until the others have given up; they must name it, and only it; then
/// nobody hangs.
void absent_rank_is_named(Communicator& comm) {
  if (comm.size() == 1) return;
  const int last = comm.size() - 1;
  const TempFolder folder;  // the last rank's is the one that all use
  const auto path = comm.broadcast("folder", folder.path(), last).wait();
  if (comm.rank() == last) {
    wait_for_marks(folder, last);
    EXPECT_THROW(comm.barrier("gradient"), PeerLost) << "the others are gone";
    return;
  }
  const Timer timer;
  const auto message = thrown_by<PeerLost>([&] { comm.barrier("gradient"); });
  EXPECT_GE(timer.seconds(), 0.9);
  EXPECT_LT(timer.seconds(), 30);
  write_file_atomically(path + "/" + std::to_string(comm.rank()) + ".mark", "");
  EXPECT_THAT(message, AllOf(HasSubstr("rank " + std::to_string(last) + " did not arrive"),
                             ContainsRegex("'gradient'.* #[0-9]"), Not(HasSubstr("ranks"))));
  EXPECT_THROW(comm.barrier("more"), PeerLost) << "a lost communicator stays lost";
}

void late_rank_is_waited_for(Communicator& comm) {
  if (comm.rank() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(comm.all_reduce("late", {1}, ReduceOp::kSum).wait()[0], comm.size());
}

void together_passes_when_all_pass(Communicator& comm) {
  int runs = 0;
  together(comm, "nothing", [&] { ++runs; });
  EXPECT_EQ(runs, 1);
}

void together_fails_everywhere(Communicator& comm) {
  const int culprit = comm.size() - 1;
  const auto message = thrown_by<UserError>([&] {
    together(comm, "opening shards", [&] {
      if (comm.rank() == culprit) throw UserError("shard b.h5 is truncated");
    });
  });
  EXPECT_THAT(message, HasSubstr("shard b.h5 is truncated"));
  if (comm.size() > 1) {
    EXPECT_THAT(message, AllOf(HasSubstr("opening shards"),
                               HasSubstr("rank " + std::to_string(culprit) + ":")));
  }
  EXPECT_EQ(comm.all_reduce("next", {1}, ReduceOp::kSum).wait()[0], comm.size());
}

void together_calls_a_mixture_an_error(Communicator& comm) {
  const auto message = thrown_by<Error>([&] {
    together(comm, "writing", [&] {
      if (comm.rank() == 0) throw std::runtime_error("disk full");
      throw UserError("no such folder");
    });
  });
  EXPECT_THAT(message, HasSubstr("disk full"));
  if (comm.size() > 1) {
    EXPECT_THAT(message, HasSubstr("no such folder"));
  }
}

void together_survives_strange_exceptions(Communicator& comm) {
  thrown_by<Error>([&] { together(comm, "strange", [] { throw 7; }); });
}

std::vector<Fact> facts_of(const std::string& config) {
  return {{"binary", "v1"},
          {"configuration", config},
          {"odd 3:name", std::string("5:\0\n", 4)},
          {"none", ""}};
}

void agree_passes_when_equal(Communicator& comm) {
  EXPECT_NO_THROW(agree(comm, facts_of("abc")));
  EXPECT_NO_THROW(agree(comm, {}));
}

void agree_names_the_rank_that_differs(Communicator& comm) {
  if (comm.size() == 1) return;
  const int culprit = comm.size() - 1;  // of two ranks the lower one counts as usual
  const auto message =
      thrown_by<UserError>([&] { agree(comm, facts_of(comm.rank() == culprit ? "xyz" : "abc")); });
  EXPECT_THAT(message, AllOf(HasSubstr("configuration"),
                             HasSubstr("rank " + std::to_string(culprit) + ": 'xyz'"),
                             HasSubstr("'abc'"), Not(HasSubstr("binary"))));
  const auto all = comm.all_gather("messages", message).wait();
  for (const auto& other : all) EXPECT_EQ(other, message) << "the same on all ranks";
}

void agree_goes_by_the_majority(Communicator& comm) {
  if (comm.size() < 3) return;
  const auto message = thrown_by<UserError>([&] {
    agree(comm,
          {{"threads", comm.rank() == 0 ? "4" : "1", "use four"}, {"libc", "2", "use another"}});
  });
  EXPECT_THAT(message,
              AllOf(HasSubstr("rank 0: '4'"), HasSubstr("others: '1'"), EndsWith("; use four")));
}

}  // namespace

std::vector<ConformanceCase> fault_cases() {
  return {{"NamesMustMatch", 60, names_must_match},
          {"LengthsMustMatch", 60, lengths_must_match},
          {"OperationsMustMatch", 60, operations_must_match},
          {"KindsMustMatch", 60, kinds_must_match},
          {"RootsMustMatch", 60, roots_must_match},
          {"AbsentRankIsNamed", 1, absent_rank_is_named},
          {"LateRankIsWaitedFor", 60, late_rank_is_waited_for},
          {"TogetherPassesWhenAllPass", 60, together_passes_when_all_pass},
          {"TogetherFailsEverywhere", 60, together_fails_everywhere},
          {"TogetherCallsAMixtureAnError", 60, together_calls_a_mixture_an_error},
          {"TogetherSurvivesStrangeExceptions", 60, together_survives_strange_exceptions},
          {"AgreePassesWhenEqual", 60, agree_passes_when_equal},
          {"AgreeNamesTheRankThatDiffers", 60, agree_names_the_rank_that_differs},
          {"AgreeGoesByTheMajority", 60, agree_goes_by_the_majority}};
}

}  // namespace cuttle
