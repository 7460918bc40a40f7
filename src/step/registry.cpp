#include "step/rows.hpp"

namespace cuttle {

#define CUTTLE_ROW(name) {#name, row_of_##name()},

std::map<std::string, OptimizerType> builtin_optimizers() {
  return {CUTTLE_OPTIMIZERS(CUTTLE_ROW)};
}

#undef CUTTLE_ROW

}  // namespace cuttle
