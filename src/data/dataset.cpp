#include "cuttle/data/dataset.hpp"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/hash.hpp"
#include "data/class_folds.hpp"
#include "data/missing_senses.hpp"
#include "open_files.hpp"
#include "shard_index.hpp"
#include "shard_set.hpp"

namespace cuttle {
namespace {

constexpr std::size_t kMaxOpenFiles = 128;

std::uint32_t crc32_of(const std::uint8_t* data, std::int64_t bytes) {
  return static_cast<std::uint32_t>(::crc32_z(0, data, static_cast<std::size_t>(bytes)));
}

/// Numbers names by first appearance, over all shards.
class Names {
 public:
  std::int32_t id_of(const std::string& name) {
    const auto [entry, added] = ids_.emplace(name, static_cast<std::int32_t>(names_.size()));
    if (added) names_.push_back(name);
    return entry->second;
  }
  std::vector<std::int32_t> ids_of(const NameTable& table) {
    std::vector<std::int32_t> ids;
    for (std::int64_t i = 0; i < table.size(); ++i) ids.push_back(id_of(table.at(i)));
    return ids;
  }
  std::vector<std::string> take() { return std::move(names_); }

 private:
  std::unordered_map<std::string, std::int32_t> ids_;
  std::vector<std::string> names_;
};

class ShardedDataset final : public Dataset {
 public:
  ShardedDataset(ShardSet set, bool in_memory)
      : modalities_(std::move(set.modalities)),
        columns_(std::move(set.columns)),
        shards_(std::move(set.shards)),
        files_(paths(), kMaxOpenFiles) {
    join_samples();
    check_splits();
    list_classes();
    if (in_memory) load();
  }

  const std::vector<ModalitySpec>& modalities() const override { return modalities_; }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  const std::vector<std::string>& group_names() const override { return group_names_; }
  const std::vector<SampleInfo>& samples() const override { return samples_; }
  const std::vector<std::int32_t>& classes_of(Split split) const override {
    return split_classes_[static_cast<std::size_t>(split)];
  }
  Span<const std::int64_t> samples_of(std::int32_t class_id) const override {
    CUTTLE_EXPECT(class_id >= 0 && static_cast<std::size_t>(class_id) < class_names_.size());
    const std::size_t first = class_starts_[class_id], end = class_starts_[class_id + 1];
    return {class_samples_.data() + first, end - first};
  }

  std::int64_t target_width() const override {
    return static_cast<std::int64_t>(shards_.front().header.targets.size());
  }
  std::vector<std::string> target_names() const override { return shards_.front().header.targets; }
  Span<const float> target(std::int64_t sample) const override {
    const std::size_t s = shard_of(sample);
    const auto width = static_cast<std::size_t>(target_width());
    return {shards_[s].targets.data() + static_cast<std::size_t>(sample - starts_[s]) * width,
            width};
  }
  std::string sample_name(std::int64_t sample) const override {
    const std::size_t s = shard_of(sample);
    return shards_[s].sample_names.at(sample - starts_[s]);
  }

  std::int64_t read(std::int64_t sample, std::size_t modality,
                    std::vector<std::uint8_t>& out) const override {
    CUTTLE_EXPECT(modality < modalities_.size());
    const std::size_t s = shard_of(sample);
    const ModalityColumn& column = shards_[s].columns[columns_[modality]];
    const std::int32_t row = column.rows[static_cast<std::size_t>(sample - starts_[s])];
    CUTTLE_EXPECT(row >= 0);
    const std::int64_t begin = column.row_begin(row), bytes = column.row_end(row) - begin;
    const std::size_t before = out.size();
    out.resize(before + static_cast<std::size_t>(bytes));
    if (bytes == 0) return 0;
    if (!memory_.empty()) {
      std::memcpy(out.data() + before, memory_.data() + memory_starts_[s][modality] + begin, bytes);
      return bytes;
    }
    files_.read_at(s, column.file_offset + begin, out.data() + before, bytes);
    check_row(s, modality, row, sample, out.data() + before, bytes);
    return bytes;
  }

  std::string fingerprint() const override {
    Sha256 hash;
    for (const ModalitySpec& spec : modalities_)
      hash.update(spec.name.c_str(), spec.name.size() + 1);
    add_shards(hash);
    return hash.hex();
  }
  std::string content_fingerprint() const override {
    Sha256 hash;
    add_shards(hash);
    return hash.hex();
  }

 private:
  void add_shards(Sha256& hash) const {
    for (const ShardIndex& shard : shards_)
      hash.update(shard.index_sha256.data(), shard.index_sha256.size());
  }
  std::vector<std::string> paths() const {
    std::vector<std::string> all;
    for (const ShardIndex& shard : shards_) all.push_back(shard.path);
    return all;
  }

