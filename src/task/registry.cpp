#include "task/rows.hpp"

namespace cuttle {

#define CUTTLE_ROW(name) {#name, row_of_##name()},

std::map<std::string, TaskKindType> builtin_task_kinds() {
  return {CUTTLE_TASK_KINDS(CUTTLE_ROW)};
}
std::map<std::string, SourceType> builtin_sources() {
  return {CUTTLE_SOURCES(CUTTLE_ROW)};
}
std::map<std::string, ObjectiveType> builtin_objectives() {
  return {CUTTLE_OBJECTIVES(CUTTLE_ROW)};
}

#undef CUTTLE_ROW

}  // namespace cuttle
