#include "cuttle/core/safetensors.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/hash.hpp"
#include "cuttle/core/json_guard.hpp"

namespace cuttle {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors data are little-endian");

constexpr std::size_t kLengthBytes = 8;            // the header's length, before the header
constexpr std::uint64_t kHeaderLimit = 16u << 20;  // 100,000 arrays need about 10 MB
constexpr std::uint64_t kFileLimit = std::uint64_t{64} << 30;
constexpr const char* kMetadata = "__metadata__";

struct Dtype {
  const char* name;
  std::uint64_t bytes;
};
constexpr std::array<Dtype, 14> kDtypes{{{"F64", 8},
                                         {"I64", 8},
                                         {"U64", 8},
                                         {"F32", 4},
                                         {"I32", 4},
                                         {"U32", 4},
                                         {"F16", 2},
                                         {"BF16", 2},
                                         {"I16", 2},
                                         {"U16", 2},
                                         {"F8_E4M3", 1},
                                         {"I8", 1},
                                         {"U8", 1},
                                         {"BOOL", 1}}};

std::uint64_t element_bytes(const std::string& dtype) {  // 0: unknown
  for (const auto& known : kDtypes) {
    if (dtype == known.name) return known.bytes;
  }
  return 0;
}

// Bytes of an array, or nothing if the dtype is unknown, an extent negative, or the product too
// large.
std::optional<std::uint64_t> byte_count(const std::string& dtype,
                                        const std::vector<std::int64_t>& shape) {
  std::uint64_t bytes = element_bytes(dtype);
  if (bytes == 0) return std::nullopt;
  for (const std::int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes)) {
      return std::nullopt;
    }
  }
  return bytes;
}

template <class T>
const char* dtype_of();
template <>
const char* dtype_of<float>() {
  return "F32";
}
template <>
const char* dtype_of<double>() {
  return "F64";
}
template <>
const char* dtype_of<std::int64_t>() {
  return "I64";
}
template <>
const char* dtype_of<std::uint8_t>() {
  return "U8";
}

/// An array's place in the data, as the header says it.
struct Place {
  NamedArray array;  // bytes still empty
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

std::uint64_t number(const nlohmann::json& value, const std::string& what) {
  CUTTLE_VALIDATE(value.is_number_unsigned(), "{} is not a whole number of 0 or more", what);
  return value.get<std::uint64_t>();
}

Place parse_place(const std::string& name, const nlohmann::json& entry, const std::string& source) {
  const std::string what = fmt::format("{}: array '{}'", source, name);
  CUTTLE_VALIDATE(entry.is_object() && entry.size() == 3 && entry.contains("dtype") &&
                      entry.contains("shape") && entry.contains("data_offsets"),
                  "{} needs dtype, shape and data_offsets and nothing else", what);
  CUTTLE_VALIDATE(entry["dtype"].is_string() && entry["shape"].is_array() &&
                      entry["data_offsets"].is_array() && entry["data_offsets"].size() == 2,
                  "{} has a dtype, shape or data_offsets of the wrong kind", what);
  Place place;
  place.array.name = name;
  place.array.dtype = entry["dtype"].get<std::string>();
  CUTTLE_VALIDATE(element_bytes(place.array.dtype) > 0, "{} has the unknown dtype '{}'", what,
                  place.array.dtype);
  for (const auto& extent : entry["shape"]) {
    place.array.shape.push_back(
        static_cast<std::int64_t>(number(extent, what + ": an extent of its shape")));
  }
  place.begin = number(entry["data_offsets"][0], what + ": its first offset");
  place.end = number(entry["data_offsets"][1], what + ": its last offset");
  const auto bytes = byte_count(place.array.dtype, place.array.shape);
  CUTTLE_VALIDATE(bytes && place.begin <= place.end && place.end - place.begin == *bytes,
                  "{} has offsets that do not fit its shape and dtype", what);
  return place;
}

void parse_metadata(const nlohmann::json& entry, const std::string& source, ArrayFile& file) {
  CUTTLE_VALIDATE(entry.is_object(), "{}: its {} is not an object", source, kMetadata);
  for (const auto& [key, value] : entry.items()) {
    CUTTLE_VALIDATE(value.is_string(), "{}: metadata '{}' is not a text", source, key);
    file.metadata[key] = value.get<std::string>();
  }
}

std::string_view header_of(std::string_view bytes, const std::string& source) {
  CUTTLE_VALIDATE(bytes.size() >= kLengthBytes, "{}: too short for a safetensors file ({} bytes)",
                  source, bytes.size());
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  CUTTLE_VALIDATE(length <= kHeaderLimit,
                  "{}: not a safetensors file (its first bytes are no length of a header); check "
                  "the path",
                  source);
  CUTTLE_VALIDATE(
      length <= bytes.size() - kLengthBytes,
      "{}: its header has {} bytes but the file ends after {} (it is truncated); copy it again",
      source, length, bytes.size() - kLengthBytes);
  const std::string_view header = bytes.substr(kLengthBytes, length);
  CUTTLE_VALIDATE(!header.empty() && header[0] == '{',
                  "{}: not a safetensors file (no header); check the path", source);
  return header;
}

}  // namespace

