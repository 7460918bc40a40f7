// What most files that use LibTorch need of it. All of <torch/torch.h> would be 690 MB precompiled,
// and twice the time for every file, since the compiler instantiates its templates again in each.
#pragma once

#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>
