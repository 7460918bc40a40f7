#pragma once

#include "cuttle/step/optimizer.hpp"

// The registry of this stage: one row a type. Its function stands at the end of the type's file.
#define CUTTLE_OPTIMIZERS(row) row(adam) row(lion) row(sgd)

namespace cuttle {

#define CUTTLE_DECLARE(name) OptimizerType row_of_##name();
CUTTLE_OPTIMIZERS(CUTTLE_DECLARE)
#undef CUTTLE_DECLARE

}  // namespace cuttle
