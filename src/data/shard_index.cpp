#include "shard_index.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string_view>
#include <unordered_set>

#include "cuttle/core/error.hpp"
#include "cuttle/core/hash.hpp"
#include "shard_file.hpp"
#include "shard_names.hpp"
#include "utf8.hpp"

namespace cuttle {
namespace {

constexpr const char* kDamaged = "it is damaged; make it again or copy it anew";

/// The datasets of the index in the order in which index_sha256 covers them.
using Hashed = std::map<std::string, std::string_view>;

/// Reads a shard's index into a ShardIndex, piece by piece.
class IndexReader {
 public:
  explicit IndexReader(const std::string& path) : file_(path) { index_.path = path; }

  ShardIndex read() {
    read_header();
    read_names(kClassNames, kClassOffsets, -1, index_.class_names);
    read_names(kGroupNames, kGroupOffsets, -1, index_.group_names);
    read(kSampleClass, -1, index_.sample_class);
    const std::int64_t n = index_.samples();
    CUTTLE_VALIDATE(
        n <= std::numeric_limits<std::int32_t>::max(),
        "the shard '{}' has {} samples (rows are counted in 32 bits); make more, smaller shards",
        index_.path, n);
    read(kSampleGroup, n, index_.sample_group);
    read(kSampleSplit, n, index_.sample_split);
    read_names(kSampleNames, kSampleOffsets, n, index_.sample_names);
    read_targets();
    // The map of what is hashed holds views of these: they must not move.
    index_.columns.resize(index_.header.modalities.size());
    present_.resize(index_.columns.size());
    for (std::size_t m = 0; m < index_.columns.size(); ++m) read_column(m);
    check_sha256();
    check_samples();
    check_names(index_.class_names, "class", true);
    check_names(index_.group_names, "group", true);
    check_names(index_.sample_names, "sample", false);
    check_targets();
    return std::move(index_);
  }

 private:
  template <class T>
  void read(const std::string& dataset, std::int64_t length, std::vector<T>& to,
            std::int64_t width = 0) {
    to = file_.read<T>(dataset, length, width);
    hashed_[dataset] = {reinterpret_cast<const char*>(to.data()), to.size() * sizeof(T)};
  }

  void read_header() {
    const std::string format = file_.text_attribute(kFormatAttribute);
    CUTTLE_VALIDATE(
        format == kFormatValue,
        "'{}' has the format '{}' (it is not a cuttle shard); make shards with data_tools",
        index_.path, format);
    const std::int64_t version = file_.integer_attribute(kVersionAttribute);
    CUTTLE_VALIDATE(version == kFormatVersion,
                    "the shard '{}' has format version {}, this cuttle reads version {}; {}",
                    index_.path, version, kFormatVersion,
                    version > kFormatVersion
                        ? "use a newer cuttle"
                        : "make the shard again with this cuttle's data_tools");
    header_text_ = file_.text_attribute(kHeaderAttribute);
    index_.index_sha256 = file_.text_attribute(kIndexSha256Attribute);
    index_.header = parse_shard_header(header_text_, index_.path);
  }

  void read_names(const char* names, const char* offsets, std::int64_t count, NameTable& table) {
    read(names, -1, table.bytes);
    read(offsets, count < 0 ? -1 : count + 1, table.offsets);
    check_offsets(offsets, table.offsets, static_cast<std::int64_t>(table.bytes.size()));
  }

  void read_targets() {
    const auto width = static_cast<std::int64_t>(index_.header.targets.size());
    if (width > 0) read(kSampleTargets, index_.samples(), index_.targets, width);
  }

  void check_offsets(const std::string& dataset, const std::vector<std::int64_t>& offsets,
                     std::int64_t end) const {
    const bool ascending = !offsets.empty() && offsets.front() == 0 && offsets.back() == end &&
                           std::is_sorted(offsets.begin(), offsets.end());
    CUTTLE_VALIDATE(ascending,
                    "'{}' of the shard '{}' does not ascend from 0 to {}, the size of the data; {}",
                    dataset, index_.path, end, kDamaged);
  }

  void read_column(std::size_t m) {
    const ModalitySpec& spec = index_.header.modalities[m];
    ModalityColumn& column = index_.columns[m];
    const std::string group = kModalityGroup + spec.name;
    std::vector<std::uint8_t>& present = present_[m];
    read(group + kModalityPresent, index_.samples(), present);
    const bool flags =
        std::all_of(present.begin(), present.end(), [](std::uint8_t flag) { return flag <= 1; });
    CUTTLE_VALIDATE(flags, "'{}{}' of the shard '{}' holds something else than 0 and 1; {}", group,
                    kModalityPresent, index_.path, kDamaged);
    std::int32_t row = 0;
    for (const std::uint8_t flag : present) column.rows.push_back(flag ? row++ : -1);
    read(group + kModalityCrc32, row, column.crc32);
    locate_data(spec, group, row, column);
  }

