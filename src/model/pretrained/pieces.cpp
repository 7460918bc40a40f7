#include "model/pretrained/pieces.hpp"

#include <filesystem>
#include <fstream>
#include <limits>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/hash.hpp"
#include "cuttle/core/safetensors.hpp"
#include "model/pretrained/held_files.hpp"

namespace cuttle {
namespace {

constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 27;  // 250,000 pieces take 20 MB

/// Whether it is a safetensors file: these begin with a length, which has a zero there, and JSON
/// has none.
bool holds_arrays(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(sizeof(std::uint64_t) - 1);
  return file.get() == 0;
}

}  // namespace

std::string read_pieces(const std::string& path, const std::string& key, const std::string& sense) {
  CUTTLE_VALIDATE(std::filesystem::is_regular_file(path),
                  "{}: {} is no file; make it with cuttle-data pieces SHARDS --out {}, or give "
                  "the path where it is now",
                  key, path, path);
  if (!holds_arrays(path)) return read_file(path, kLargestFile);
  const ArrayFile file = read_safetensors(path);
  const auto found = file.metadata.find(name_inside(kPiecesKey, sense));
  CUTTLE_VALIDATE(found != file.metadata.end(),
                  "{}: {} holds no pieces (texts cannot be read as they were in training); give "
                  "a tokenizer.json",
                  key, path);
  return found->second;
}

TextPieces TextPieces::open(const std::string& path, const std::string& sense) {
  const std::string key = "model.encoders." + sense + "." + kPiecesKey;
  const std::string file = read_pieces(path, key, sense);
  return {cuttle::sha256(file), BytePairs(read_byte_pairs(file, key + ": " + path))};
}

std::vector<std::int64_t> TextPieces::read(std::string_view text, std::int64_t most) const {
  auto ids = pairs_.ids(text, most > 0 ? most : std::numeric_limits<std::int64_t>::max(), false);
  for (auto& id : ids) ++id;
  if (ids.empty()) ids.push_back(0);
  return ids;
}

}  // namespace cuttle
