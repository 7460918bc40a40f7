#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/config/run_config.hpp"
#include "cuttle/core/span.hpp"
#include "cuttle/metrics/sink.hpp"
#include "cuttle/train/run_data.hpp"

namespace cuttle {

/// Features of one sense of one data set under one encoder, in files that runs and ranks share:
/// parts of so many samples, each there as a whole or not at all. What is computed twice is
/// computed alike, so nobody waits for anybody.
class FeatureBank {
 public:
  static constexpr std::int64_t kPart = 512;  ///< samples, but for the last part

  /// The folder of all banks that the config key data.feature_bank stands for: a path; auto
  /// (CUTTLE_FEATURES, else the user's cache folder); none, and where there is no such folder:
  /// empty.
  static std::string root(const std::string& key);

  /// `facts`: all that the features depend on; they are kept beside them, for people.
  FeatureBank(const std::string& root, const std::map<std::string, std::string>& facts,
              std::int64_t samples, std::int64_t width);

  const std::string& folder() const { return folder_; }
  std::int64_t parts() const { return (samples_ + kPart - 1) / kPart; }
  std::int64_t first(std::int64_t part) const { return part * kPart; }
  std::int64_t size(std::int64_t part) const;
  /// [size, width] values; nothing if the part is not there, or is not what was written (with a
  /// warning).
  std::optional<std::vector<float>> read(std::int64_t part) const;
  /// Errors as write_file_atomically.
  void write(std::int64_t part, Span<const float> values) const;
  /// Says that the features are in use, for remove_unused().
  void touch() const;

  /// A bank on disk.
  struct Found {
    std::string folder;
    std::map<std::string, std::string> facts;
    std::int64_t bytes = 0;
    double days_unused = 0;
  };
  static std::vector<Found> list(const std::string& root);
  /// Removes those that nobody has used for so many days; returns them.
  static std::vector<Found> remove_unused(const std::string& root, double days);

 private:
  std::string path_of(std::int64_t part) const;

  std::string folder_;
  std::int64_t samples_, width_;
};

/// What is kept of single samples (RunData::keep), with the features of all samples under encoders
/// that hold weights of others: those that the bank (data.feature_bank) has, and the rest computed
/// by all ranks, each some parts of 512 samples, and put there; a run that is killed goes on after
/// the last part. A request to stop leaves the rest to be computed as samples are met. `training`:
/// those of the augmented copies of training samples (augment.copies), too. `console`: shows how
/// far it is, on one rank. Collective.
RunData::Kept keep_with_features(Communicator& comm, const RunConfig& config, const RunData& data,
                                 const Model& model, const ParameterList& parameters, bool training,
                                 const Console& console);

}  // namespace cuttle
