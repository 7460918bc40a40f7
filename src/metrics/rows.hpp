#pragma once

#include "cuttle/metrics/sink.hpp"

// The registry of this stage: one row a type. Its function stands at the end of the type's file.
#define CUTTLE_SINKS(row) row(console) row(jsonl) row(tensorboard)

namespace cuttle {

#define CUTTLE_DECLARE(name) SinkType row_of_##name();
CUTTLE_SINKS(CUTTLE_DECLARE)
#undef CUTTLE_DECLARE

}  // namespace cuttle
