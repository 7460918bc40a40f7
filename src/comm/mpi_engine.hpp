#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "comm/collective.hpp"
#include "comm/mpi_call.hpp"
#include "comm/roll_call.hpp"

namespace cuttle {

/// What a collective may post once all ranks are known to be in it. Cuts what MPI's int counts
/// cannot express.
class Transfers {
 public:
  Transfers(MPI_Comm comm, std::size_t largest_count, std::uint64_t length,
            std::vector<MPI_Request>* requests)
      : comm_(comm), largest_count_(largest_count), length_(length), requests_(requests) {}

  /// The largest of the lengths that the ranks announced.
  std::uint64_t length() const { return length_; }
  /// `sent` null: the values are where the result will be.
  void all_reduce(const void* sent, void* result, std::size_t count, std::size_t element_bytes,
                  MPI_Datatype type, MPI_Op op);
  void broadcast(char* bytes, std::size_t count, int root);
  void all_gather(const std::int64_t* mine, std::int64_t* all);

 private:
  MPI_Comm comm_;
  std::size_t largest_count_;
  std::uint64_t length_;
  std::vector<MPI_Request>* requests_;
};

/// One collective under way. Its steps own the buffers that MPI reads and writes.
struct MpiOperation {
  using Step = std::function<void(Transfers&)>;
  Collective what;
  std::vector<Step> steps;  // each is taken when the transfers of the one before ended
  std::size_t next_step = 0;
  std::array<std::uint64_t, 3> meeting{};  // see MpiEngine
  std::string descriptions;                // filled only after a mismatch
  std::vector<MPI_Request> requests;
  bool met = false;
  bool done = false;
  std::string problem;
};

/// Runs collectives of one communicator in order, without a thread: ranks that wait make them
/// progress.
///
/// Each collective first meets: an all-reduce (maximum) of {hash, ~hash, announced length} of its
/// description, of one fixed shape whatever the collective. If the maximum of the hashes is the
/// minimum, all ranks mean the same, and only then data moves; else the ranks tell each other what
/// they meant and all throw. So a rank that is in another collective, or brings another length, can
/// neither corrupt data nor hang the others. Meetings are posted when a collective is started, data
/// in order of the sequence numbers on a second communicator: both orders are the same on all
/// ranks, whatever the order of waiting.
class MpiEngine {
 public:
  MpiEngine(MPI_Comm world, double deadline_s, std::size_t largest_count);  ///< all ranks call it
  ~MpiEngine();
  MpiEngine(const MpiEngine&) = delete;
  MpiEngine& operator=(const MpiEngine&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }

  /// Posts the meeting and returns at once. `announced`: this rank's part of Transfers::length().
  std::shared_ptr<MpiOperation> start(std::string_view name, std::string shape,
                                      std::uint64_t announced,
                                      std::vector<MpiOperation::Step> steps);

  /// Until the operation is done. Throws Error on a mismatch; PeerLost when the deadline passes,
  /// and from then on at once: what is under way can neither be finished nor called back.
  void wait(const MpiOperation& operation);

 private:
  bool progress();
  void go_on(MpiOperation& operation);
  void compare(MpiOperation& operation);
  [[noreturn]] void give_up(const RollCall::Place& me);

  MpiDuplicate meetings_;
  MpiDuplicate data_;
  RollCall roll_call_;
  const double deadline_s_;
  const std::size_t largest_count_;
  int rank_ = 0;
  int size_ = 0;
  std::uint64_t sequence_ = 0;
  std::deque<std::shared_ptr<MpiOperation>> under_way_;  // in order; only the first moves data
  std::string lost_;                                     // why this communicator is of no more use
};

}  // namespace cuttle
