#pragma once

namespace cuttle {

/// Makes LibTorch take the memory of CPU tensors from a pool that keeps what it once got: large
/// blocks are handed out again to tensors of nearly the same size. Memory then depends on what is
/// alive at once, not on how many temporaries came before (a heap of mixed sizes grows with the
/// inner steps), and no page is faulted in twice. Once per process, before any tensor exists; later
/// calls do nothing.
void pool_tensor_memory();

}  // namespace cuttle
