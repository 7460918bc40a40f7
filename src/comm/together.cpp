#include <exception>
#include <utility>

#include "comm/rank_list.hpp"
#include "cuttle/comm/communicator.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

enum class Outcome : char { kFine = '0', kUserError = '1', kError = '2' };

struct Result {
  Outcome outcome = Outcome::kFine;
  std::string said;
};

Result run(const std::function<void()>& body) {
  try {
    body();
    return {};
  } catch (const PeerLost&) {
    throw;  // there is nobody left to vote with
  } catch (const UserError& problem) {
    return {Outcome::kUserError, problem.what()};
  } catch (const std::exception& problem) {
    return {Outcome::kError, problem.what()};
  } catch (...) {
    return {Outcome::kError, "an exception of unknown type"};
  }
}

}  // namespace

void together(Communicator& comm, std::string_view what, const std::function<void()>& body) {
  const Result mine = run(body);
  const std::int64_t failed_here = mine.outcome == Outcome::kFine ? 0 : 1;
  if (comm.all_reduce(what, {failed_here}, ReduceOp::kMax).wait()[0] == 0) return;

  const auto all = comm.all_gather(what, static_cast<char>(mine.outcome) + mine.said).wait();
  bool only_user_errors = true;
  std::vector<Saying> sayings;
  for (int rank = 0; rank < comm.size(); ++rank) {
    const std::string& text = all[static_cast<std::size_t>(rank)];
    const auto outcome = static_cast<Outcome>(text.at(0));
    if (outcome == Outcome::kFine) continue;
    only_user_errors = only_user_errors && outcome == Outcome::kUserError;
    sayings.push_back({rank, text.substr(1)});
  }
  const std::string message =
      comm.size() == 1 ? mine.said
                       : fmt::format("{} failed on {}", what, group_sayings(sayings, "; on "));
  if (only_user_errors) throw UserError(message);
  throw Error(message);
}

}  // namespace cuttle
