#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

namespace cuttle {

/// Parses JSON that may be hostile: refuses nesting deeper than `levels` objects or arrays,
/// duplicate keys, and anything but an object at the top. Throws UserError that begins with
/// `source`.
nlohmann::json parse_json_object(std::string_view text, int levels, const std::string& source);

}  // namespace cuttle
