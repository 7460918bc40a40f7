#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cuttle/comm/options.hpp"

namespace cuttle {

/// Sums are offered for integers only: float addition depends on order and hence on the world size
/// (reduce/ turns floats into integers that add exactly).
enum class ReduceOp { kSum, kMax, kMin };

/// The one way to a collective's result. Move-only; must be waited for (the destructor waits and
/// swallows errors so that unwinding never leaves a collective behind).
template <class T>
class [[nodiscard]] Pending {
 public:
  explicit Pending(std::function<T()> finish) : finish_(std::move(finish)) {}
  Pending(Pending&& other) noexcept : finish_(std::exchange(other.finish_, nullptr)) {}
  Pending& operator=(Pending&&) = delete;
  ~Pending() {
    try {
      if (finish_) finish_();
    } catch (...) {
    }
  }
  /// Blocks until all ranks arrived. Throws PeerLost, naming the collective, its number and the
  /// absent ranks, when the deadline (counted from this call) passes; the communicator is of no use
  /// after that. Throws Error on all ranks if they met in different collectives (name, operation,
  /// length, root), naming who was where.
  T wait() { return std::exchange(finish_, nullptr)(); }

 private:
  std::function<T()> finish_;
};

/// Who we are and how we add up. Every collective is called by all ranks, in the same order, with
/// the same name; buffers are handed in by value (moved) and come back from Pending::wait, so
/// nobody can touch one in flight. Implementations: Solo, Thread, MPI, NCCL; one conformance suite
/// runs over all (tests/comm).
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::string backend() const = 0;  ///< "solo", "thread", "mpi", "nccl"

  /// Element-wise over ranks; equal lengths on all ranks (checked).
  virtual Pending<std::vector<std::int64_t>> all_reduce(std::string_view name,
                                                        std::vector<std::int64_t> values,
                                                        ReduceOp op) = 0;
  /// Element-wise maximum of bytes (exponents, flags).
  virtual Pending<std::vector<std::uint8_t>> all_reduce_max(std::string_view name,
                                                            std::vector<std::uint8_t> values) = 0;
  /// `bytes` of rank `root`, on every rank; lengths elsewhere do not matter.
  virtual Pending<std::string> broadcast(std::string_view name, std::string bytes, int root) = 0;
  /// Every rank's bytes (any length), indexed by rank, on every rank.
  virtual Pending<std::vector<std::string>> all_gather(std::string_view name,
                                                       std::string bytes) = 0;

  void barrier(std::string_view name) { all_reduce(name, {0}, ReduceOp::kMax).wait(); }
};

/// One rank alone: collectives return their input.
std::unique_ptr<Communicator> make_solo_communicator();

/// Runs `body` on `ranks` threads of this process, each with its own communicator; returns when all
/// ended. A throwing rank releases the others from their collectives with PeerLost. After all
/// threads ended the cause is rethrown: the exception of the lowest rank that threw anything but
/// PeerLost, else the first PeerLost. For tests and for trying things without mpirun.
void run_thread_ranks(int ranks, const CommOptions& options,
                      const std::function<void(Communicator&)>& body);

/// Runs a step that may fail on some ranks only, then votes: if any rank threw, all ranks throw
/// together, a UserError if all failures were UserErrors, else Error; the message names the ranks
/// and what each said. All ranks call it. `body` must call no collective: a rank that threw would
/// not be in it.
void together(Communicator& comm, std::string_view what, const std::function<void()>& body);

/// One fact about a rank that must be equal everywhere (config hash, binary, library versions, ISA,
/// threads).
struct Fact {
  std::string name;
  std::string value;
  std::string advice = {};  ///< what to do if it differs, beside the usual
};

/// Throws the same UserError on all ranks if any fact differs: names the fact, the ranks that
/// differ from the majority, and both values. All ranks call it with the same names.
void agree(Communicator& comm, const std::vector<Fact>& facts);

}  // namespace cuttle
