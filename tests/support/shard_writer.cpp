#include "support/shard_writer.hpp"

#include <hdf5.h>

#include <cstring>

#include "cuttle/core/error.hpp"
#include "cuttle/core/hash.hpp"

namespace cuttle {
namespace {

hid_t type_of(ElementType type) {
  switch (type) {
    case ElementType::kU8:
      return H5T_STD_U8LE;
    case ElementType::kU32:
      return H5T_STD_U32LE;
    case ElementType::kI16:
      return H5T_STD_I16LE;
    case ElementType::kI32:
      return H5T_STD_I32LE;
    case ElementType::kI64:
      return H5T_STD_I64LE;
    case ElementType::kF32:
      return H5T_IEEE_F32LE;
  }
  return -1;
}

hid_t checked(hid_t result) {
  CUTTLE_REQUIRE(result >= 0, "HDF5 failed while a test wrote a shard");
  return result;
}

void write_text(hid_t file, const char* name, const std::string& text) {
  const hid_t type = checked(H5Tcopy(H5T_C_S1)), space = checked(H5Screate(H5S_SCALAR));
  checked(H5Tset_size(type, text.empty() ? 1 : text.size()));
  checked(H5Tset_strpad(type, H5T_STR_NULLPAD));
  checked(H5Tset_cset(type, H5T_CSET_UTF8));
  const hid_t attribute = checked(H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT));
  checked(H5Awrite(attribute, type, text.empty() ? "" : text.data()));
  H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
}

void write_version(hid_t file, std::int64_t version) {
  const hid_t space = checked(H5Screate(H5S_SCALAR));
  const hid_t attribute =
      checked(H5Acreate2(file, "version", H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT));
  checked(H5Awrite(attribute, H5T_NATIVE_INT64, &version));
  H5Aclose(attribute);
  H5Sclose(space);
}

// An array with dims but without bytes is declared only: it claims what the file does not hold.
void write_array(hid_t file, const std::string& path, const ShardArray& array) {
  const hid_t links = checked(H5Pcreate(H5P_LINK_CREATE));
  checked(H5Pset_create_intermediate_group(links, 1));
  const hid_t space = checked(
      H5Screate_simple(static_cast<int>(array.dims.size()),
                       std::vector<hsize_t>(array.dims.begin(), array.dims.end()).data(), nullptr));
  const hid_t type = type_of(array.type);
  const hid_t dataset =
      checked(H5Dcreate2(file, path.c_str(), type, space, links, H5P_DEFAULT, H5P_DEFAULT));
  if (!array.bytes.empty())
    checked(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, array.bytes.data()));
  H5Dclose(dataset);
  H5Sclose(space);
  H5Pclose(links);
}

std::string index_sha256(const ShardContent& content) {
  Sha256 hash;
  hash.update(content.header.data(), content.header.size());
  for (const auto& [path, array] : content.arrays) {
    if (path.size() >= 5 && path.compare(path.size() - 5, 5, "/data") == 0) continue;
    hash.update(path.c_str(), path.size() + 1);
    hash.update(array.bytes.data(), array.bytes.size());
  }
  return hash.hex();
}

}  // namespace

void write_shard(const std::string& path, const ShardContent& content, bool checksummed) {
  H5dont_atexit();  // as src/data/hdf5.hpp does, before any other call
  const hid_t access = checked(H5Pcreate(H5P_FILE_ACCESS));
  if (checksummed) checked(H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18));
  const hid_t file = checked(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access));
  write_text(file, "format", content.format);
  write_version(file, content.version);
  write_text(file, "header", content.header);
  write_text(file, "index_sha256", index_sha256(content));
  for (const auto& [name, array] : content.arrays) write_array(file, name, array);
  checked(H5Fclose(file));
  H5Pclose(access);
}

}  // namespace cuttle
