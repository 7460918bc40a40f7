#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/random.hpp"
#include "support/shard_writer.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kSampleRate = 8000, kFeatures = 8, kChannels = 2, kSteps = 16,
                       kSounds = 1600;
constexpr double kTurn = 6.283185307179586;

template <class T>
void append(std::vector<std::uint8_t>& to, const T& value) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
  to.insert(to.end(), bytes, bytes + sizeof(T));
}

template <class T>
T limited(double value, double least, double most) {
  return static_cast<T>(std::lround(std::min(most, std::max(least, value))));
}

/// One sample to be.
struct Sample {
  std::int64_t class_id, number;  ///< number within the class
  Random looks;                   ///< the same for all samples of a class
  Random noise;
};

std::vector<std::uint8_t> image_of(Sample sample, const SyntheticOptions& options) {
  const std::int64_t side = options.image_side;
  std::array<double, 16> blocks;
  for (double& block : blocks) block = sample.looks.normal();
  std::vector<std::uint8_t> pixels;
  for (std::int64_t i = 0; i < side * side; ++i) {
    const std::int64_t block = (i / side) * 4 / side * 4 + (i % side) * 4 / side;
    pixels.push_back(limited<std::uint8_t>(
        127 + 50 * (blocks[block] + options.noise * sample.noise.normal()), 0, 255));
  }
  return pixels;
}

std::vector<std::uint8_t> video_of(Sample sample, const SyntheticOptions& options) {
  std::vector<std::uint8_t> frames;
  for (auto more = 1 + sample.noise.below(4); more > 0; --more) {
    const auto frame = image_of(sample, options);
    frames.insert(frames.end(), frame.begin(), frame.end());
    sample.noise.bits();
  }
  return frames;
}

std::vector<std::uint8_t> text_of(Sample sample, const SyntheticOptions&) {
  std::string text;
  for (int i = 0; i < 6; ++i) text += static_cast<char>('a' + sample.looks.below(26));
  text += " é";
  for (auto more = sample.noise.below(4); more > 0; --more)
    text += static_cast<char>('a' + sample.noise.below(26));
  return {text.begin(), text.end()};
}

std::vector<std::uint8_t> audio_of(Sample sample, const SyntheticOptions& options) {
  const double pitch = 200 + 3000 * sample.looks.uniform(), phase = sample.noise.uniform();
  const auto length = kSounds + static_cast<std::int64_t>(sample.noise.below(200));
  std::vector<std::uint8_t> bytes;
  for (std::int64_t i = 0; i < length; ++i) {
    const double wave = std::sin(kTurn * (phase + pitch * static_cast<double>(i) / kSampleRate));
    append(bytes, limited<std::int16_t>(6000 * (wave + options.noise * sample.noise.normal()),
                                        -32768, 32767));
  }
  return bytes;
}

std::vector<std::uint8_t> series_of(Sample sample, const SyntheticOptions& options) {
  std::array<double, kChannels> rate, size;
  for (double& value : rate) value = 0.5 + 2.5 * sample.looks.uniform();
  for (double& value : size) value = 0.5 + sample.looks.uniform();
  const auto length = kSteps + static_cast<std::int64_t>(sample.noise.below(5));
  std::vector<std::uint8_t> bytes;
  for (std::int64_t t = 0; t < length; ++t) {
    for (std::int64_t c = 0; c < kChannels; ++c) {
      const double wave = size[c] * std::sin(kTurn * rate[c] * static_cast<double>(t) / kSteps);
      append(bytes, static_cast<float>(wave + options.noise * sample.noise.normal()));
    }
  }
  return bytes;
}

std::vector<std::uint8_t> vector_of(Sample sample, const SyntheticOptions& options) {
  std::vector<std::uint8_t> bytes;
  for (std::int64_t i = 0; i < kFeatures; ++i) {
    append(bytes,
           static_cast<float>(sample.looks.normal() + options.noise * sample.noise.normal()));
  }
  return bytes;
}

/// Two features of a node; a ring whose chords are the class's, and some of chance.
std::vector<std::uint8_t> graph_of(Sample sample, const SyntheticOptions& options) {
  const auto nodes = static_cast<std::int32_t>(4 + sample.noise.below(5));
  const auto chord = static_cast<std::int32_t>(2 + sample.looks.below(5));
  std::array<double, kChannels> means;
  for (double& mean : means) mean = sample.looks.normal();
  std::vector<std::uint8_t> bytes;
  append(bytes, nodes);
  for (std::int64_t i = 0; i < nodes * kChannels; ++i)
    append(bytes, static_cast<float>(means[static_cast<std::size_t>(i % kChannels)] +
                                     options.noise * sample.noise.normal()));
  for (std::int32_t a = 0; a < nodes; ++a)
    for (std::int32_t b = a + 1; b < nodes; ++b)
      if (b == a + 1 || b == a + chord || sample.noise.uniform() < 0.1) {
        append(bytes, a);
        append(bytes, b);
      }
  return bytes;
}

