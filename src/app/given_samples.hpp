#pragma once

#include <string>
#include <vector>

namespace cuttle {

/// What people give to `adapt` and `predict`: shards as they are, or files, folders, tables and
/// LABEL=FILE, which the data tools pack for a model into a shard that is removed with this object.
class GivenSamples {
 public:
  /// `like`: the run folder, checkpoint or adapted file whose senses count. UserError if nothing
  /// can be made of it (the data tools have said why), or shards and others are mixed; Error if it
  /// was interrupted. Installs handlers (SignalWatch) while it works.
  GivenSamples(const std::vector<std::string>& given, const std::string& like);

  const std::vector<std::string>& shards() const { return shards_; }
  /// As given, for messages.
  const std::string& name() const { return name_; }

 private:
  /// Removed at the end.
  struct Folder {
    Folder() = default;
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string path;  ///< empty: none
  };
  Folder folder_;
  std::vector<std::string> shards_;
  std::string name_;
};

}  // namespace cuttle
