#include "comm/thread_meeting.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

void require_same(const Gathering& gathering) {
  std::vector<std::string> descriptions;
  for (const auto& what : gathering.what) descriptions.push_back(what.describe());
  const bool same = std::all_of(descriptions.begin(), descriptions.end(),
                                [&](const auto& other) { return other == descriptions[0]; });
  if (!same) throw Error(mismatch_message(descriptions));
}

}  // namespace

ThreadMeeting::ThreadMeeting(int ranks, double deadline_s)
    : ranks_(ranks), deadline_s_(checked_deadline(deadline_s)), left_(ranks), last_(ranks) {}

std::shared_ptr<Gathering> ThreadMeeting::arrive(int rank, Collective what, Payload payload) {
  const std::lock_guard lock(mutex_);
  auto& entry = open_[what.sequence];
  if (!entry) {
    entry = std::make_shared<Gathering>();
    entry->what.resize(ranks_);
    entry->payloads.resize(ranks_);
    entry->here.resize(ranks_);
  }
  const auto gathering = entry;
  last_[rank] = what.describe();
  gathering->payloads[rank] = std::move(payload);
  gathering->here[rank] = true;
  if (++gathering->arrived == ranks_) {
    open_.erase(what.sequence);
    changed_.notify_all();
  }
  gathering->what[rank] = std::move(what);
  return gathering;
}

void ThreadMeeting::wait(int rank, Gathering& gathering) {
  const Deadline deadline(deadline_s_);
  std::unique_lock lock(mutex_);
  const bool in_time = changed_.wait_until(lock, deadline.end(), [&] {
    return gathering.arrived == ranks_ || !gathering.lost.empty() || somebody_left(gathering) ||
           !left_[rank].empty();  // it gave up before: no second wait
  });
  if (gathering.arrived == ranks_ && gathering.lost.empty()) {
    lock.unlock();
    require_same(gathering);
    return;
  }
  if (gathering.lost.empty()) {
    const double waited_s = in_time ? kEndedEarly : deadline_s_;
    gathering.lost = lost_message(gathering.what[rank], waited_s, attendance(gathering));
  }
  if (left_[rank].empty()) left_[rank] = "gave up on " + gathering.what[rank].describe();
  changed_.notify_all();
  throw PeerLost(gathering.lost);
}

void ThreadMeeting::leave(int rank, const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (left_[rank].empty()) left_[rank] = why;
  changed_.notify_all();
}

std::vector<Attendance> ThreadMeeting::attendance(const Gathering& gathering) const {
  std::vector<Attendance> all;
  for (int rank = 0; rank < ranks_; ++rank) {
    std::string doing = left_[rank];
    if (doing.empty()) {
      doing = last_[rank].empty() ? "has called no collective yet"
                                  : "its last collective was " + last_[rank];
    }
    all.push_back({rank, gathering.here[rank], doing});
  }
  return all;
}

bool ThreadMeeting::somebody_left(const Gathering& gathering) const {
  for (int rank = 0; rank < ranks_; ++rank) {
    if (!gathering.here[rank] && !left_[rank].empty()) return true;
  }
  return false;
}

}  // namespace cuttle