std::vector<std::uint8_t> targets_of(Sample sample, const SyntheticOptions& options) {
  const std::vector<std::uint8_t> bytes = vector_of(sample, options);
  const double amplitude = 0.5 + sample.looks.uniform(), phase = kTurn * sample.looks.uniform();
  std::vector<std::uint8_t> targets;
  for (std::int64_t t = 0; t < options.targets; ++t) {
    float feature = 0;
    std::memcpy(&feature, bytes.data() + t % kFeatures * sizeof(float), sizeof(float));
    append(targets, static_cast<float>(amplitude * std::sin(feature - phase)));
  }
  return targets;
}

/// How one kind is declared and made.
struct Kind {
  const char* name;
  std::string header;  ///< after name and kind
  ElementType type;
  std::vector<std::uint64_t> dims;  ///< after the first
  std::uint64_t element_bytes;      ///< of what the first dimension counts
  bool variable;
  std::vector<std::uint8_t> (*make)(Sample, const SyntheticOptions&);
};

Kind kind_of(const std::string& name, const SyntheticOptions& options) {
  const auto side = static_cast<std::uint64_t>(options.image_side);
  const std::string none = R"("sample_rate": 0, "mean": [], "stddev": [])";
  const std::vector<Kind> kinds = {
      {"image",
       fmt::format(R"("shape": [{0}, {0}, 1], "sample_rate": 0, "mean": [0.5], "stddev": [0.25])",
                   side),
       ElementType::kU8,
       {side, side, 1},
       side * side,
       false,
       image_of},
      {"text", R"("shape": [], )" + none, ElementType::kU8, {}, 1, true, text_of},
      {"audio",
       fmt::format(R"("shape": [], "sample_rate": {}, "mean": [], "stddev": [])", kSampleRate),
       ElementType::kI16,
       {},
       2,
       true,
       audio_of},
      {"series",
       fmt::format(R"("shape": [{}], {})", kChannels, none),
       ElementType::kF32,
       {kChannels},
       4 * kChannels,
       true,
       series_of},
      {"vector",
       fmt::format(R"("shape": [{}], {})", kFeatures, none),
       ElementType::kF32,
       {kFeatures},
       4 * kFeatures,
       false,
       vector_of},
      {"video",
       fmt::format(R"("shape": [{0}, {0}, 1], "most_frames": 4, {1})", side, none),
       ElementType::kU8,
       {side, side, 1},
       side * side,
       true,
       video_of},
      {"graph",
       fmt::format(R"("shape": [{}], {})", kChannels, none),
       ElementType::kU8,
       {},
       1,
       true,
       graph_of}};
  for (const Kind& kind : kinds) {
    if (name == kind.name) return kind;
  }
  throw Error("no synthetic modality is called " + name);
}

template <class T>
ShardArray array_of(ElementType type, const std::vector<T>& values) {
  ShardArray array{type, {values.size()}, {}};
  for (const T& value : values) append(array.bytes, value);
  return array;
}

void add_names(const std::string& names_path, const std::string& offsets_path,
               const std::vector<std::string>& names, ShardContent& content) {
  std::vector<std::uint8_t> bytes;
  std::vector<std::int64_t> offsets = {0};
  for (const std::string& name : names) {
    bytes.insert(bytes.end(), name.begin(), name.end());
    offsets.push_back(static_cast<std::int64_t>(bytes.size()));
  }
  content.arrays[names_path] = array_of(ElementType::kU8, bytes);
  content.arrays[offsets_path] = array_of(ElementType::kI64, offsets);
}

// The same draws for every modality of a sample: which ones it lacks, never all.
bool is_present(const Sample& sample, std::size_t m, const SyntheticOptions& options) {
  Random random = sample.noise;
  const std::size_t kept = random.below(options.modalities.size());
  for (std::size_t i = 0; i < m; ++i) random.uniform();
  return random.uniform() >= options.missing_rate || m == kept;
}

