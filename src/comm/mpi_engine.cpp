#include "comm/mpi_engine.hpp"

#include <algorithm>

namespace cuttle {
namespace {

constexpr std::size_t kDescriptionBytes = 192;
// For answers to "where are you?": polling ranks need milliseconds, on a crowded machine more.
constexpr double kGraceSeconds = 5.0;

}  // namespace

void Transfers::all_reduce(const void* sent, void* result, std::size_t count,
                           std::size_t element_bytes, MPI_Datatype type, MPI_Op op) {
  for (std::size_t begin = 0; begin < count; begin += largest_count_) {
    const auto part = static_cast<int>(std::min(largest_count_, count - begin));
    const std::size_t offset = begin * element_bytes;
    const void* from = sent ? static_cast<const char*>(sent) + offset : MPI_IN_PLACE;
    requests_->push_back(MPI_REQUEST_NULL);
    CUTTLE_MPI_CALL(MPI_Iallreduce(from, static_cast<char*>(result) + offset, part, type, op, comm_,
                                   &requests_->back()));
  }
}

void Transfers::broadcast(char* bytes, std::size_t count, int root) {
  for (std::size_t begin = 0; begin < count; begin += largest_count_) {
    const auto part = static_cast<int>(std::min(largest_count_, count - begin));
    requests_->push_back(MPI_REQUEST_NULL);
    CUTTLE_MPI_CALL(MPI_Ibcast(bytes + begin, part, MPI_BYTE, root, comm_, &requests_->back()));
  }
}

void Transfers::all_gather(const std::int64_t* mine, std::int64_t* all) {
  requests_->push_back(MPI_REQUEST_NULL);
  CUTTLE_MPI_CALL(
      MPI_Iallgather(mine, 1, MPI_INT64_T, all, 1, MPI_INT64_T, comm_, &requests_->back()));
}

MpiEngine::MpiEngine(MPI_Comm world, double deadline_s, std::size_t largest_count)
    : meetings_(world),
      data_(world),
      roll_call_(world),
      deadline_s_(checked_deadline(deadline_s)),
      largest_count_(largest_count) {
  CUTTLE_MPI_CALL(MPI_Comm_rank(meetings_.get(), &rank_));
  CUTTLE_MPI_CALL(MPI_Comm_size(meetings_.get(), &size_));
}

MpiEngine::~MpiEngine() {
  if (under_way_.empty()) return;
  // Given up: MPI may still write into the buffers whenever a late rank arrives, and cannot be told
  // not to. They stay until the process ends, which is what follows a PeerLost.
  new std::deque<std::shared_ptr<MpiOperation>>(std::move(under_way_));
  meetings_.leak();
  data_.leak();
}

std::shared_ptr<MpiOperation> MpiEngine::start(std::string_view name, std::string shape,
                                               std::uint64_t announced,
                                               std::vector<MpiOperation::Step> steps) {
  if (!lost_.empty()) throw PeerLost(lost_);
  auto operation = std::make_shared<MpiOperation>();
  operation->what = {++sequence_, std::string(name), std::move(shape)};
  operation->steps = std::move(steps);
  const std::uint64_t hash = operation->what.hash();
  operation->meeting = {hash, ~hash, announced};
  operation->requests.push_back(MPI_REQUEST_NULL);
  CUTTLE_MPI_CALL(MPI_Iallreduce(MPI_IN_PLACE, operation->meeting.data(), 3, MPI_UINT64_T, MPI_MAX,
                                 meetings_.get(), &operation->requests.back()));
  under_way_.push_back(operation);
  return operation;
}

void MpiEngine::wait(const MpiOperation& operation) {
  const Deadline deadline(deadline_s_);
  const RollCall::Place me{sequence_, operation.what.describe()};
  Patience patience;
  while (!operation.done) {
    if (!lost_.empty()) throw PeerLost(lost_);
    if (progress()) {
      patience.reset();
      continue;
    }
    // While data moves every rank polls: sleeping would only add latency to each of the transfer's
    // rounds.
    patience.rest(!under_way_.front()->met);
    if (patience.spinning()) continue;
    roll_call_.answer(me);
    if (deadline.passed()) give_up(me);
  }
  if (!operation.problem.empty()) throw Error(operation.problem);
}

/// Tests the first collective under way; true if it got further.
bool MpiEngine::progress() {
  MpiOperation& first = *under_way_.front();
  int ended = 0;
  try {
    CUTTLE_MPI_CALL(MPI_Testall(static_cast<int>(first.requests.size()), first.requests.data(),
                                &ended, MPI_STATUSES_IGNORE));
    if (!ended) return false;
    first.requests.clear();
    go_on(first);
  } catch (const Error& problem) {
    lost_ = fmt::format("collective {} broke off: {}", first.what.describe(), problem.what());
    throw PeerLost(lost_);
  }
  if (first.done) under_way_.pop_front();
  return true;
}

void MpiEngine::go_on(MpiOperation& operation) {
  if (!operation.met) {
    operation.met = true;
    if (operation.meeting[0] != ~operation.meeting[1]) {
      compare(operation);
      return;
    }
  }
  if (!operation.descriptions.empty()) {
    std::vector<std::string> texts;
    for (int rank = 0; rank < size_; ++rank) {
      texts.emplace_back(operation.descriptions.data() + rank * kDescriptionBytes);
    }
    operation.problem = mismatch_message(texts);
    operation.done = true;
    return;
  }
  Transfers transfers(data_.get(), largest_count_, operation.meeting[2], &operation.requests);
  while (operation.requests.empty() && operation.next_step < operation.steps.size()) {
    operation.steps[operation.next_step++](transfers);  // may have nothing to transfer
  }
  operation.done = operation.requests.empty();
}

/// All ranks found that they are not in the same collective: each says what it meant.
void MpiEngine::compare(MpiOperation& operation) {
  auto mine = operation.what.describe().substr(0, kDescriptionBytes - 1);
  operation.descriptions.assign(kDescriptionBytes * static_cast<std::size_t>(size_), '\0');
  char* all = operation.descriptions.data();
  std::copy(mine.begin(), mine.end(), all + kDescriptionBytes * static_cast<std::size_t>(rank_));
  operation.requests.push_back(MPI_REQUEST_NULL);
  CUTTLE_MPI_CALL(MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, kDescriptionBytes,
                                 MPI_BYTE, data_.get(), &operation.requests.back()));
}

void MpiEngine::give_up(const RollCall::Place& me) {
  const Collective& late = under_way_.front()->what;
  const double grace_s = std::min(kGraceSeconds, deadline_s_);
  lost_ = lost_message(late, deadline_s_, roll_call_.ask(me, late.sequence, grace_s));
  throw PeerLost(lost_);
}

}  // namespace cuttle
