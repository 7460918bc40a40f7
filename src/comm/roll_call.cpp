#include "comm/roll_call.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "cuttle/core/log.hpp"

namespace cuttle {
namespace {

constexpr std::size_t kHostBytes = 256;

}  // namespace

/// Fixed size, small enough to leave the sender at once. Travels between equal binaries (agree()
/// sees to that).
struct RollCall::Note {
  std::uint64_t question = 0;  // number of the asker's question, repeated in the answer
  std::uint64_t started = 0;
  char waiting_for[176] = {};
};

struct RollCall::Sent {
  Note note;
  MPI_Request request = MPI_REQUEST_NULL;
};

RollCall::RollCall(MPI_Comm world) : notes_(world) {
  CUTTLE_MPI_CALL(MPI_Comm_rank(notes_.get(), &rank_));
  CUTTLE_MPI_CALL(MPI_Comm_size(notes_.get(), &size_));
  std::string mine = whereabouts().host;
  mine.resize(kHostBytes - 1);
  std::string all(kHostBytes * static_cast<std::size_t>(size_), '\0');
  CUTTLE_MPI_CALL(MPI_Allgather(mine.c_str(), kHostBytes, MPI_BYTE, all.data(), kHostBytes,
                                MPI_BYTE, notes_.get()));
  for (int rank = 0; rank < size_; ++rank) hosts_.emplace_back(all.data() + kHostBytes * rank);
}

RollCall::~RollCall() {
  // After a question notes may still be under way in both directions. Open MPI would deliver them
  // to the next communicator that gets this one's number, so the number is never given back, nor
  // memory that MPI may read.
  if (asked_ > 0 || !sent_.empty()) notes_.leak();
  for (auto& sent : sent_) (void)sent.release();
}

void RollCall::answer(const Place& me) {
  Note question;
  int from = 0;
  while (receive(Kind::kQuestion, &question, &from)) {
    Note reply;
    reply.question = question.question;
    reply.started = me.started;
    const auto length = std::min(me.waiting_for.size(), sizeof reply.waiting_for - 1);
    std::memcpy(reply.waiting_for, me.waiting_for.data(), length);
    send(from, Kind::kAnswer, reply);
  }
  forget_sent();
}

std::vector<Attendance> RollCall::ask(const Place& me, std::uint64_t sequence, double grace_s) {
  std::vector<Attendance> all;
  Note question;
  question.question = ++asked_;
  for (int rank = 0; rank < size_; ++rank) {
    all.push_back({rank, rank == rank_,
                   fmt::format("on {}, in no collective: it computes, is stopped, or is dead",
                               hosts_[static_cast<std::size_t>(rank)])});
    if (rank != rank_) send(rank, Kind::kQuestion, question);
  }
  Patience patience;
  int missing = size_ - 1;
  for (const Deadline deadline(grace_s); missing > 0 && !deadline.passed(); patience.rest(true)) {
    answer(me);
    Note reply;
    int from = 0;
    while (receive(Kind::kAnswer, &reply, &from)) {
      if (reply.question != asked_) continue;
      all[from].arrived = reply.started >= sequence;
      all[from].doing = fmt::format("on {}, waits for collective {}",
                                    hosts_[static_cast<std::size_t>(from)], reply.waiting_for);
      --missing;
    }
  }
  return all;
}

void RollCall::send(int to, Kind kind, const Note& note) {
  auto sent = std::make_unique<Sent>();
  sent->note = note;
  CUTTLE_MPI_CALL(MPI_Isend(&sent->note, sizeof(Note), MPI_BYTE, to, static_cast<int>(kind),
                            notes_.get(), &sent->request));
  sent_.push_back(std::move(sent));
}

bool RollCall::receive(Kind kind, Note* note, int* from) {
  int there = 0;
  MPI_Status status;
  CUTTLE_MPI_CALL(
      MPI_Iprobe(MPI_ANY_SOURCE, static_cast<int>(kind), notes_.get(), &there, &status));
  if (!there) return false;
  *from = status.MPI_SOURCE;
  CUTTLE_MPI_CALL(MPI_Recv(note, sizeof(Note), MPI_BYTE, *from, static_cast<int>(kind),
                           notes_.get(), MPI_STATUS_IGNORE));
  note->waiting_for[sizeof note->waiting_for - 1] = '\0';
  return true;
}

void RollCall::forget_sent() {
  while (!sent_.empty()) {
    int done = 0;
    CUTTLE_MPI_CALL(MPI_Test(&sent_.front()->request, &done, MPI_STATUS_IGNORE));
    if (!done) return;
    sent_.pop_front();
  }
}

}  // namespace cuttle
