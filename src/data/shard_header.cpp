#include "shard_header.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "cuttle/core/error.hpp"
#include "shard_names.hpp"

namespace cuttle {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxNameBytes = 64;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 28;  // of one image, frame or vector
constexpr std::size_t kMaxTargets = 65536;

/// The header while it is checked; every complaint names the shard.
class Checker {
 public:
  explicit Checker(const std::string& path) : path_(path) {}

  template <class... Args>
  void require(bool ok, fmt::format_string<Args...> format, Args&&... args) const {
    CUTTLE_VALIDATE(ok, "the header of the shard '{}' {}; make the shard again", path_,
                    fmt::format(format, std::forward<Args>(args)...));
  }

  const Json& field(const Json& object, const char* key) const {
    require(object.is_object() && object.contains(key), "has no '{}'", key);
    return object[key];
  }
  std::string text(const Json& object, const char* key) const {
    const Json& value = field(object, key);
    require(value.is_string(), "has a '{}' that is not a text", key);
    return value.get<std::string>();
  }
  std::int64_t integer(const Json& object, const char* key, std::int64_t least) const {
    const Json& value = field(object, key);
    require(value.is_number_integer() && value.get<std::int64_t>() >= least,
            "has a '{}' that is not an integer of {} or more", key, least);
    return value.get<std::int64_t>();
  }
  std::vector<float> floats(const Json& object, const char* key) const {
    const Json& values = field(object, key);
    require(values.is_array(), "has a '{}' that is not a list", key);
    std::vector<float> out;
    for (const Json& value : values) {
      require(value.is_number(), "has a '{}' that is not a list of numbers", key);
      out.push_back(value.get<float>());
    }
    return out;
  }

 private:
  const std::string& path_;
};

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.size() <= kMaxNameBytes &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
             std::string::npos;
}

ModalityKind kind_from(const std::string& text, const std::string& name, const Checker& check) {
  for (const ModalityKind kind :
       {ModalityKind::kImage, ModalityKind::kText, ModalityKind::kAudio, ModalityKind::kSeries,
        ModalityKind::kVector, ModalityKind::kVideo, ModalityKind::kGraph}) {
    if (text == to_string(kind)) return kind;
  }
  check.require(false, "gives modality '{}' the unknown kind '{}'", name, text);
  return ModalityKind::kVector;
}

std::vector<std::int64_t> shape_from(const Json& values, const ModalitySpec& spec,
                                     const Checker& check) {
  const bool pixels = spec.kind == ModalityKind::kImage || spec.kind == ModalityKind::kVideo,
             bare = spec.kind == ModalityKind::kText || spec.kind == ModalityKind::kAudio;
  const std::size_t rank = pixels ? 3 : bare ? 0 : 1;
  check.require(values.is_array() && values.size() == rank,
                "needs a shape of {} numbers for modality '{}' of kind {}", rank, spec.name,
                to_string(spec.kind));
  // Lists in it are not shown: dump() recurses as deep as a hostile file nests them.
  const bool nested = std::any_of(values.begin(), values.end(),
                                  [](const Json& value) { return value.is_structured(); });
  const std::string shown = nested ? "[...]" : values.dump();
  std::vector<std::int64_t> shape;
  std::int64_t elements = 1;
  for (const Json& value : values) {
    const bool ok = value.is_number_integer() && value.get<std::int64_t>() >= 1 &&
                    value.get<std::int64_t>() <= kMaxElements / elements;
    check.require(ok, "gives modality '{}' the impossible shape {}", spec.name, shown);
    shape.push_back(value.get<std::int64_t>());
    elements *= shape.back();
  }
  return shape;
}

void check_statistics(const ModalitySpec& spec, const Checker& check) {
  check.require(spec.mean.size() == spec.stddev.size(),
                "has {} means but {} standard deviations for modality '{}'", spec.mean.size(),
                spec.stddev.size(), spec.name);
  const std::int64_t channels =
      spec.shape.empty() ? 0 : spec.shape.back();  // or features; text and audio: none
  const auto expected = static_cast<std::size_t>(channels);
  check.require(spec.mean.empty() || spec.mean.size() == expected,
                "has {} means for modality '{}', not {}", spec.mean.size(), spec.name, expected);
  for (std::size_t i = 0; i < spec.mean.size(); ++i) {
    check.require(
        std::isfinite(spec.mean[i]) && std::isfinite(spec.stddev[i]) && spec.stddev[i] > 0,
        "has the mean {} and standard deviation {} for modality '{}'", spec.mean[i], spec.stddev[i],
        spec.name);
  }
}

std::vector<std::string> texts_from(const Json& values, const ModalitySpec& spec,
                                    const Checker& check) {
  std::vector<std::string> texts;
  for (const Json& value : values) {
    check.require(value.is_string(), "has '{}' of modality '{}' that are not texts", kColumnsKey,
                  spec.name);
    texts.push_back(value.get<std::string>());
  }
  return texts;
}

