#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "comm/mpi_call.hpp"
#include "comm/watchdog.hpp"

namespace cuttle {

/// Finds out which ranks are missing, by notes on a communicator of its own: "where are you?" goes
/// to everybody, and every rank that waits inside a collective answers while it polls. Who does not
/// answer within the grace is not waiting: it computes, is stopped, or is dead.
class RollCall {
 public:
  /// Where this rank stands: how many collectives it has started, and the one that it waits for.
  struct Place {
    std::uint64_t started;
    std::string waiting_for;
  };

  explicit RollCall(MPI_Comm world);  ///< all ranks call it
  ~RollCall();

  /// Answers the questions that have come in. Every waiting rank calls it every now and then.
  void answer(const Place& me);

  /// What the others say within `grace_s`, answering them meanwhile. `sequence`: the collective
  /// that is late.
  std::vector<Attendance> ask(const Place& me, std::uint64_t sequence, double grace_s);

 private:
  enum class Kind : int { kQuestion, kAnswer };
  struct Note;
  struct Sent;
  void send(int to, Kind kind, const Note& note);
  bool receive(Kind kind, Note* note, int* from);
  void forget_sent();

  MpiDuplicate notes_;
  int rank_ = 0;
  int size_ = 0;
  std::vector<std::string> hosts_;  // of each rank: who is absent cannot tell
  std::uint64_t asked_ = 0;
  std::deque<std::unique_ptr<Sent>> sent_;  // still under way
};

}  // namespace cuttle
