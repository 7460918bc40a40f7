#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace cuttle {

constexpr const char* kManifestName = "manifest.json";

/// What must be in a checkpoint folder. Written last, so a folder without one was never finished.
struct Manifest {
  struct File {
    std::uint64_t bytes = 0;
    std::string sha256;
  };
  std::int64_t step = 0;
  std::map<std::string, File> files;  ///< by plain file name

  std::string encode() const;
  /// Hostile-safe; UserError beginning with `source`. File names cannot leave the folder.
  static Manifest decode(const std::string& text, const std::string& source);
};

/// Letters, digits, '_', '-', '.', not beginning with a dot, at most 100: safe as a file's name in
/// any folder.
bool is_plain_name(const std::string& name);

}  // namespace cuttle
