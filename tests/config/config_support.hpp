#pragma once

#include <string>
#include <vector>

#include "cuttle/config/run_config.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {

/// The report for a text under the name x.yaml; "" if it is accepted.
inline std::string report_of(const std::string& yaml,
                             const std::vector<std::string>& overrides = {}) {
  try {
    parse_config(yaml, "x.yaml", overrides);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

inline RunConfig read(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  return parse_config(yaml, "x.yaml", overrides);
}

}  // namespace cuttle
