#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cuttle {

/// Reads a whole file. Throws UserError naming the path and the reason if it is missing,
/// unreadable, not a regular file, or larger than `limit` bytes (checked before allocation).
std::string read_file(const std::string& path, std::uint64_t limit);

/// A file that is there as a whole or not at all: what is written goes to PATH.tmp.<pid> in the
/// same folder until finish(). On failure (disk full, no permission) and without finish() the
/// temporary is removed, PATH is as before, and Error says why. A link stays one, what it names is
/// written; what is no regular file (a folder, a device) is a UserError.
class UnfinishedFile {
 public:
  explicit UnfinishedFile(std::string path);
  ~UnfinishedFile();
  UnfinishedFile(const UnfinishedFile&) = delete;
  UnfinishedFile& operator=(const UnfinishedFile&) = delete;

  void write(std::string_view bytes);
  /// fsyncs it, renames it to PATH, fsyncs the folder. Nothing may be written after.
  void finish();

 private:
  std::string path_, temporary_;
  int file_;  ///< descriptor; -1: closed
};

/// Before the work whose result shall be written to PATH: UserError if its folder is missing or
/// cannot be written to, if it is no regular file, or if it is one of the files that are read.
void check_output(const std::string& path, const std::vector<std::string>& inputs = {});

/// An UnfinishedFile of these bytes, finished.
void write_file_atomically(const std::string& path, std::string_view bytes);

/// Removes PATH.tmp.*, which killed writers of PATH left. Only where nobody else may be writing it.
void remove_unfinished(const std::string& path);

/// fsync of a file or folder by path; Error on failure.
void sync_path(const std::string& path);

/// mkdir -p; UserError naming the path and reason when it cannot.
void make_folders(const std::string& path);

/// A path as people write it: a leading `~` is the home folder, $NAME and ${NAME} are environment
/// variables. What exists as it is written stays so. UserError naming a variable that is not set.
std::string expand_variables(const std::string& path);

/// Shell-style pattern, its variables expanded, to existing paths, sorted. What exists as it is
/// written is no pattern, neither the whole nor a folder in it, even where a wildcard is in its
/// name.
std::vector<std::string> expand_paths(const std::string& pattern);

}  // namespace cuttle
