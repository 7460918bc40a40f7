#pragma once

#include <string>

#include "comm/mpi.hpp"
#include "cuttle/core/error.hpp"

/// Every MPI call goes through here; communicators of cuttle return errors instead of aborting.
#define CUTTLE_MPI_CALL(call)                                                        \
  do {                                                                               \
    const int status_of_call = (call);                                               \
    CUTTLE_REQUIRE(status_of_call == MPI_SUCCESS,                                    \
                   "MPI failed (a peer or the network is gone?): {} in {}; see the " \
                   "launcher's messages",                                            \
                   ::cuttle::mpi_reason(status_of_call), #call);                     \
  } while (false)

namespace cuttle {

/// MPI's own words for an error code.
std::string mpi_reason(int code);

/// Owns a private duplicate of a communicator, so that our messages never meet those of others.
class MpiDuplicate {
 public:
  explicit MpiDuplicate(MPI_Comm original);  ///< all ranks call it
  ~MpiDuplicate();
  MpiDuplicate(const MpiDuplicate&) = delete;
  MpiDuplicate& operator=(const MpiDuplicate&) = delete;
  MPI_Comm get() const { return comm_; }
  /// Gives up ownership without freeing: messages are still under way that never will be finished.
  void leak() { comm_ = MPI_COMM_NULL; }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
};

}  // namespace cuttle
