#include <algorithm>
#include <exception>
#include <thread>
#include <utility>

#include "comm/thread_meeting.hpp"
#include "cuttle/comm/communicator.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

template <class T>
void combine(std::vector<T>& total, const std::vector<T>& part, ReduceOp op) {
  for (std::size_t i = 0; i < total.size(); ++i) {
    switch (op) {
      case ReduceOp::kSum:
        total[i] += part[i];
        break;
      case ReduceOp::kMax:
        total[i] = std::max(total[i], part[i]);
        break;
      case ReduceOp::kMin:
        total[i] = std::min(total[i], part[i]);
        break;
    }
  }
}

/// Each rank adds up all parts for itself, from what is by then read-only: no rank works while
/// others wait.
template <class T>
std::vector<T> reduce(const Gathering& gathering, ReduceOp op) {
  auto total = std::get<std::vector<T>>(gathering.payloads[0]);
  for (std::size_t rank = 1; rank < gathering.payloads.size(); ++rank) {
    combine(total, std::get<std::vector<T>>(gathering.payloads[rank]), op);
  }
  return total;
}

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(std::shared_ptr<ThreadMeeting> meeting, int rank)
      : meeting_(std::move(meeting)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return meeting_->ranks(); }
  std::string backend() const override { return "thread"; }

  Pending<std::vector<std::int64_t>> all_reduce(std::string_view name,
                                                std::vector<std::int64_t> values,
                                                ReduceOp op) override {
    auto shape = reduce_shape(op, values.size());
    return meet<std::vector<std::int64_t>>(
        name, std::move(shape), std::move(values),
        [op](const Gathering& all) { return reduce<std::int64_t>(all, op); });
  }
  Pending<std::vector<std::uint8_t>> all_reduce_max(std::string_view name,
                                                    std::vector<std::uint8_t> values) override {
    auto shape = reduce_bytes_shape(values.size());
    return meet<std::vector<std::uint8_t>>(
        name, std::move(shape), std::move(values),
        [](const Gathering& all) { return reduce<std::uint8_t>(all, ReduceOp::kMax); });
  }
  Pending<std::string> broadcast(std::string_view name, std::string bytes, int root) override {
    CUTTLE_EXPECT(0 <= root && root < size());
    return meet<std::string>(
        name, broadcast_shape(root), std::move(bytes),
        [root](const Gathering& all) { return std::get<std::string>(all.payloads[root]); });
  }
  Pending<std::vector<std::string>> all_gather(std::string_view name, std::string bytes) override {
    return meet<std::vector<std::string>>(name, gather_shape(), std::move(bytes),
                                          [](const Gathering& all) {
                                            std::vector<std::string> texts;
                                            for (const auto& payload : all.payloads)
                                              texts.push_back(std::get<std::string>(payload));
                                            return texts;
                                          });
  }

 private:
  template <class Result, class Read>
  Pending<Result> meet(std::string_view name, std::string shape, Payload payload, Read read) {
    const Collective what{++sequence_, std::string(name), std::move(shape)};
    auto gathering = meeting_->arrive(rank_, what, std::move(payload));
    return Pending<Result>(
        [meeting = meeting_, rank = rank_, gathering = std::move(gathering), read] {
          meeting->wait(rank, *gathering);
          return read(*gathering);
        });
  }

  std::shared_ptr<ThreadMeeting> meeting_;
  int rank_;
  std::uint64_t sequence_ = 0;
};

/// Runs one rank; returns what it threw, if anything.
std::exception_ptr run_rank(const std::shared_ptr<ThreadMeeting>& meeting, int rank,
                            const std::function<void(Communicator&)>& body) {
  try {
    ThreadCommunicator comm(meeting, rank);
    body(comm);
    meeting->leave(rank, "its work ended");
    return nullptr;
  } catch (const std::exception& problem) {
    meeting->leave(rank, std::string("failed: ") + problem.what());
    return std::current_exception();
  } catch (...) {
    meeting->leave(rank, "failed");
    return std::current_exception();
  }
}

bool is_peer_lost(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const PeerLost&) {
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

void run_thread_ranks(int ranks, const CommOptions& options,
                      const std::function<void(Communicator&)>& body) {
  CUTTLE_VALIDATE(ranks > 0, "{} thread ranks cannot do anything; ask for 1 or more", ranks);
  const auto meeting = std::make_shared<ThreadMeeting>(ranks, options.deadline_s);
  std::vector<std::exception_ptr> failures(ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] { failures[rank] = run_rank(meeting, rank, body); });
  }
  for (auto& thread : threads) thread.join();
  std::exception_ptr first;
  for (const auto& failure : failures) {
    if (failure && (!first || (is_peer_lost(first) && !is_peer_lost(failure)))) first = failure;
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace cuttle
