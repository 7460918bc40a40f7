#pragma once

namespace cuttle {

/// Makes GPU `local_rank`, modulo the visible ones, this thread's device, after loading LibTorch's
/// CUDA part; operations are chosen that give the same bits each time. UserError if it cannot be.
void use_gpu(int local_rank);

}  // namespace cuttle
