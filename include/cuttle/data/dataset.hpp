#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cuttle/core/random.hpp"
#include "cuttle/core/span.hpp"
#include "cuttle/data/options.hpp"
#include "cuttle/data/sample.hpp"

namespace cuttle {

/// Many shards as one index space, in the order of their sorted paths. Opening checks every shard
/// against FORMAT.md (version, sizes, offsets, types) and against the first one (modalities); a
/// class name is the class, so a class may span shards. Immutable after open: every function may be
/// called from any thread.
class Dataset {
 public:
  /// Opens and checks. UserError naming the shard and what is wrong with it; no torch, no MPI.
  static std::unique_ptr<Dataset> open(const DataOptions& options);
  virtual ~Dataset() = default;

  virtual const std::vector<ModalitySpec>& modalities() const = 0;
  virtual const std::vector<std::string>& class_names() const = 0;
  virtual const std::vector<std::string>& group_names() const = 0;
  virtual const std::vector<SampleInfo>& samples() const = 0;

  /// Classes of a split (or of all), ascending id. A class belongs to exactly one split (checked on
  /// open).
  virtual const std::vector<std::int32_t>& classes_of(Split split) const = 0;
  /// Samples of a class, ascending index.
  virtual Span<const std::int64_t> samples_of(std::int32_t class_id) const = 0;

  /// Values that every sample has to predict (regression); 0: the shards declare none.
  virtual std::int64_t target_width() const = 0;
  /// Their names, in order; none where they have none.
  virtual std::vector<std::string> target_names() const { return {}; }
  /// A sample's target_width() values.
  virtual Span<const float> target(std::int64_t sample) const = 0;

  /// Where a sample came from (file stem, code point and style, ...); for messages and the output
  /// of predict.
  virtual std::string sample_name(std::int64_t sample) const = 0;

  /// Appends the raw bytes of one modality of a sample to `out` and returns their count. The
  /// modality must be present. Error naming shard, dataset and sample when the checksum or the read
  /// fails.
  virtual std::int64_t read(std::int64_t sample, std::size_t modality,
                            std::vector<std::uint8_t>& out) const = 0;

  /// Senses, as in SampleInfo::present, that samples of a split seem to lack in the task that a key
  /// names, unless one has no other (DataOptions::missing_by: task); 0: none.
  virtual std::uint32_t hidden_in(Split, const RandomKey&) const { return 0; }

  /// SHA-256 over the modalities in use and the shards' indices (header, names, sizes, classes,
  /// splits, presence, checksums of all data), in order; paths do not matter. Equal on all ranks,
  /// kept in checkpoints.
  virtual std::string fingerprint() const = 0;
  /// The same of the shards alone, whichever modalities are in use.
  virtual std::string content_fingerprint() const = 0;
};

/// Another data set, but for what a derived class says otherwise.
class DatasetView : public Dataset {
 public:
  explicit DatasetView(std::unique_ptr<Dataset> data) : data_(std::move(data)) {}
  const std::vector<ModalitySpec>& modalities() const override { return data_->modalities(); }
  const std::vector<std::string>& class_names() const override { return data_->class_names(); }
  const std::vector<std::string>& group_names() const override { return data_->group_names(); }
  const std::vector<SampleInfo>& samples() const override { return data_->samples(); }
  const std::vector<std::int32_t>& classes_of(Split split) const override {
    return data_->classes_of(split);
  }
  Span<const std::int64_t> samples_of(std::int32_t class_id) const override {
    return data_->samples_of(class_id);
  }
  std::int64_t target_width() const override { return data_->target_width(); }
  std::vector<std::string> target_names() const override { return data_->target_names(); }
  Span<const float> target(std::int64_t sample) const override { return data_->target(sample); }
  std::string sample_name(std::int64_t sample) const override { return data_->sample_name(sample); }
  std::int64_t read(std::int64_t sample, std::size_t modality,
                    std::vector<std::uint8_t>& out) const override {
    return data_->read(sample, modality, out);
  }
  std::uint32_t hidden_in(Split split, const RandomKey& task) const override {
    return data_->hidden_in(split, task);
  }
  std::string fingerprint() const override { return data_->fingerprint(); }
  std::string content_fingerprint() const override { return data_->content_fingerprint(); }

 protected:
  std::unique_ptr<Dataset> data_;
};

/// Whether DataOptions::missing is about samples of this split.
bool has_missing(const DataOptions& options, Split split);

/// The data set as if its shards had these modalities: what it lacks, no sample has; what is not
/// named is not there. A sense is known by its name, and so are the columns of a table: where both
/// have names, features come in the order of `modalities`, zeros where they are of no column.
std::unique_ptr<Dataset> in_senses(std::unique_ptr<Dataset> data,
                                   std::vector<ModalitySpec> modalities);

}  // namespace cuttle
