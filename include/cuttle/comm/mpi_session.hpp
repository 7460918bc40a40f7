#pragma once

#include <memory>
#include <string>

#include "cuttle/comm/communicator.hpp"

namespace cuttle {

/// Initialises MPI (MPI_THREAD_SERIALIZED at least) for the lifetime of the object; made by main,
/// destroyed last: after every communicator that it made. Refuses a singleton start under a
/// launcher that promised more ranks (SLURM_NTASKS / OMPI_COMM_WORLD_SIZE against the real size):
/// UserError saying how to launch.
class MpiSession {
 public:
  MpiSession(int* argc, char*** argv);
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  /// The communicator of all ranks with the backend that the options ask for ("auto": NCCL if every
  /// rank has a device of its own, else MPI; one rank alone without devices: solo). All ranks call
  /// it.
  std::unique_ptr<Communicator> world(const CommOptions& options);

  int rank() const;  ///< in MPI_COMM_WORLD
  int size() const;
  int local_rank() const;  ///< on this host

  /// Last resort after PeerLost or an unexpected exception: flushes logs, MPI_Abort with `code`.
  [[noreturn]] void abort(int code);

  /// MPI library version, one line.
  static std::string version();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// For a command that is the work of one process, and starts no MPI: UserError if mpirun or srun
/// started several, each of which would do all of it.
void expect_one_process(const char* command);

}  // namespace cuttle