void add_modality(std::size_t m, const std::vector<Sample>& samples,
                  const SyntheticOptions& options, ShardContent& content) {
  const Kind kind = kind_of(options.modalities[m], options);
  std::vector<std::uint8_t> present;
  std::vector<std::uint32_t> checksums;
  std::vector<std::int64_t> offsets = {0};
  ShardArray data{kind.type, kind.dims, {}};
  for (const Sample& sample : samples) {
    present.push_back(is_present(sample, m, options));
    if (!present.back()) continue;
    const std::vector<std::uint8_t> bytes = kind.make(sample, options);
    checksums.push_back(static_cast<std::uint32_t>(::crc32_z(0, bytes.data(), bytes.size())));
    data.bytes.insert(data.bytes.end(), bytes.begin(), bytes.end());
    offsets.push_back(static_cast<std::int64_t>(data.bytes.size() / kind.element_bytes));
  }
  data.dims.insert(data.dims.begin(), data.bytes.size() / kind.element_bytes);
  const std::string group = "/modalities/" + options.modalities[m];
  content.arrays[group + "/present"] = array_of(ElementType::kU8, present);
  content.arrays[group + "/crc32"] = array_of(ElementType::kU32, checksums);
  if (kind.variable) content.arrays[group + "/offsets"] = array_of(ElementType::kI64, offsets);
  content.arrays[group + "/data"] = std::move(data);
}

void add_targets(const std::vector<Sample>& samples, const SyntheticOptions& options,
                 ShardContent& content) {
  if (options.targets == 0) return;
  ShardArray array{
      ElementType::kF32, {samples.size(), static_cast<std::uint64_t>(options.targets)}, {}};
  for (const Sample& sample : samples) {
    const std::vector<std::uint8_t> row = targets_of(sample, options);
    array.bytes.insert(array.bytes.end(), row.begin(), row.end());
  }
  content.arrays["/samples/targets"] = std::move(array);
}

std::string header_of(const SyntheticOptions& options, int shard) {
  std::string modalities;
  for (const std::string& name : options.modalities) {
    modalities +=
        fmt::format(R"({}{{"name": "{}", "kind": "{}", {}}})", modalities.empty() ? "" : ", ", name,
                    name, kind_of(name, options).header);
  }
  std::string targets;
  for (std::int64_t t = 0; t < options.targets; ++t)
    targets += fmt::format(R"({}"y{}")", t > 0 ? ", " : "", t);
  if (options.targets > 0) targets = fmt::format(R"(, "targets": [{}])", targets);
  return fmt::format(
      R"({{"dataset": "synthetic", "source": "made up", "license": "none", "created_by": "tests", )"
      R"("seed": {}, "shard": {}, "shards": {}, "modalities": [{}]{}}})",
      options.seed, shard, options.shards, modalities, targets);
}

}  // namespace

ShardContent synthetic_shard(const SyntheticOptions& options, int shard) {
  ShardContent content;
  content.header = header_of(options, shard);
  std::vector<std::string> classes, groups, names;
  std::vector<std::int32_t> sample_class, sample_group;
  std::vector<std::uint8_t> sample_split;
  std::vector<Sample> samples;
  for (std::int64_t g = 0; g < options.groups; ++g) groups.push_back(fmt::format("group_{}", g));
  for (std::size_t split = 0; split < options.classes.size(); ++split) {
    for (std::int64_t c = 0; c < options.classes[split]; ++c) {
      const auto class_id = static_cast<std::int64_t>(classes.size());
      classes.push_back(fmt::format("class_{:03}", class_id));
      for (std::int64_t i = shard; i < options.samples_per_class; i += options.shards) {
        const auto slot = static_cast<std::uint32_t>(i);
        const RandomKey key{options.seed, Stream::kTesting, static_cast<std::uint64_t>(class_id)};
        const RandomKey own{options.seed, Stream::kTesting, static_cast<std::uint64_t>(class_id),
                            slot};
        samples.push_back({class_id, i, Random(key), Random(own.with(Stream::kTesting, 1))});
        names.push_back(fmt::format("{}/{}", classes.back(), i));
        sample_class.push_back(static_cast<std::int32_t>(class_id));
        sample_group.push_back(static_cast<std::int32_t>(i % options.groups));
        sample_split.push_back(static_cast<std::uint8_t>(split));
      }
    }
  }
  add_names("/classes/names", "/classes/offsets", classes, content);
  add_names("/groups/names", "/groups/offsets", groups, content);
  add_names("/samples/names", "/samples/offsets", names, content);
  content.arrays["/samples/class"] = array_of(ElementType::kI32, sample_class);
  content.arrays["/samples/group"] = array_of(ElementType::kI32, sample_group);
  content.arrays["/samples/split"] = array_of(ElementType::kU8, sample_split);
  add_targets(samples, options, content);
  for (std::size_t m = 0; m < options.modalities.size(); ++m)
    add_modality(m, samples, options, content);
  return content;
}

std::vector<std::string> write_synthetic_shards(const std::string& folder,
                                                const SyntheticOptions& options) {
  std::vector<std::string> paths;
  for (int shard = 0; shard < options.shards; ++shard) {
    paths.push_back(fmt::format("{}/synthetic-{:05}-of-{:05}.h5", folder, shard, options.shards));
    write_shard(paths.back(), synthetic_shard(options, shard));
  }
  return paths;
}

}  // namespace cuttle