  void locate_data(const ModalitySpec& spec, const std::string& group, std::int64_t rows,
                   ModalityColumn& column) {
    // A graph's nodes and edges lie in plain bytes.
    std::vector<std::int64_t> dims;
    if (spec.kind != ModalityKind::kGraph) dims = spec.shape;
    column.element_bytes = spec.element_bytes();
    for (const std::int64_t size : dims) column.element_bytes *= size;
    const bool by_row = spec.kind == ModalityKind::kImage || spec.kind == ModalityKind::kVector;
    if (!by_row) read(group + kModalityOffsets, rows + 1, column.offsets);
    const hid_t type = spec.kind == ModalityKind::kAudio ? H5T_STD_I16LE
                       : spec.kind == ModalityKind::kSeries || spec.kind == ModalityKind::kVector
                           ? H5T_IEEE_F32LE
                           : H5T_STD_U8LE;
    const std::string dataset = group + kModalityData;
    const Extent extent = file_.find(dataset, type, dims.size() + 1);
    dims.insert(dims.begin(), by_row ? rows : extent.dims[0]);
    CUTTLE_VALIDATE(extent.dims == dims,
                    "'{}' of the shard '{}' has the shape {}, its header and index say {}; {}",
                    dataset, index_.path, fmt::join(extent.dims, " x "), fmt::join(dims, " x "),
                    kDamaged);
    if (!by_row) check_offsets(group + kModalityOffsets, column.offsets, extent.dims[0]);
    const auto& offsets = column.offsets;
    const bool graph = spec.kind == ModalityKind::kGraph;
    CUTTLE_VALIDATE((!graph && spec.kind != ModalityKind::kVideo) ||
                        std::adjacent_find(offsets.begin(), offsets.end()) == offsets.end(),
                    "'{}{}' of the shard '{}' has a {}; {}", group, kModalityOffsets, index_.path,
                    graph ? "graph without nodes" : "video without frames", kDamaged);
    column.file_offset = extent.offset;
    column.bytes = extent.bytes;
  }

  void check_sha256() const {
    Sha256 hash;
    hash.update(header_text_.data(), header_text_.size());
    for (const auto& [dataset, bytes] : hashed_) {
      hash.update(dataset.c_str(), dataset.size() + 1);  // with the 0 byte that ends it
      hash.update(bytes.data(), bytes.size());
    }
    const std::string found = hash.hex();
    CUTTLE_VALIDATE(
        found == index_.index_sha256,
        "the index of the shard '{}' does not match its checksum ({}... instead of {}...); {}",
        index_.path, found.substr(0, 12), index_.index_sha256.substr(0, 12), kDamaged);
  }

  void check_samples() const {
    const std::int64_t classes = index_.class_names.size(), groups = index_.group_names.size();
    for (std::size_t i = 0; i < index_.sample_class.size(); ++i) {
      const std::int32_t class_id = index_.sample_class[i], group_id = index_.sample_group[i];
      CUTTLE_VALIDATE(class_id >= -1 && class_id < classes,
                      "sample {} of the shard '{}' has class {} of {}; {}", i, index_.path,
                      class_id, classes, kDamaged);
      CUTTLE_VALIDATE(group_id >= 0 && group_id < groups,
                      "sample {} of the shard '{}' has group {} of {}; {}", i, index_.path,
                      group_id, groups, kDamaged);
      CUTTLE_VALIDATE(index_.sample_split[i] <= static_cast<std::uint8_t>(Split::kTest),
                      "sample {} of the shard '{}' has split {}, there are 0, 1 and 2; {}", i,
                      index_.path, index_.sample_split[i], kDamaged);
    }
  }

  void check_names(const NameTable& table, const char* what, bool unique) const {
    std::unordered_set<std::string> seen;
    for (std::int64_t i = 0; i < table.size(); ++i) {
      const std::string name = table.at(i);
      CUTTLE_VALIDATE(is_utf8(name), "the name of {} {} of the shard '{}' is not UTF-8; {}", what,
                      i, index_.path, kDamaged);
      if (!unique) continue;
      CUTTLE_VALIDATE(!name.empty(), "{} {} of the shard '{}' has no name; {}", what, i,
                      index_.path, kDamaged);
      CUTTLE_VALIDATE(seen.insert(name).second, "the {} '{}' is twice in the shard '{}'; {}", what,
                      name, index_.path, kDamaged);
    }
  }

  void check_targets() const {
    const std::vector<float>& targets = index_.targets;
    const auto bad = std::find_if_not(targets.begin(), targets.end(),
                                      [](float value) { return std::isfinite(value); });
    if (bad == targets.end()) return;
    const std::int64_t at = bad - targets.begin(),
                       width = static_cast<std::int64_t>(index_.header.targets.size());
    CUTTLE_VALIDATE(false,
                    "target '{}' of sample {} ('{}') of the shard '{}' is {} (its loss would be "
                    "no number); make the shard again with finite targets",
                    index_.header.targets[static_cast<std::size_t>(at % width)], at / width,
                    index_.sample_names.at(at / width), index_.path, *bad);
  }

  ShardFile file_;
  std::string header_text_;
  ShardIndex index_;
  std::vector<std::vector<std::uint8_t>> present_;
  Hashed hashed_;
};

}  // namespace

std::string NameTable::at(std::int64_t i) const {
  const auto at = static_cast<std::size_t>(i);
  return std::string(bytes.begin() + offsets[at], bytes.begin() + offsets[at + 1]);
}

ShardIndex read_shard_index(const std::string& path) {
  return IndexReader(path).read();
}

}  // namespace cuttle
