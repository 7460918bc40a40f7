#include "app/shard_paths.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace cuttle {
namespace {

namespace fs = std::filesystem;

}  // namespace

bool is_shard(const std::string& path) {
  return fs::path(path).extension() == ".h5";
}

std::vector<std::string> shards_in(const std::string& folder) {
  std::vector<std::string> shards;
  for (const auto& entry : fs::directory_iterator(folder))
    if (is_shard(entry.path().string())) shards.push_back(entry.path().string());
  std::sort(shards.begin(), shards.end());
  return shards;
}

std::vector<std::string> with_shards_of_folders(const std::vector<std::string>& paths) {
  std::vector<std::string> all;
  for (const auto& path : paths) {
    std::error_code unlisted;
    fs::directory_iterator(path, unlisted);
    const auto shards = unlisted ? std::vector<std::string>() : shards_in(path);
    all.insert(all.end(), shards.begin(), shards.end());
    if (shards.empty()) all.push_back(path);
  }
  return all;
}

}  // namespace cuttle