/// One name for each feature or channel, or one for all; none: not made from a table. A column of
/// categories is its name with a list of these.
void read_columns(const Json& object, ModalitySpec& spec, const Checker& check) {
  if (!object.contains(kColumnsKey)) return;
  const Json& values = object[kColumnsKey];
  check.require(values.is_array(), "has '{}' of modality '{}' that are not a list", kColumnsKey,
                spec.name);
  const auto channels = static_cast<std::size_t>(spec.shape.empty() ? 1 : spec.shape.back());
  check.require(values.size() == 1 || values.size() == channels,
                "names {} '{}' of modality '{}', not 1 or {}", values.size(), kColumnsKey,
                spec.name, channels);
  bool any = false;
  Json names = Json::array();
  for (const Json& value : values) {
    const bool plain = !value.is_object();
    names.push_back(plain ? value : check.field(value, kNameKey));
    const Json& categories = plain ? Json::array() : check.field(value, kCategoriesKey);
    check.require(categories.is_array(), "has '{}' of modality '{}' that are not a list",
                  kCategoriesKey, spec.name);
    spec.categories.push_back(texts_from(categories, spec, check));
    any = any || !spec.categories.back().empty();
  }
  spec.columns = texts_from(names, spec, check);
  if (!any) spec.categories.clear();
  check.require(!any || (spec.kind == ModalityKind::kVector && values.size() == channels),
                "gives modality '{}' categories, which only columns of a vector have", spec.name);
}

/// Whether values may be NaN; those of categories always may.
bool holes_from(const Json& object, const ModalitySpec& spec, const Checker& check) {
  const bool numbers = spec.kind == ModalityKind::kVector || spec.kind == ModalityKind::kSeries;
  const Json holes = object.value(kHolesKey, Json(false));
  check.require(holes.is_boolean() && (numbers || !holes.get<bool>()),
                "says of modality '{}' that it has '{}': {}", spec.name, kHolesKey,
                holes.is_structured() ? "[...]" : holes.dump());
  return holes.get<bool>() || !spec.categories.empty();
}

bool directed_from(const Json& object, const ModalitySpec& spec, const Checker& check) {
  const Json directed = object.value(kDirectedKey, Json(false));
  check.require(
      directed.is_boolean() && (spec.kind == ModalityKind::kGraph || !directed.get<bool>()),
      "says of modality '{}' that it is '{}': {}", spec.name, kDirectedKey,
      directed.is_structured() ? "[...]" : directed.dump());
  return directed.get<bool>();
}

ModalitySpec modality_from(const Json& object, const Checker& check) {
  ModalitySpec spec;
  spec.name = check.text(object, kNameKey);
  check.require(is_plain_name(spec.name),
                "names a modality '{}' (1 to {} letters, digits, _ and - are allowed)", spec.name,
                kMaxNameBytes);
  spec.kind = kind_from(check.text(object, kKindKey), spec.name, check);
  spec.shape = shape_from(check.field(object, kShapeKey), spec, check);
  const Json& rate = check.field(object, kSampleRateKey);
  check.require(rate.is_number(), "has no number as the sample rate of modality '{}'", spec.name);
  spec.sample_rate = rate.get<double>();
  const bool audio = spec.kind == ModalityKind::kAudio;
  check.require(audio ? spec.sample_rate > 0 && spec.sample_rate <= 1e9 : spec.sample_rate == 0,
                "gives modality '{}' of kind {} the sample rate {}", spec.name,
                to_string(spec.kind), spec.sample_rate);
  spec.mean = check.floats(object, kMeanKey);
  spec.stddev = check.floats(object, kStddevKey);
  check_statistics(spec, check);
  read_columns(object, spec, check);
  spec.holes = holes_from(object, spec, check);
  spec.directed = directed_from(object, spec, check);
  if (object.contains(kMostFramesKey)) spec.most_frames = check.integer(object, kMostFramesKey, 1);
  check.require(spec.most_frames == 0 || spec.kind == ModalityKind::kVideo,
                "gives modality '{}' of kind {} a number of frames", spec.name,
                to_string(spec.kind));
  return spec;
}

std::vector<std::string> target_names(const Json& json, const Checker& check) {
  if (!json.contains(kTargetsKey)) return {};
  const Json& values = json[kTargetsKey];
  check.require(values.is_array() && !values.empty() && values.size() <= kMaxTargets,
                "does not list 1 to {} '{}' (without targets it has no such key)", kMaxTargets,
                kTargetsKey);
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (const Json& value : values) {
    check.require(value.is_string(), "has '{}' that are not texts", kTargetsKey);
    names.push_back(value.get<std::string>());
    check.require(!names.back().empty() && names.back().size() <= kMaxNameBytes,
                  "names a target with {} bytes (1 to {} are allowed)", names.back().size(),
                  kMaxNameBytes);
    check.require(seen.insert(names.back()).second, "names target '{}' twice", names.back());
  }
  return names;
}

}  // namespace

ShardHeader parse_shard_header(const std::string& text, const std::string& path) {
  const Checker check(path);
  const Json json = Json::parse(text, nullptr, false);
  check.require(json.is_object(), "is not a JSON object");
  ShardHeader header;
  header.dataset = check.text(json, kDatasetKey);
  for (const char* key : {kSourceKey, kLicenseKey, kCreatedByKey}) check.text(json, key);
  check.integer(json, kSeedKey, 0);
  header.shards = check.integer(json, kShardsKey, 1);
  header.shard = check.integer(json, kShardKey, 0);
  check.require(header.shard < header.shards, "says that it is shard {} of {}", header.shard,
                header.shards);
  const Json& modalities = check.field(json, kModalitiesKey);
  check.require(
      modalities.is_array() && !modalities.empty() && modalities.size() <= kMostModalities,
      "does not list 1 to {} modalities", kMostModalities);
  std::set<std::string> names;
  for (const Json& object : modalities) {
    header.modalities.push_back(modality_from(object, check));
    const std::string& name = header.modalities.back().name;
    check.require(names.insert(name).second, "names modality '{}' twice", name);
  }
  header.targets = target_names(json, check);
  return header;
}

}  // namespace cuttle
