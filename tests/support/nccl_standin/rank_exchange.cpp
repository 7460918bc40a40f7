#include "support/nccl_standin/rank_exchange.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

constexpr std::size_t kChunk = 1 << 18;

template <class T>
void fold(char* into, const char* from, std::size_t bytes, ncclRedOp_t op) {
  for (std::size_t at = 0; at < bytes; at += sizeof(T)) {
    T a, b;
    std::memcpy(&a, into + at, sizeof(T));
    std::memcpy(&b, from + at, sizeof(T));
    switch (op) {
      case ncclSum:
        a = static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
        break;
      case ncclMax:
        a = std::max(a, b);
        break;
      case ncclMin:
        a = std::min(a, b);
        break;
      default:
        a = T();
        break;  // nothing that src/comm asks for
    }
    std::memcpy(into + at, &a, sizeof(T));
  }
}

void fold(char* into, const char* from, std::size_t bytes, ncclDataType_t type, ncclRedOp_t op) {
  if (type == ncclInt64) return fold<std::int64_t>(into, from, bytes, op);
  if (type == ncclUint64) return fold<std::uint64_t>(into, from, bytes, op);
  fold<std::uint8_t>(into, from, bytes, op);
}

}  // namespace

struct RankExchange::Place {
  std::atomic<int> joined;
  std::atomic<int> started;
  std::atomic<int> leaving;
  int device;
  int size;
  std::atomic<std::uint64_t> posted;  // steps for which this rank's data are there
  std::atomic<std::uint64_t> taken;   // steps for which it has read the others'
  Signature signature;
  char data[kChunk];
};
struct RankExchange::Shared {
  Place places[kMaxRanks];
};

std::string RankExchange::create() {
  std::random_device random;
  const std::string name =
      fmt::format("/cuttle_standin_{}_{:08x}{:08x}", getpid(), random(), random());
  const int file = shm_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
  CUTTLE_REQUIRE(file >= 0 && ftruncate(file, sizeof(Shared)) == 0,
                 "the NCCL stand-in cannot make {}", name);
  ::close(file);
  return name;
}

RankExchange::RankExchange(const std::string& name, int rank, int size, int device)
    : name_(name), rank_(rank), size_(size) {
  const int file = shm_open(name.c_str(), O_RDWR, 0600);
  if (file < 0) {
    trouble_ = "no communicator has this id";
    return;
  }
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  CUTTLE_REQUIRE(memory != MAP_FAILED, "the NCCL stand-in cannot map {}", name);
  shared_ = static_cast<Shared*>(memory);
  mine_ = &shared_->places[rank];
  mine_->device = device;
  mine_->size = size;
  if (mine_->joined.exchange(1) != 0) trouble_ = "two ranks have one number";
}

void RankExchange::forget_name() const {
  shm_unlink(name_.c_str());
}

std::string RankExchange::problem() const {
  if (!trouble_.empty()) return trouble_;
  for (int rank = 0; rank < size_; ++rank) {
    const Place& other = shared_->places[rank];
    if (rank == rank_ || other.joined == 0) continue;
    if (other.size != size_) return "ranks disagree on how many they are";
    if (other.device == mine_->device) {
      return fmt::format("duplicate device: ranks {} and {} are both on {}", rank_, rank,
                         other.device);
    }
  }
  return "";
}

bool RankExchange::all(std::atomic<int> Place::*flag) const {
  const Place* begin = shared_->places;
  return std::all_of(begin, begin + size_, [&](const Place& place) { return place.*flag != 0; });
}
bool RankExchange::all_joined() const {
  return all(&Place::joined);
}
bool RankExchange::all_started() const {
  return all(&Place::started);
}
bool RankExchange::all_leaving() const {
  return all(&Place::leaving);
}
void RankExchange::set_started() const {
  mine_->started = 1;
}
void RankExchange::set_leaving() const {
  mine_->leaving = 1;
}

bool RankExchange::meet(std::atomic<std::uint64_t> Place::*counter,
                        const std::atomic<bool>& cancelled) {
  (mine_->*counter).store(step_);
  for (int rank = 0; rank < size_; ++rank) {
    while ((shared_->places[rank].*counter).load() < step_) {
      if (cancelled) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(30));
    }
  }
  return true;
}

RankExchange::Outcome RankExchange::compare(const Signature& mine,
                                            const std::atomic<bool>& cancelled, Signature& other,
                                            int& other_rank) {
  mine_->signature = mine;
  ++step_;
  if (!meet(&Place::posted, cancelled)) return Outcome::kCancelled;
  for (int rank = 0; rank < size_; ++rank) {
    const Signature& theirs = shared_->places[rank].signature;
    if (theirs.count == mine.count && theirs.type == mine.type && theirs.op == mine.op) continue;
    other = theirs;
    other_rank = rank;
    return Outcome::kDiffers;
  }
  return meet(&Place::taken, cancelled) ? Outcome::kSame : Outcome::kCancelled;
}

bool RankExchange::reduce(char* data, std::uint64_t count, ncclDataType_t type, ncclRedOp_t op,
                          const std::atomic<bool>& cancelled) {
  const std::size_t bytes = count * (type == ncclInt64 || type == ncclUint64 ? 8 : 1);
  for (std::size_t at = 0; at < bytes; at += kChunk) {
    const std::size_t now = std::min(kChunk, bytes - at);
    std::memcpy(mine_->data, data + at, now);
    ++step_;
    if (!meet(&Place::posted, cancelled)) return false;
    for (int rank = 0; rank < size_; ++rank) {
      if (rank != rank_) fold(data + at, shared_->places[rank].data, now, type, op);
    }
    if (!meet(&Place::taken, cancelled)) return false;
  }
  return true;
}

}  // namespace cuttle
