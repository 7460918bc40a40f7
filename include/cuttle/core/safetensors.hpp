#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cuttle/core/span.hpp"

namespace cuttle {

/// One array of a safetensors file. `dtype` is the format's word: F32, F64, I64, U8... ; bytes are
/// row-major and little-endian; an empty shape is a scalar.
struct NamedArray {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::uint8_t> bytes;
};

/// What a safetensors file holds, arrays in the order of their data.
struct ArrayFile {
  std::vector<NamedArray> arrays;
  std::map<std::string, std::string> metadata;
};

/// T: float, double, std::int64_t or std::uint8_t. pack: the shape's product equals the number of
/// values. unpack throws UserError naming the array if its dtype is not T's.
template <class T>
NamedArray pack_array(std::string name, std::vector<std::int64_t> shape, Span<const T> values);
template <class T>
std::vector<T> unpack_array(const NamedArray& array);

/// The bytes of a file that any safetensors library reads. Arrays keep their order, except that
/// wider dtypes come first so that all data are aligned. Throws Error for duplicate names or bytes
/// that do not fit the shape.
std::string encode_safetensors(const std::vector<NamedArray>& arrays,
                               const std::map<std::string, std::string>& metadata = {});

/// Reads what any library wrote. `source` names it in messages. The bytes may be hostile: throws
/// UserError saying what is wrong unless sizes, names, dtypes and offsets all hold; allocates no
/// more than a few times their size.
ArrayFile decode_safetensors(std::string_view bytes, const std::string& source);

/// decode_safetensors of a whole file (at most 64 GiB); `digest`, if asked for, gets the SHA-256 of
/// its bytes.
ArrayFile read_safetensors(const std::string& path, std::string* digest = nullptr);

}  // namespace cuttle
