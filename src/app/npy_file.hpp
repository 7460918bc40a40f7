#pragma once

#include <torch/types.h>

#include <string>

namespace cuttle {

/// Writes a tensor of floats or of int64 as NumPy's .npy (version 1.0, C order), whole or not at
/// all.
void write_npy(const std::string& path, const torch::Tensor& tensor);

}  // namespace cuttle
