#pragma once

#include <map>
#include <string>
#include <vector>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/config/run_config.hpp"

namespace cuttle {

/// What the bits depend on besides config and data: binary, LibTorch, instruction set, threads.
/// Ranks agree on it at start; checkpoints carry it; a resume where it differs says that bits may
/// differ.
std::map<std::string, std::string> environment_facts(const RunConfig& config);

/// Threads per rank from the config, and an allocator that keeps its pages (large temporaries of
/// one task are those of the next). With device: cuda also LibTorch's CUDA part, the GPU of this
/// rank (`local_rank` modulo the visible ones) and operations that give the same bits each time;
/// UserError if there is no GPU to use. Called once, before any tensor work.
void prepare_process(const RunConfig& config, int local_rank);

/// Memory that large tensors needed at once so far, in bytes.
std::size_t tensor_memory_bytes();

}  // namespace cuttle
