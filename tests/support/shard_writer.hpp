#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace cuttle {

/// A data set for tests: tiny, made up, the same for the same options, and learnable (what a class
/// looks, reads and sounds like is drawn once per class; samples add noise).
struct SyntheticOptions {
  std::array<std::int64_t, 3> classes = {8, 6, 6};  ///< in train, validation, test
  std::int64_t samples_per_class = 12;              ///< dealt to groups and shards in turn
  std::int64_t groups = 4;
  std::vector<std::string> modalities = {"image", "text", "audio", "series",
                                         "vector"};  ///< each is named as its kind; there are
                                                     ///< video and graph, too
  double missing_rate = 0.0;     ///< of each modality; a sample keeps at least one
  std::int64_t image_side = 12;  ///< pixels; one channel
  double noise = 0.3;            ///< of samples, where differences between classes are about 1
  std::int64_t targets = 0;      ///< width; value t is a sine of feature t of the sample's vector,
                                 ///< with amplitude and phase of its class; 0: none
  std::uint64_t seed = 1;
  int shards = 2;
};

/// Writes synthetic-00000-of-00002.h5 and so on into the folder; returns their paths.
std::vector<std::string> write_synthetic_shards(const std::string& folder,
                                                const SyntheticOptions& options);

// Below: for tests of damaged shards, which change a content before it is written.

enum class ElementType { kU8, kU32, kI16, kI32, kI64, kF32 };

struct ShardArray {
  ElementType type = ElementType::kU8;
  std::vector<std::uint64_t> dims;
  std::vector<std::uint8_t> bytes;
};

/// All of a shard file: root attributes and datasets by path.
struct ShardContent {
  std::string format = "cuttle-shard";
  std::int64_t version = 1;
  std::string header;  ///< JSON text
  std::map<std::string, ShardArray> arrays;
};

ShardContent synthetic_shard(const SyntheticOptions& options, int shard);

/// Writes the content as it is, with the checksum that belongs to it. `checksummed`: HDF5's own
/// metadata carries checksums (what the format asks for); false: the layout of HDF5 1.6, which has
/// none.
void write_shard(const std::string& path, const ShardContent& content, bool checksummed = true);

}  // namespace cuttle
