#include <set>

#include "app/commands.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/train/environment.hpp"

namespace cuttle {
namespace {

/// All ranks failed with an Error: rank 0 prints each different message once. If the others are
/// somewhere else, this rank failed alone: the mismatched collective tells us so.
void leave_together(Communicator& comm, MpiSession& session, const std::string& message) {
  try {
    const auto all = comm.all_gather("leaving after an error", message).wait();
    for (const auto& text : std::set<std::string>(all.begin(), all.end()))
      if (comm.rank() == 0) write_log(LogLevel::kError, false, text);
  } catch (const std::exception&) {
    log_local(LogLevel::kError, "{}", message);
    session.abort(static_cast<int>(ExitCode::kFailure));
  }
}

}  // namespace

ExitCode with_communicator(MpiSession& session, const CommOptions& options,
                           const std::function<ExitCode(Communicator&)>& body) {
  init_log(session.rank(), session.size());
  const auto comm = session.world(options);
  try {
    together(*comm, "choosing instructions", [] { choose_instruction_set(); });
    return body(*comm);
  } catch (const PeerLost& problem) {
    log_local(LogLevel::kError, "{}", problem.what());
  } catch (const UserError& problem) {
    leave_together(*comm, session, problem.what());
    return ExitCode::kUserError;
  } catch (const Error& problem) {
    leave_together(*comm, session, problem.what());
    return ExitCode::kFailure;
  } catch (const std::exception& problem) {
    log_local(LogLevel::kError, "{}", problem.what());
  }
  session.abort(static_cast<int>(ExitCode::kFailure));
}

}  // namespace cuttle
