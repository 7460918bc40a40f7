#pragma once

#include <map>
#include <string>
#include <vector>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/config/run_config.hpp"

namespace cuttle {

/// What the bits depend on besides config and data: binary_sha256, libtorch, libc (its
/// mathematics), instruction_set (LibTorch's), kernels (that of our own), threads, processor
/// (libraries choose block sizes by its caches); beside them mpi, which has no part in the bits.
/// Checkpoints carry them all; ranks must have all but processor and mpi in common.
std::map<std::string, std::string> environment_facts(const RunConfig& config);

/// Of them what the same arithmetic gives other bits with: libtorch, libc, instruction_set, kernels
/// and threads.
std::map<std::string, std::string> arithmetic_facts(const RunConfig& config);

/// One fact of a run and of this process.
struct FactChange {
  std::string name, then, now;
};
/// The facts above that bits depend on and that differ: with any, a resume here may give other bits
/// than an uninterrupted run.
std::vector<FactChange> changed_facts(const std::map<std::string, std::string>& then,
                                      const std::map<std::string, std::string>& now);

/// Holds our own kernels, LibTorch and its libraries to the instruction set that the variable
/// CUTTLE_INSTRUCTION_SET names (generic, avx2 or avx512), so that different processors compute the
/// same bits; unset or empty: the best there is. UserError for another word and for a set that this
/// processor lacks. Before any tensor work.
void choose_instruction_set();

/// Threads per rank from the config, and an allocator that keeps its pages (large temporaries of
/// one task are those of the next). With device: cuda also LibTorch's CUDA part, the GPU of this
/// rank (`local_rank` modulo the visible ones) and operations that give the same bits each time;
/// UserError if there is no GPU to use. Called once, before any tensor work.
void prepare_process(const RunConfig& config, int local_rank);

/// Memory that large tensors needed at once so far, in bytes.
std::size_t tensor_memory_bytes();

}  // namespace cuttle