template <class T>
NamedArray pack_array(std::string name, std::vector<std::int64_t> shape, Span<const T> values) {
  NamedArray array{std::move(name), dtype_of<T>(), std::move(shape), {}};
  CUTTLE_EXPECT(byte_count(array.dtype, array.shape) == values.size() * sizeof(T));
  array.bytes.resize(values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(array.bytes.data(), values.data(), array.bytes.size());
  return array;
}

template <class T>
std::vector<T> unpack_array(const NamedArray& array) {
  CUTTLE_VALIDATE(array.dtype == dtype_of<T>(), "array '{}' has dtype {} where {} is needed",
                  array.name, array.dtype, dtype_of<T>());
  std::vector<T> values(array.bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), array.bytes.data(), values.size() * sizeof(T));
  return values;
}

template NamedArray pack_array(std::string, std::vector<std::int64_t>, Span<const float>);
template NamedArray pack_array(std::string, std::vector<std::int64_t>, Span<const double>);
template NamedArray pack_array(std::string, std::vector<std::int64_t>, Span<const std::int64_t>);
template NamedArray pack_array(std::string, std::vector<std::int64_t>, Span<const std::uint8_t>);
template std::vector<float> unpack_array(const NamedArray&);
template std::vector<double> unpack_array(const NamedArray&);
template std::vector<std::int64_t> unpack_array(const NamedArray&);
template std::vector<std::uint8_t> unpack_array(const NamedArray&);

std::string encode_safetensors(const std::vector<NamedArray>& arrays,
                               const std::map<std::string, std::string>& metadata) {
  std::vector<std::size_t> order(arrays.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return element_bytes(arrays[a].dtype) > element_bytes(arrays[b].dtype);
  });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[kMetadata] = metadata;
  std::set<std::string> names{kMetadata};
  std::uint64_t offset = 0;
  for (const std::size_t i : order) {
    const NamedArray& array = arrays[i];
    CUTTLE_REQUIRE(names.insert(array.name).second,
                   "array name '{}' is taken (names are unique in a file)", array.name);
    CUTTLE_REQUIRE(byte_count(array.dtype, array.shape) == array.bytes.size(),
                   "array '{}' has {} bytes, which do not fit its shape and dtype {}", array.name,
                   array.bytes.size(), array.dtype);
    const std::uint64_t end = offset + array.bytes.size();
    header[array.name] = {
        {"dtype", array.dtype}, {"shape", array.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception& problem) {
    throw Error(
        fmt::format("a name or metadata of a safetensors file is not UTF-8: {}", problem.what()));
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data begin aligned
  CUTTLE_REQUIRE(text.size() <= kHeaderLimit,
                 "the header of a safetensors file would take {} bytes (at most {} "
                 "can be read again)",
                 text.size(), kHeaderLimit);
  const std::uint64_t length = text.size();
  std::string result(kLengthBytes, '\0');
  std::memcpy(result.data(), &length, kLengthBytes);
  result.reserve(kLengthBytes + text.size() + offset);
  result += text;
  for (const std::size_t i : order) result.append(arrays[i].bytes.begin(), arrays[i].bytes.end());
  return result;
}

ArrayFile decode_safetensors(std::string_view bytes, const std::string& source) {
  const std::string_view header = header_of(bytes, source);
  const std::string_view data = bytes.substr(kLengthBytes + header.size());
  ArrayFile file;
  std::vector<Place> places;
  const nlohmann::json document = parse_json_object(header, 3, source);
  for (const auto& [name, entry] : document.items()) {
    if (name == kMetadata) {
      parse_metadata(entry, source, file);
    } else {
      places.push_back(parse_place(name, entry, source));
    }
  }
  std::stable_sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t expected =
      0;  // data without holes or overlaps: nothing is hidden, nothing is read twice
  for (const Place& place : places) {
    CUTTLE_VALIDATE(place.begin == expected,
                    "{}: array '{}' begins at {} instead of {} (data overlap or have a hole)",
                    source, place.array.name, place.begin, expected);
    expected = place.end;
  }
  CUTTLE_VALIDATE(expected == data.size(),
                  "{}: its header speaks of {} bytes of data but there are {} (it is "
                  "truncated or has something behind it); copy it again",
                  source, expected, data.size());
  for (Place& place : places) {
    place.array.bytes.assign(data.begin() + static_cast<std::ptrdiff_t>(place.begin),
                             data.begin() + static_cast<std::ptrdiff_t>(place.end));
    file.arrays.push_back(std::move(place.array));
  }
  return file;
}

ArrayFile read_safetensors(const std::string& path, std::string* digest) {
  const std::string bytes = read_file(path, kFileLimit);
  if (digest != nullptr) *digest = sha256(bytes);
  return decode_safetensors(bytes, path);
}

}  // namespace cuttle
