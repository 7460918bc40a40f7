#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "cuttle/core/error.hpp"

namespace cuttle {

/// A folder of its own for one test, removed with all it holds at the end of the scope.
class TempFolder {
 public:
  TempFolder() : path_((std::filesystem::temp_directory_path() / "cuttle_test_XXXXXX").string()) {
    CUTTLE_REQUIRE(::mkdtemp(path_.data()) != nullptr, "cannot make the temporary folder '{}'",
                   path_);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  /// The path of `name` in this folder.
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace cuttle
