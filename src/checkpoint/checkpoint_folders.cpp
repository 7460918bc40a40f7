#include "checkpoint/checkpoint_folders.hpp"

#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"

namespace cuttle {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTemporaryPrefix = ".tmp-";  // being written or removed: worthless
constexpr std::string_view kAsidePrefix = ".old-";      // finished, in the way of a replacement
constexpr std::string_view kStepPrefix = "step-";

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code ignored;  // no such folder: nothing in it
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

std::optional<std::int64_t> step_of(const std::string& name) {
  if (!starts_with(name, kStepPrefix)) return std::nullopt;
  std::int64_t step = -1;
  std::from_chars(name.data() + kStepPrefix.size(), name.data() + name.size(), step);
  return step >= 0 && name == step_folder_name(step) ? std::optional(step) : std::nullopt;
}

void remove_quietly(const std::string& folder) {
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

void rename_folder(const std::string& from, const std::string& to) {
  std::error_code problem;
  fs::rename(from, to, problem);
  CUTTLE_REQUIRE(!problem, "cannot rename '{}' to '{}': {}", from, to, problem.message());
}

}  // namespace

std::string checkpoints_folder(const std::string& run_folder) {
  return run_folder + "/checkpoints";
}

std::string step_folder_name(std::int64_t step) {
  return fmt::format("{}{:08}", kStepPrefix, step);
}

std::map<std::int64_t, std::string> find_step_folders(const std::string& parent) {
  std::map<std::int64_t, std::string> found;
  const std::vector<std::string> names = names_in(parent);
  for (const auto& name : names) {
    if (const auto step = step_of(name)) found[*step] = parent + "/" + name;
  }
  for (const auto& name : names) {
    const auto step =
        starts_with(name, kAsidePrefix) ? step_of(name.substr(kAsidePrefix.size())) : std::nullopt;
    if (step) found.emplace(*step, parent + "/" + name);
  }
  return found;
}

TemporaryFolder::TemporaryFolder(const std::string& parent)
    : parent_(parent), path_(fmt::format("{}/{}new-{}", parent, kTemporaryPrefix, ::getpid())) {
  std::error_code problem;
  const bool made = fs::create_directory(path_, problem);
  CUTTLE_REQUIRE(made,
                 "cannot create the folder '{}': {} (no checkpoint was written); check permissions "
                 "and free space",
                 path_, problem ? problem.message() : "it exists");
}

TemporaryFolder::~TemporaryFolder() {
  remove_quietly(path_);
}

void TemporaryFolder::publish(const std::string& name) {
  const std::string final_path = parent_ + "/" + name;
  const std::string aside = fmt::format("{}/{}{}", parent_, kAsidePrefix, name);
  const bool replaces = fs::exists(final_path);
  if (replaces) rename_folder(final_path, aside);
  rename_folder(path_, final_path);
  sync_path(parent_);
  if (replaces) remove_checkpoint(parent_, aside);
}

void sweep_temporaries(const std::string& parent) {
  for (const auto& name : names_in(parent)) {
    const std::string path = parent + "/" + name;
    if (starts_with(name, kTemporaryPrefix)) remove_quietly(path);
    if (!starts_with(name, kAsidePrefix)) continue;
    const std::string original = parent + "/" + name.substr(kAsidePrefix.size());
    fs::exists(original) ? remove_checkpoint(parent, path) : rename_folder(path, original);
  }
}

void remove_checkpoint(const std::string& parent, const std::string& folder) {
  const std::string aside = fmt::format("{}/{}old-{}", parent, kTemporaryPrefix, ::getpid());
  std::error_code problem;
  fs::rename(folder, aside, problem);
  if (!problem) fs::remove_all(aside, problem);
  if (problem) log_warning("cannot remove the old checkpoint '{}': {}", folder, problem.message());
}

}  // namespace cuttle
