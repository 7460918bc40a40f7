#include "support/mpi_test_main.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <exception>
#include <iostream>

#include "cuttle/core/error.hpp"
#include "cuttle/core/log.hpp"

namespace cuttle {
namespace {

// GoogleTest's registry and the tests themselves reach the session only through globals; main()
// owns both.
MpiSession* session = nullptr;
Communicator* communicator = nullptr;

/// Prints the failures of ranks other than 0, with the rank's name, and nothing else.
class FailurePrinter : public testing::EmptyTestEventListener {
 public:
  void OnTestStart(const testing::TestInfo& test) override {
    name_ = fmt::format("{}.{}", test.test_suite_name(), test.name());
  }
  // GoogleTest holds its mutex here: asking it for the current test would wait for ever.
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::cerr << fmt::format("[rank {}] {} at {}:{}\n{}\n", session->rank(), name_,
                             result.file_name() ? result.file_name() : "?", result.line_number(),
                             result.message());
  }

 private:
  std::string name_ = "before the first test";
};

/// Keeps the ranks in the same test, and fails the test on all ranks if it failed on any.
class Meeting : public testing::EmptyTestEventListener {
 public:
  void OnTestEnd(const testing::TestInfo& test) override {
    const bool failed_here = test.result()->Failed();
    const auto failures =
        communicator->all_reduce("test end", {failed_here ? 1 : 0}, ReduceOp::kSum).wait();
    if (failures[0] > 0 && !failed_here && session->rank() == 0) {
      std::cerr << fmt::format("{}.{} failed on {} other ranks\n", test.test_suite_name(),
                               test.name(), failures[0]);
    }
    failed_tests_ += failures[0] > 0;
  }
  /// How many tests failed on at least one rank: the same number on every rank.
  int failed_tests() const { return failed_tests_; }

 private:
  int failed_tests_ = 0;
};

int run_tests() {
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (session->rank() != 0) {
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter);
  }
  auto* meeting = new Meeting;  // GoogleTest deletes it
  listeners.Append(meeting);
  const int status = RUN_ALL_TESTS();
  const int ran = testing::UnitTest::GetInstance()->test_to_run_count();
  CUTTLE_REQUIRE(ran > 0, "no test ran (a filter that matches nothing?)");
  return status != 0 || meeting->failed_tests() > 0 ? 1 : 0;
}

void check_rank_count() {
  const char* expected = std::getenv("CUTTLE_TEST_RANKS");
  CUTTLE_REQUIRE(expected && std::to_string(session->size()) == expected,
                 "CUTTLE_TEST_RANKS is '{}' but MPI made {} ranks (the test would check less than "
                 "it says); start "
                 "it by ctest, or by mpirun with this variable set to -n",
                 expected ? expected : "", session->size());
}

}  // namespace

MpiSession& test_session() {
  return *session;
}
Communicator& test_communicator() {
  return *communicator;
}

}  // namespace cuttle

int main(int argc, char** argv) {
  using namespace cuttle;
  testing::InitGoogleTest(&argc, argv);
  MpiSession mpi(&argc, &argv);
  session = &mpi;
  int status = 1;
  try {
    init_log(mpi.rank(), mpi.size());
    check_rank_count();
    CommOptions options;
    options.backend = "mpi";
    options.deadline_s = 60.0;
    const auto world = mpi.world(options);
    communicator = world.get();
    status = run_tests();
  } catch (const std::exception& problem) {
    std::cerr << fmt::format("[rank {}] {}\n", mpi.rank(), problem.what());
    mpi.abort(1);
  }
  return status;
}
