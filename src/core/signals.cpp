#include "cuttle/core/signals.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

// Signal handlers reach nothing but globals.
std::atomic<bool> stop_is_requested{false};
std::atomic<bool> checkpoint_requested{false};
std::atomic<bool> watching{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may not take a lock");

constexpr std::array<int, 3> kSignals = {SIGTERM, SIGINT, SIGUSR1};
std::array<struct sigaction, kSignals.size()> previous_actions;

extern "C" void on_stop(int signal_number) {
  if (stop_is_requested.exchange(true)) ::_exit(128 + signal_number);
}
extern "C" void on_checkpoint(int) {
  checkpoint_requested.store(true);
}

}  // namespace

SignalWatch::SignalWatch() {
  CUTTLE_EXPECT(!watching.exchange(true));
  stop_is_requested = false;
  checkpoint_requested = false;
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction action {};
    action.sa_handler = kSignals[i] == SIGUSR1 ? on_checkpoint : on_stop;
    action.sa_flags = SA_RESTART;  // a read or write in progress goes on
    sigemptyset(&action.sa_mask);
    CUTTLE_REQUIRE(::sigaction(kSignals[i], &action, &previous_actions[i]) == 0,
                   "cannot install the handler of signal {}", kSignals[i]);
  }
}

SignalWatch::~SignalWatch() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], &previous_actions[i], nullptr);
  }
  watching = false;
}

SignalRequest SignalWatch::take() {
  const bool checkpoint = checkpoint_requested.exchange(false);
  if (stop_is_requested.load()) return SignalRequest::kStop;
  return checkpoint ? SignalRequest::kCheckpoint : SignalRequest::kNone;
}

bool stop_requested() {
  return watching.load() && stop_is_requested.load();
}

}  // namespace cuttle
