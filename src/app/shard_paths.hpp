#pragma once

#include <string>
#include <vector>

namespace cuttle {

/// Whether a path is called as shards are.
bool is_shard(const std::string& path);

/// The shards right in a folder, sorted. std::filesystem::filesystem_error if it cannot be listed.
std::vector<std::string> shards_in(const std::string& folder);

/// Folders of shards as these; all else, folders that cannot be listed too, as it is.
std::vector<std::string> with_shards_of_folders(const std::vector<std::string>& paths);

}  // namespace cuttle
