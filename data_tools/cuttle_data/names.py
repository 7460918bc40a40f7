"""Every name in a shard file, version 1 (FORMAT.md). src/data/shard_names.hpp holds the same
constants for C++: FORMAT_VALUE here is kFormatValue there. A test fails when the two differ."""

FORMAT_VALUE = "cuttle-shard"
FORMAT_VERSION = 1

# Attributes of the root group.
FORMAT_ATTRIBUTE = "format"
VERSION_ATTRIBUTE = "version"
HEADER_ATTRIBUTE = "header"
INDEX_SHA256_ATTRIBUTE = "index_sha256"

# Keys of the header, a JSON object.
DATASET_KEY = "dataset"
SOURCE_KEY = "source"
LICENSE_KEY = "license"
CREATED_BY_KEY = "created_by"
SEED_KEY = "seed"
SHARD_KEY = "shard"
SHARDS_KEY = "shards"
MODALITIES_KEY = "modalities"
TARGETS_KEY = "targets"
NAME_KEY = "name"
KIND_KEY = "kind"
SHAPE_KEY = "shape"
SAMPLE_RATE_KEY = "sample_rate"
MEAN_KEY = "mean"
STDDEV_KEY = "stddev"
COLUMNS_KEY = "columns"
MOST_FRAMES_KEY = "most_frames"
CATEGORIES_KEY = "categories"
HOLES_KEY = "holes"
DIRECTED_KEY = "directed"

# The end of the name of a channel of series that says the time since the first step.
ELAPSED_SUFFIX = ":elapsed"

# Datasets.
CLASS_NAMES = "/classes/names"
CLASS_OFFSETS = "/classes/offsets"
GROUP_NAMES = "/groups/names"
GROUP_OFFSETS = "/groups/offsets"
SAMPLE_CLASS = "/samples/class"
SAMPLE_GROUP = "/samples/group"
SAMPLE_SPLIT = "/samples/split"
SAMPLE_NAMES = "/samples/names"
SAMPLE_OFFSETS = "/samples/offsets"
SAMPLE_TARGETS = "/samples/targets"

# Datasets of one modality: MODALITY_GROUP + name + one of these.
MODALITY_GROUP = "/modalities/"
MODALITY_PRESENT = "/present"
MODALITY_CRC32 = "/crc32"
MODALITY_OFFSETS = "/offsets"
MODALITY_DATA = "/data"

# Kinds of modalities, and splits.
KIND_IMAGE = "image"
KIND_TEXT = "text"
KIND_AUDIO = "audio"
KIND_SERIES = "series"
KIND_VECTOR = "vector"
KIND_VIDEO = "video"
KIND_GRAPH = "graph"
SPLIT_TRAIN = "train"
SPLIT_VALIDATION = "validation"
SPLIT_TEST = "test"
