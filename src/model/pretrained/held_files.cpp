#include "model/pretrained/held_files.hpp"

#include <utility>

#include "cuttle/core/files.hpp"
#include "cuttle/core/safetensors.hpp"
#include "model/pretrained/pieces.hpp"

namespace cuttle {

void add_held_file(const std::string& key, const std::string& sense, const std::string& path,
                   ArrayFile& into) {
  const std::string inside = name_inside(key, sense), file = expand_variables(path);
  if (key == kPiecesKey) {
    into.metadata[inside] = read_pieces(file, "model.encoders." + sense + "." + key, sense);
    return;
  }
  std::string digest;
  ArrayFile weights = read_safetensors(file, &digest);
  const auto record = weights.metadata.find(kWeightsRecord);
  if (record == weights.metadata.end()) return;
  into.metadata[inside] = record->second;
  into.metadata[inside + kDigestInside] = digest;
  for (auto& array : weights.arrays) {
    array.name = inside + "/" + array.name;
    into.arrays.push_back(std::move(array));
  }
}

bool has_held_file(const std::string& key, const std::string& sense, const ArrayFile& file) {
  return file.metadata.count(name_inside(key, sense)) > 0;
}

bool is_of_held_file(const std::string& name) {
  for (const std::string key : kHeldFileKeys)
    if (name.rfind(name_inside(key, ""), 0) == 0) return true;
  return false;
}

}  // namespace cuttle
