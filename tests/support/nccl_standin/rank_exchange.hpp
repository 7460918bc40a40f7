#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include <nccl.h>

namespace cuttle {

/// What a rank says it is doing.
struct Signature {
  std::uint64_t number;  // of the collective in its communicator
  std::uint64_t count;
  int type;
  int op;
};

/// Where the ranks of one communicator meet: shared memory named by the unique id. Waiting ends
/// early when `cancelled` becomes true. Lives as long as the process, as do the communicators of
/// the stand-in.
class RankExchange {
 public:
  static constexpr int kMaxRanks = 16;

  /// Makes the shared memory and returns its name.
  static std::string create();

  RankExchange(const std::string& name, int rank, int size, int device);
  RankExchange(const RankExchange&) = delete;
  RankExchange& operator=(const RankExchange&) = delete;

  /// Empty, or what is wrong with the ranks that have joined so far (two with one number, on one
  /// device, ...).
  std::string problem() const;
  bool all_joined() const;
  void set_started() const;  ///< this rank's program has learned that the start succeeded
  bool all_started() const;
  void set_leaving() const;
  bool all_leaving() const;
  /// Nobody can join any more; to be called once all have, or when this rank gives up.
  void forget_name() const;

  /// Whether every rank posts the same signature; if not, the first that differs is in `other`.
  enum class Outcome { kSame, kDiffers, kCancelled };
  Outcome compare(const Signature& mine, const std::atomic<bool>& cancelled, Signature& other,
                  int& other_rank);

  /// In place over all ranks, for 64-bit and 8-bit integers; false if cancelled.
  bool reduce(char* data, std::uint64_t count, ncclDataType_t type, ncclRedOp_t op,
              const std::atomic<bool>& cancelled);

 private:
  struct Shared;
  struct Place;
  bool meet(std::atomic<std::uint64_t> Place::*counter, const std::atomic<bool>& cancelled);
  bool all(std::atomic<int> Place::*flag) const;

  std::string name_;
  Shared* shared_ = nullptr;
  Place* mine_ = nullptr;
  const int rank_;
  const int size_;
  std::uint64_t step_ = 0;
  std::string trouble_;
};

}  // namespace cuttle
