#pragma once

#include <cstdint>

namespace cuttle {

// Every name in a shard file, version 1 (data_tools/FORMAT.md). data_tools/cuttle_data/names.py
// holds the same constants for the writers: kFormatValue here is FORMAT_VALUE there. A test fails
// when the two differ.
inline constexpr const char* kFormatValue = "cuttle-shard";
inline constexpr std::int64_t kFormatVersion = 1;

// Attributes of the root group.
inline constexpr const char* kFormatAttribute = "format";
inline constexpr const char* kVersionAttribute = "version";
inline constexpr const char* kHeaderAttribute = "header";
inline constexpr const char* kIndexSha256Attribute = "index_sha256";

// Keys of the header, a JSON object.
inline constexpr const char* kDatasetKey = "dataset";
inline constexpr const char* kSourceKey = "source";
inline constexpr const char* kLicenseKey = "license";
inline constexpr const char* kCreatedByKey = "created_by";
inline constexpr const char* kSeedKey = "seed";
inline constexpr const char* kShardKey = "shard";
inline constexpr const char* kShardsKey = "shards";
inline constexpr const char* kModalitiesKey = "modalities";
inline constexpr const char* kTargetsKey = "targets";
inline constexpr const char* kNameKey = "name";
inline constexpr const char* kKindKey = "kind";
inline constexpr const char* kShapeKey = "shape";
inline constexpr const char* kSampleRateKey = "sample_rate";
inline constexpr const char* kMeanKey = "mean";
inline constexpr const char* kStddevKey = "stddev";
inline constexpr const char* kColumnsKey = "columns";
inline constexpr const char* kMostFramesKey = "most_frames";
inline constexpr const char* kCategoriesKey = "categories";
inline constexpr const char* kHolesKey = "holes";
inline constexpr const char* kDirectedKey = "directed";

// The end of the name of a channel of series that says the time since the first step.
inline constexpr const char* kElapsedSuffix = ":elapsed";

// Datasets.
inline constexpr const char* kClassNames = "/classes/names";
inline constexpr const char* kClassOffsets = "/classes/offsets";
inline constexpr const char* kGroupNames = "/groups/names";
inline constexpr const char* kGroupOffsets = "/groups/offsets";
inline constexpr const char* kSampleClass = "/samples/class";
inline constexpr const char* kSampleGroup = "/samples/group";
inline constexpr const char* kSampleSplit = "/samples/split";
inline constexpr const char* kSampleNames = "/samples/names";
inline constexpr const char* kSampleOffsets = "/samples/offsets";
inline constexpr const char* kSampleTargets = "/samples/targets";

// Datasets of one modality: kModalityGroup + name + one of these.
inline constexpr const char* kModalityGroup = "/modalities/";
inline constexpr const char* kModalityPresent = "/present";
inline constexpr const char* kModalityCrc32 = "/crc32";
inline constexpr const char* kModalityOffsets = "/offsets";
inline constexpr const char* kModalityData = "/data";

// Kinds of modalities, and splits (their position is their number).
inline constexpr const char* kKindImage = "image";
inline constexpr const char* kKindText = "text";
inline constexpr const char* kKindAudio = "audio";
inline constexpr const char* kKindSeries = "series";
inline constexpr const char* kKindVector = "vector";
inline constexpr const char* kKindVideo = "video";
inline constexpr const char* kKindGraph = "graph";
inline constexpr const char* kSplitTrain = "train";
inline constexpr const char* kSplitValidation = "validation";
inline constexpr const char* kSplitTest = "test";

}  // namespace cuttle
