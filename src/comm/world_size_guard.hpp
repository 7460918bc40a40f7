#pragma once

#include <functional>

namespace cuttle {

/// Refuses to run when the launcher promised another number of ranks than MPI made: under srun
/// without a PMI that MPI understands, every process believes that it is alone, and N of them would
/// train N times the same. UserError saying how to launch. `variable`: getenv, or a test's own.
void check_world_size(int size, const std::function<const char*(const char*)>& variable);

/// The same for a command that makes no ranks, and is the work of one process (expect_one_process).
void check_one_process(const char* command,
                       const std::function<const char*(const char*)>& variable);

}  // namespace cuttle
