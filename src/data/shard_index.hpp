#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuttle/data/sample.hpp"
#include "shard_header.hpp"

namespace cuttle {

/// Names one after the other; name i is bytes offsets[i] .. offsets[i + 1].
struct NameTable {
  std::vector<std::uint8_t> bytes;
  std::vector<std::int64_t> offsets;

  std::int64_t size() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::string at(std::int64_t i) const;
};

/// One modality of a shard: where the data of each sample lies, and its checksum.
struct ModalityColumn {
  std::vector<std::int32_t> rows;    ///< n; the sample's row, -1 where the modality is missing
  std::vector<std::uint32_t> crc32;  ///< per row
  std::vector<std::int64_t>
      offsets;                     ///< rows + 1, in elements; empty for kinds with rows of one size
  std::int64_t element_bytes = 1;  ///< bytes of what the offsets count, or of a whole row
  std::uint64_t file_offset = 0;   ///< of the first row in the file
  std::uint64_t bytes = 0;         ///< of all rows

  std::int64_t row_begin(std::int32_t row) const {
    return element_bytes * (offsets.empty() ? row : offsets[row]);
  }
  std::int64_t row_end(std::int32_t row) const { return row_begin(row + 1); }
};

/// All of a shard but its data.
struct ShardIndex {
  std::string path;
  ShardHeader header;
  std::string index_sha256;
  NameTable class_names, group_names, sample_names;
  std::vector<std::int32_t> sample_class, sample_group;
  std::vector<std::uint8_t> sample_split;
  std::vector<float> targets;           ///< rows as wide as header.targets
  std::vector<ModalityColumn> columns;  ///< as header.modalities

  std::int64_t samples() const { return static_cast<std::int64_t>(sample_class.size()); }
};

/// Reads the index of a shard and checks it against FORMAT.md. UserError naming the shard and what
/// is wrong with it; no size is believed before it was held against the file's.
ShardIndex read_shard_index(const std::string& path);

}  // namespace cuttle
