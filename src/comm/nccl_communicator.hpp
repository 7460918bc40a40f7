#pragma once

#include <memory>
#include <string>

#include "cuttle/comm/communicator.hpp"

namespace cuttle {

/// CUDA devices that this process may use; 0 without a driver, without devices, or when they are
/// hidden (CUDA_VISIBLE_DEVICES). Never throws.
int visible_cuda_devices();

/// Why NCCL cannot serve these ranks ("rank 1 on node7 sees no CUDA device: ..."), or empty if
/// every rank has a device of its own. All ranks of `control` call it and all get the same answer.
std::string nccl_obstacle(Communicator& control, int local_rank);

/// Ranks on GPUs: all_reduce and all_reduce_max travel by NCCL, byte strings stay on `control`,
/// which must outlive the result. The device is the one with the number of the node-local rank
/// among the visible ones (modulo their count: a launcher may show each rank only its own). All
/// ranks of `control` call it. UserError, on all ranks, if two ranks would share a device or a rank
/// has none; Error or PeerLost if NCCL does not come up within the deadline.
std::unique_ptr<Communicator> make_nccl_communicator(Communicator& control, int local_rank,
                                                     const CommOptions& options);

}  // namespace cuttle
