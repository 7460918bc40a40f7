#pragma once

#include "cuttle/comm/communicator.hpp"
#include "cuttle/comm/mpi_session.hpp"

namespace cuttle {

/// For programs that cuttle_add_test(... RANKS ...) makes: their main() starts MPI, runs every test
/// on every rank, sums the failures over the ranks and meets at a barrier after each test. So every
/// rank must run the same tests, and a test must not leave the others waiting (an ASSERT before a
/// collective that the others enter does).

/// The session that main() made.
MpiSession& test_session();

/// A communicator of all ranks with backend mpi and a deadline of 60 s, shared by the tests of the
/// program.
Communicator& test_communicator();

}  // namespace cuttle
