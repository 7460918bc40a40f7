#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "cuttle/comm/communicator.hpp"

namespace cuttle {

/// One promise of Communicator. `check` runs on every rank of a fresh communicator, made with
/// `deadline_s`, and reports by GoogleTest's expectations (never fatal ones: the ranks must stay
/// together). Sizes from 1 up.
struct ConformanceCase {
  std::string name;
  double deadline_s;
  void (*check)(Communicator&);
};

/// What every backend must pass, in a fixed order: the concatenation of the lists below. A
/// backend's test is
///   for each case: make a communicator with case.deadline_s on every rank;
///   case.check(communicator).
std::vector<ConformanceCase> conformance_cases();

std::vector<ConformanceCase> value_cases();  ///< right results
std::vector<ConformanceCase> order_cases();  ///< many in flight, waited for in any order, dropped
std::vector<ConformanceCase> fault_cases();  ///< mismatches, deadlines, together, agree

/// The list as GoogleTest prints it.
inline std::ostream& operator<<(std::ostream& out, const ConformanceCase& one) {
  return out << one.name;
}

}  // namespace cuttle