  std::size_t shard_of(std::int64_t sample) const {
    CUTTLE_EXPECT(sample >= 0 && sample < starts_.back());
    return static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), sample) -
                                    starts_.begin()) -
           1;
  }

  void join_samples() {
    Names classes, groups;
    starts_.push_back(0);
    for (const ShardIndex& shard : shards_) {
      const std::vector<std::int32_t> class_ids = classes.ids_of(shard.class_names);
      const std::vector<std::int32_t> group_ids = groups.ids_of(shard.group_names);
      for (std::size_t i = 0; i < shard.sample_class.size(); ++i) {
        SampleInfo info;
        if (shard.sample_class[i] >= 0) info.class_id = class_ids[shard.sample_class[i]];
        info.group_id = group_ids[shard.sample_group[i]];
        info.split = static_cast<Split>(shard.sample_split[i]);
        for (std::size_t m = 0; m < columns_.size(); ++m) {
          if (shard.columns[columns_[m]].rows[i] >= 0) info.present |= std::uint32_t{1} << m;
        }
        info.complete =
            std::all_of(shard.columns.begin(), shard.columns.end(),
                        [i](const ModalityColumn& column) { return column.rows[i] >= 0; });
        samples_.push_back(info);
      }
      starts_.push_back(static_cast<std::int64_t>(samples_.size()));
    }
    class_names_ = classes.take();
    group_names_ = groups.take();
  }

  // A class in two splits would put test data into training (or the other way round).
  void check_splits() const {
    std::vector<std::int64_t> first(class_names_.size(), -1);
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      if (samples_[i].class_id < 0) continue;
      std::int64_t& one = first[samples_[i].class_id];
      if (one < 0) one = static_cast<std::int64_t>(i);
      CUTTLE_VALIDATE(samples_[one].split == samples_[i].split,
                      "class '{}' is in split {} in '{}' and in split {} in '{}' (training would "
                      "see classes of the other splits); make the shards again in one run",
                      class_names_[samples_[i].class_id], to_string(samples_[one].split),
                      shards_[shard_of(one)].path, to_string(samples_[i].split),
                      shards_[shard_of(static_cast<std::int64_t>(i))].path);
    }
  }

  void list_classes() {
    class_starts_.assign(class_names_.size() + 1, 0);
    for (const SampleInfo& info : samples_) class_starts_[info.class_id + 1] += info.class_id >= 0;
    for (std::size_t c = 0; c < class_names_.size(); ++c) class_starts_[c + 1] += class_starts_[c];
    class_samples_.resize(class_starts_.back());
    std::vector<std::size_t> next(class_starts_.begin(), class_starts_.end() - 1);
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      if (samples_[i].class_id >= 0)
        class_samples_[next[samples_[i].class_id]++] = static_cast<std::int64_t>(i);
    }
    for (std::size_t c = 0; c < class_names_.size(); ++c) {
      if (class_starts_[c] == class_starts_[c + 1])
        continue;  // listed in a shard, but without samples
      const Split split = samples_[class_samples_[class_starts_[c]]].split;
      for (const Split of : {split, Split::kAll})
        split_classes_[static_cast<std::size_t>(of)].push_back(static_cast<std::int32_t>(c));
    }
  }

  void load() {
    std::uint64_t total = 0;
    for (const ShardIndex& shard : shards_) {
      memory_starts_.emplace_back();
      for (const std::size_t column : columns_) {
        memory_starts_.back().push_back(total);
        total += shard.columns[column].bytes;
      }
    }
    const auto machine =
        static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
    CUTTLE_VALIDATE(total <= machine,
                    "data.in_memory needs {} MB, this machine has {}; set data.in_memory=false",
                    total >> 20, machine >> 20);
    memory_.resize(total);
    for (std::size_t s = 0; s < shards_.size(); ++s) {
      for (std::size_t m = 0; m < columns_.size(); ++m) load_column(s, m);
    }
  }

  void load_column(std::size_t s, std::size_t m) {
    const ModalityColumn& column = shards_[s].columns[columns_[m]];
    std::uint8_t* const data = memory_.data() + memory_starts_[s][m];
    files_.read_at(s, column.file_offset, data, column.bytes);
    for (std::size_t i = 0; i < column.rows.size(); ++i) {
      const std::int32_t row = column.rows[i];
      if (row < 0) continue;
      const std::int64_t begin = column.row_begin(row);
      check_row(s, m, row, starts_[s] + static_cast<std::int64_t>(i), data + begin,
                column.row_end(row) - begin);
    }
  }

  void check_row(std::size_t s, std::size_t m, std::int32_t row, std::int64_t sample,
                 const std::uint8_t* data, std::int64_t bytes) const {
    const bool matches = crc32_of(data, bytes) == shards_[s].columns[columns_[m]].crc32[row];
    CUTTLE_VALIDATE(matches,
                    "the {} of sample {} ('{}') in the shard '{}' does not match its checksum (the "
                    "file was damaged); make it again or copy it anew",
                    modalities_[m].name, sample - starts_[s], sample_name(sample), shards_[s].path);
    if (modalities_[m].kind != ModalityKind::kGraph) return;
    try {
      view_graph(data, bytes, modalities_[m]);
    } catch (const UserError& problem) {
      throw UserError(
          fmt::format("the {} of sample {} ('{}') in the shard '{}' is none: {}; make it again",
                      modalities_[m].name, sample - starts_[s], sample_name(sample),
                      shards_[s].path, problem.what()));
    }
  }

  std::vector<ModalitySpec> modalities_;
  std::vector<std::size_t> columns_;  // of each modality in the shards
  std::vector<ShardIndex> shards_;
  OpenFiles files_;
  std::vector<std::int64_t> starts_;  // first sample of each shard, and the end
  std::vector<std::string> class_names_, group_names_;
  std::vector<SampleInfo> samples_;
  std::array<std::vector<std::int32_t>, 4> split_classes_;
  std::vector<std::size_t> class_starts_;  // of each class in class_samples_, and the end
  std::vector<std::int64_t> class_samples_;
  std::vector<std::uint8_t> memory_;  // in_memory: all rows of all columns in use
  std::vector<std::vector<std::uint64_t>> memory_starts_;  // by shard and modality
};

}  // namespace

std::unique_ptr<Dataset> Dataset::open(const DataOptions& options) {
  std::unique_ptr<Dataset> data =
      std::make_unique<ShardedDataset>(open_shards(options), options.in_memory);
  return without_missing(in_fold(std::move(data), options), options);
}

}  // namespace cuttle
