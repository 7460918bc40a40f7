#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hdf5.hpp"
#include "raw_file.hpp"

namespace cuttle {

/// Where the elements of a dataset lie in the file, in C order, without gaps.
struct Extent {
  std::vector<std::int64_t> dims;
  std::uint64_t offset = 0;  ///< of the first byte in the file
  std::uint64_t bytes = 0;   ///< offset + bytes is inside the file
};

/// One HDF5 file seen as named, contiguous, little-endian arrays. HDF5 serves as the table of
/// contents only: it says where an array lies, its bytes are read by pread. That is faster than
/// H5Dread, free of HDF5's global lock, and nothing that a damaged file says of itself is believed
/// before it was held against the file's real size.
class ShardFile {
 public:
  /// Opens without file locking (shards are sealed; network file systems refuse locks). UserError
  /// naming the file.
  explicit ShardFile(const std::string& path);

  const std::string& path() const { return raw_.path(); }
  /// A fixed-length string attribute of the root group, without padding.
  std::string text_attribute(const char* name) const;
  std::int64_t integer_attribute(const char* name) const;
  /// Finds a dataset and checks that it has this type, this many dimensions and all its bytes in
  /// the file.
  Extent find(const std::string& dataset, hid_t type, std::size_t rank) const;
  /// Reads a one-dimensional dataset, or with a `width` rows of that many values. UserError when
  /// its length is not `length` (-1: any) or its rows are not `width` wide.
  template <class T>
  std::vector<T> read(const std::string& dataset, std::int64_t length,
                      std::int64_t width = 0) const;

 private:
  void check_links(const std::string& dataset) const;
  std::vector<std::int64_t> dims_of(hid_t id, const std::string& dataset, std::size_t rank) const;

  RawFile raw_;
  Hdf5Quiet quiet_;  // before and after every HDF5 handle
  Hdf5File file_;
};

}  // namespace cuttle
