#include "metrics/rows.hpp"

namespace cuttle {

#define CUTTLE_ROW(name) {#name, row_of_##name()},

std::map<std::string, SinkType> builtin_sinks() {
  return {CUTTLE_SINKS(CUTTLE_ROW)};
}

#undef CUTTLE_ROW

}  // namespace cuttle
