#include "shard_file.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "cuttle/core/error.hpp"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "shards are read as they lie in the file: cuttle needs a little-endian machine"
#endif

namespace cuttle {
namespace {

constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
// Of an attribute; of a dataset that is held in memory.
constexpr std::uint64_t kMaxTextBytes = std::uint64_t{1} << 24;
constexpr std::uint64_t kMaxIndexBytes = std::uint64_t{1} << 31;
constexpr const char* kAgain = "make the shard again or copy it anew";

hid_t open_hdf5(const RawFile& raw) {
  CUTTLE_VALIDATE(raw.size() > 0, "the shard '{}' is empty (0 bytes); {}", raw.path(), kAgain);
  std::string signature(std::min<std::uint64_t>(kSignature.size(), raw.size()), '\0');
  raw.read_at(0, signature.data(), signature.size());
  CUTTLE_VALIDATE(
      signature == kSignature,
      "'{}' is not an HDF5 file (a shard is one); name shards, or make them with data_tools",
      raw.path());
  const Hdf5Properties access(H5Pcreate(H5P_FILE_ACCESS));
#if H5_VERSION_GE(1, 10, 7) && !(H5_VERS_MAJOR == 1 && H5_VERS_MINOR == 12 && H5_VERS_RELEASE == 0)
  H5Pset_file_locking(access, false, true);
#else
  ::setenv("HDF5_USE_FILE_LOCKING", "FALSE", 1);
#endif
  return CUTTLE_HDF5(H5Fopen(raw.path().c_str(), H5F_ACC_RDONLY, access), raw.path(),
                     "read the table of contents");
}

}  // namespace

ShardFile::ShardFile(const std::string& path) : raw_(path), quiet_(), file_(open_hdf5(raw_)) {}

std::string ShardFile::text_attribute(const char* name) const {
  const std::string doing = fmt::format("read the attribute '{}'", name);
  const bool there = CUTTLE_HDF5(H5Aexists(file_, name), path(), doing) > 0;
  CUTTLE_VALIDATE(
      there, "'{}' has no attribute '{}' (it is not a cuttle shard); make shards with data_tools",
      path(), name);
  const Hdf5Attribute attribute(CUTTLE_HDF5(H5Aopen(file_, name, H5P_DEFAULT), path(), doing));
  const Hdf5Type type(CUTTLE_HDF5(H5Aget_type(attribute), path(), doing));
  const Hdf5Space space(CUTTLE_HDF5(H5Aget_space(attribute), path(), doing));
  const bool fixed = H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
                     H5Sget_simple_extent_type(space) == H5S_SCALAR;
  CUTTLE_VALIDATE(fixed, "attribute '{}' of the shard '{}' is not one fixed-length string; {}",
                  name, path(), kAgain);
  const std::uint64_t bytes = H5Tget_size(type);
  CUTTLE_VALIDATE(bytes <= kMaxTextBytes && bytes <= raw_.size(),
                  "attribute '{}' of the shard '{}' claims {} bytes (the file has {}); {}", name,
                  path(), bytes, raw_.size(), kAgain);
  std::string text(bytes, '\0');
  CUTTLE_HDF5(H5Aread(attribute, type, text.data()), path(), doing);
  text.resize(text.find_last_not_of('\0') + 1);
  return text;
}

std::int64_t ShardFile::integer_attribute(const char* name) const {
  const std::string doing = fmt::format("read the attribute '{}'", name);
  const bool there = CUTTLE_HDF5(H5Aexists(file_, name), path(), doing) > 0;
  CUTTLE_VALIDATE(there, "the shard '{}' has no attribute '{}'; {}", path(), name, kAgain);
  const Hdf5Attribute attribute(CUTTLE_HDF5(H5Aopen(file_, name, H5P_DEFAULT), path(), doing));
  const Hdf5Type type(CUTTLE_HDF5(H5Aget_type(attribute), path(), doing));
  const Hdf5Space space(CUTTLE_HDF5(H5Aget_space(attribute), path(), doing));
  CUTTLE_VALIDATE(
      H5Tequal(type, H5T_STD_I64LE) > 0 && H5Sget_simple_extent_type(space) == H5S_SCALAR,
      "attribute '{}' of the shard '{}' is not one int64; {}", name, path(), kAgain);
  std::int64_t value = 0;
  CUTTLE_HDF5(H5Aread(attribute, H5T_NATIVE_INT64, &value), path(), doing);
  return value;
}

// Links to elsewhere would let a shard name other files of the reader's machine.
void ShardFile::check_links(const std::string& dataset) const {
  for (std::size_t end = dataset.find('/', 1);; end = dataset.find('/', end + 1)) {
    const std::string step = dataset.substr(0, end);
    const std::string doing = fmt::format("find '{}'", step);
    const bool there = CUTTLE_HDF5(H5Lexists(file_, step.c_str(), H5P_DEFAULT), path(), doing) > 0;
    CUTTLE_VALIDATE(there, "the shard '{}' has no '{}'; {}", path(), dataset, kAgain);
    H5L_info_t link;
    CUTTLE_HDF5(H5Lget_info(file_, step.c_str(), &link, H5P_DEFAULT), path(), doing);
    CUTTLE_VALIDATE(link.type == H5L_TYPE_HARD,
                    "'{}' of the shard '{}' is a link to somewhere else (shards hold their data "
                    "themselves); {}",
                    step, path(), kAgain);
    if (end == std::string::npos) return;
  }
}

std::vector<std::int64_t> ShardFile::dims_of(hid_t id, const std::string& dataset,
                                             std::size_t rank) const {
  const std::string doing = fmt::format("read the shape of '{}'", dataset);
  const Hdf5Space space(CUTTLE_HDF5(H5Dget_space(id), path(), doing));
  const int found = CUTTLE_HDF5(H5Sget_simple_extent_ndims(space), path(), doing);
  CUTTLE_VALIDATE(static_cast<std::size_t>(found) == rank,
                  "'{}' of the shard '{}' has {} dimensions, not {}; {}", dataset, path(), found,
                  rank, kAgain);
  std::vector<hsize_t> dims(rank);
  CUTTLE_HDF5(H5Sget_simple_extent_dims(space, dims.data(), nullptr), path(), doing);
  std::vector<std::int64_t> signed_dims;
  for (const hsize_t dim : dims) {
    CUTTLE_VALIDATE(dim <= std::uint64_t{std::numeric_limits<std::int64_t>::max()},
                    "'{}' of the shard '{}' claims a dimension of {}; {}", dataset, path(), dim,
                    kAgain);
    signed_dims.push_back(static_cast<std::int64_t>(dim));
  }
  return signed_dims;
}

Extent ShardFile::find(const std::string& dataset, hid_t type, std::size_t rank) const {
  check_links(dataset);
  const std::string doing = fmt::format("read '{}'", dataset);
  const Hdf5Dataset found(
      CUTTLE_HDF5(H5Dopen2(file_, dataset.c_str(), H5P_DEFAULT), path(), doing));
  const Hdf5Type found_type(CUTTLE_HDF5(H5Dget_type(found), path(), doing));
  CUTTLE_VALIDATE(H5Tequal(found_type, type) > 0,
                  "'{}' of the shard '{}' has another type than the format says; {}", dataset,
                  path(), kAgain);
  Extent extent;
  extent.dims = dims_of(found, dataset, rank);
  extent.bytes = H5Tget_size(type);
  bool fits = true;
  for (const std::int64_t dim : extent.dims) {
    fits = fits &&
           !__builtin_mul_overflow(extent.bytes, static_cast<std::uint64_t>(dim), &extent.bytes);
  }
  if (fits && extent.bytes == 0) return extent;
  // Anything but one contiguous piece in this very file (chunks, compact, external, not yet
  // written) has no offset.
  const haddr_t offset = H5Dget_offset(found);
  fits = fits && offset != HADDR_UNDEF && offset <= raw_.size() &&
         extent.bytes <= raw_.size() - offset;
  CUTTLE_VALIDATE(fits,
                  "'{}' of the shard '{}' claims {} elements, which do not lie in the file in one "
                  "piece (it has {} bytes); {}",
                  dataset, path(), fmt::join(extent.dims, " x "), raw_.size(), kAgain);
  extent.offset = offset;
  return extent;
}

namespace {

template <class T>
hid_t file_type();
template <>
hid_t file_type<std::uint8_t>() {
  return H5T_STD_U8LE;
}
template <>
hid_t file_type<std::uint32_t>() {
  return H5T_STD_U32LE;
}
template <>
hid_t file_type<std::int32_t>() {
  return H5T_STD_I32LE;
}
template <>
hid_t file_type<std::int64_t>() {
  return H5T_STD_I64LE;
}
template <>
hid_t file_type<float>() {
  return H5T_IEEE_F32LE;
}

}  // namespace

template <class T>
std::vector<T> ShardFile::read(const std::string& dataset, std::int64_t length,
                               std::int64_t width) const {
  const Extent extent = find(dataset, file_type<T>(), width > 0 ? 2 : 1);
  CUTTLE_VALIDATE(length < 0 || extent.dims[0] == length,
                  "'{}' of the shard '{}' has {} elements, not {}; {}", dataset, path(),
                  extent.dims[0], length, kAgain);
  CUTTLE_VALIDATE(width == 0 || extent.dims[1] == width,
                  "'{}' of the shard '{}' has rows of {} values, not {}; {}", dataset, path(),
                  extent.dims.back(), width, kAgain);
  CUTTLE_VALIDATE(extent.bytes <= kMaxIndexBytes,
                  "'{}' of the shard '{}' has {} bytes (the index of a shard is held in memory, at "
                  "most {} bytes each); make more, smaller shards",
                  dataset, path(), extent.bytes, kMaxIndexBytes);
  std::vector<T> values(static_cast<std::size_t>(extent.bytes / sizeof(T)));
  raw_.read_at(extent.offset, values.data(), extent.bytes);
  return values;
}

template std::vector<std::uint8_t> ShardFile::read(const std::string&, std::int64_t,
                                                   std::int64_t) const;
template std::vector<std::uint32_t> ShardFile::read(const std::string&, std::int64_t,
                                                    std::int64_t) const;
template std::vector<std::int32_t> ShardFile::read(const std::string&, std::int64_t,
                                                   std::int64_t) const;
template std::vector<std::int64_t> ShardFile::read(const std::string&, std::int64_t,
                                                   std::int64_t) const;
template std::vector<float> ShardFile::read(const std::string&, std::int64_t, std::int64_t) const;

}  // namespace cuttle
