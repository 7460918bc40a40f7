#pragma once

#include <string>

#include "cuttle/model/encoder.hpp"

namespace cuttle {

/// Where in another file's metadata, and before a / in names of its arrays, the file is that the
/// encoder of `sense` names by `key`.
inline std::string name_inside(const std::string& key, const std::string& sense) {
  return "cuttle." + key + "." + sense;
}
constexpr const char* kWeightsRecord = "cuttle.weights";  ///< of a file of weights
constexpr const char* kDigestInside = ".sha256";  ///< after that name: of the file of weights

}  // namespace cuttle
