#pragma once

#include "cuttle/train/assembly.hpp"

namespace cuttle {

/// The whole program: parses arguments, starts MPI where the subcommand needs it, reports errors,
/// returns the exit code (0 done, 2 user error, 3 stopped early with a checkpoint, 1 anything
/// else). Called once, by main, on all ranks.
int run_app(int argc, char** argv, const Extensions& extensions);

}  // namespace cuttle
