#include "app/given_samples.hpp"

#include <fmt/ranges.h>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "app/shard_paths.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/core/signals.hpp"

extern char** environ;

namespace cuttle {
namespace {

namespace fs = std::filesystem;

/// The data tools of the source tree that this program was built in, or of the installed tree.
std::string data_tools() {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  const fs::path places[] = {program / "../../data_tools/cuttle-data",
                             program / "../share/cuttle/data_tools/cuttle-data"};
  for (const auto& place : places)
    if (::access(place.c_str(), X_OK) == 0) return fs::weakly_canonical(place, ignored).string();
  throw UserError(
      fmt::format("data_tools/cuttle-data is not beside this program (files are packed by it; "
                  "looked for {} and "
                  "{}); pack them elsewhere with cuttle-data pack and give the shard",
                  places[0].string(), places[1].string()));
}

/// Runs a program whose standard output joins standard error, and gives its exit status as wait()
/// has it. Error when we are asked to stop meanwhile.
int run_to_end(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  SignalWatch signals;
  pid_t child = 0;
  const int failed =
      ::posix_spawn(&child, words[0].c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  CUTTLE_REQUIRE(failed == 0, "{} cannot be started: {}", words[0], std::strerror(failed));
  constexpr std::chrono::milliseconds kPoll(5);
  int status = 0;
  bool stopped = false;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (!stopped && signals.take() == SignalRequest::kStop) {
      ::kill(child, SIGTERM);  // Ctrl-C has reached it already, a kill of this process alone not
      stopped = true;
    }
    std::this_thread::sleep_for(kPoll);
  }
  CUTTLE_REQUIRE(!stopped && signals.take() != SignalRequest::kStop,
                 "interrupted while files were being packed; nothing is left");
  return status;
}

}  // namespace

GivenSamples::GivenSamples(const std::vector<std::string>& given, const std::string& like)
    : name_(given.size() < 4 ? fmt::format("{}", fmt::join(given, " "))
                             : fmt::format("{} and {} others", given.front(), given.size() - 1)) {
  const auto inputs = with_shards_of_folders(given);
  const auto shards = std::count_if(inputs.begin(), inputs.end(), is_shard);
  CUTTLE_VALIDATE(shards == 0 || shards == static_cast<std::ptrdiff_t>(inputs.size()),
                  "{}: some are shards, others are not (they are read in different ways); give the "
                  "ones or the others",
                  name_);
  if (shards > 0) {
    shards_ = inputs;
    return;
  }
  const std::string tools = data_tools();
  std::error_code absent;
  std::string folder = (fs::temp_directory_path(absent) / "cuttle-XXXXXX").string();
  CUTTLE_VALIDATE(!absent,
                  "no temporary folder can be made (TMPDIR: {}); name another place with it",
                  absent.message());
  CUTTLE_VALIDATE(::mkdtemp(folder.data()) != nullptr,
                  "no temporary folder can be made ({}: {}); name another place with TMPDIR",
                  folder, std::strerror(errno));
  folder_.path = folder;
  const std::string packed = folder + "/packed.h5";
  std::vector<std::string> words{tools, "pack", "--quiet", "--like", like, "--out", packed, "--"};
  words.insert(words.end(), inputs.begin(), inputs.end());
  CUTTLE_VALIDATE(run_to_end(words) == 0,
                  "{}: could not be packed for the model (see above; an option that is named there "
                  "is one of data_tools/cuttle-data pack: run it with --like {} --out FILE.h5, and "
                  "give FILE.h5)",
                  name_, like);
  shards_ = {packed};
}

GivenSamples::Folder::~Folder() {
  std::error_code ignored;
  if (!path.empty()) fs::remove_all(path, ignored);
}

}  // namespace cuttle
