#pragma once

#include <string>

namespace cuttle {

/// Mistakes that a backend could make. The linker's --wrap puts nccl_mutants.cpp between src/comm
/// and the stand-in; there the active mistake changes, drops or adds a call. src/comm itself is the
/// production code.
enum class Mistake {
  kNone,
  // on rank 1 only
  kWrongCount,
  kWrongType,
  kWrongOperation,
  kWrongOrder,
  kCollectiveLeftOut,
  kWrongRankNumber,
  kSharedDevice,
  kDeviceChanges,
  kNothingLaunched,
  kMissingBarrier,  // together with HastyControl, which does not wait for anybody
  // on all ranks
  kMissingGroupEnd,
  kMissingGroupStart,
  kMissingPoll,
  kMissingEventWait,
  kMissingEventRecord,
  kHostReadsEarly,
  kHostWritesEarly,
  kUseAfterAbort,
  kUseAfterDestroy,
  kDefaultStream,
  kFreeInFlight,
  kCopyTooLong,
  kCopyTooShort,
  kCopyInTheWrongDirection,
  kMissingCopyBack,
  kMissingFinalize,
  kMissingDestroy,
  kAbortHangs,  // a trap of NCCL's own
};

/// From now on this process makes `mistake`, if it is this rank's turn.
void make_mistake(Mistake mistake, int rank);

}  // namespace cuttle
