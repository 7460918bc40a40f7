#pragma once

#include <string>
#include <vector>

namespace cuttle {

/// The valid key that an unknown one was probably meant to be, "" if none is near. Both are full
/// dotted paths: a right name in the wrong section counts as near, too.
std::string suggest_key(const std::string& unknown, const std::vector<std::string>& valid);

}  // namespace cuttle
