#include "adapt/rows.hpp"

namespace cuttle {

#define CUTTLE_ROW(name) {#name, row_of_##name()},

std::map<std::string, LearnerType> builtin_learners() {
  return {CUTTLE_LEARNERS(CUTTLE_ROW)};
}

#undef CUTTLE_ROW

}  // namespace cuttle
