#include "comm/world_size_guard.hpp"

#include <cstdlib>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// The number of ranks that a variable promises; 0 if it promises none.
long promised_by(const char* text) {
  if (!text) return 0;
  char* end = nullptr;
  const long count = std::strtol(text, &end, 10);
  return end != text && *end == '\0' && count > 0 ? count : 0;
}

}  // namespace

void check_world_size(int size, const std::function<const char*(const char*)>& variable) {
  // The innermost launcher speaks: mpirun may run inside a Slurm step, and starts one daemon per
  // node there.
  if (const long promised = promised_by(variable("OMPI_COMM_WORLD_SIZE")); promised > 0) {
    CUTTLE_VALIDATE(promised == size,
                    "mpirun started {} ranks but MPI sees {} (OMPI_COMM_WORLD_SIZE; each would "
                    "train alone); start "
                    "cuttle with the mpirun of the MPI that it was built with, not from within "
                    "another MPI program",
                    promised, size);
    return;
  }
  const char* name =
      promised_by(variable("SLURM_STEP_NUM_TASKS")) > 0 ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS";
  const long promised = promised_by(variable(name));
  CUTTLE_VALIDATE(
      promised <= 1 || size > 1,
      "Slurm promised {} tasks but MPI sees one rank ({}; each would train alone); launch with "
      "'mpirun cuttle ...' inside the allocation, or 'srun --mpi=pmix' ('srun --mpi=list' shows "
      "what it "
      "offers); for one rank on purpose use 'srun --ntasks=1' or 'mpirun -n 1'",
      promised, name);
}

void check_one_process(const char* command,
                       const std::function<const char*(const char*)>& variable) {
  // Not SLURM_NTASKS: a job of many tasks may do such work in its script, which is one process.
  const long mpirun = promised_by(variable("OMPI_COMM_WORLD_SIZE"));
  const long started = mpirun > 0 ? mpirun : promised_by(variable("SLURM_STEP_NUM_TASKS"));
  CUTTLE_VALIDATE(started <= 1,
                  "{} is the work of one process, and {} were started (each would do all of it); "
                  "start cuttle {} without {}",
                  command, started, command,
                  mpirun > 0 ? "mpirun" : "srun, or with srun --ntasks=1");
}

}  // namespace cuttle
