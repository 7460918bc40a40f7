#include "cuttle/core/error.hpp"

namespace cuttle::detail {

// Throws instead of aborting: the run then ends by the same path as every other failure, with the
// rank's name on the message and the other ranks told.
void contract_failed(const char* expression, const char* file, int line) {
  throw Error(fmt::format(
      "internal error at {}:{}: '{}' does not hold (a defect of cuttle, not of your input); "
      "please report it with the command you ran",
      file, line, expression));
}

}  // namespace cuttle::detail
