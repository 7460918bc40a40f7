#pragma once

#include <climits>
#include <cstddef>
#include <memory>

#include "comm/mpi.hpp"
#include "cuttle/comm/communicator.hpp"

namespace cuttle {

/// Ranks are processes. `original` is duplicated; all its ranks call this. MPI must stay up as long
/// as the result and its Pendings live. `largest_count`: elements per MPI call, smaller only in
/// tests.
std::unique_ptr<Communicator> make_mpi_communicator(MPI_Comm original, const CommOptions& options,
                                                    std::size_t largest_count = INT_MAX);

}  // namespace cuttle
