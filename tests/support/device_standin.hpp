#pragma once

#include <torch/types.h>

namespace cuttle {

/// A device that stands in for a GPU where there is none: LibTorch's place for other vendors'
/// devices (PrivateUse1), whose operations are computed by the CPU's. As on a GPU its memory cannot
/// be read by the CPU (a segmentation fault), and an operation that mixes it with tensors of the CPU
/// throws. Linking this file registers it.
torch::Device standin_device();

}  // namespace cuttle
