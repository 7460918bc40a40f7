#pragma once

#include <string>

namespace cuttle {

/// The text as one field of a CSV line (RFC 4180): in quotes where it has a comma, a quote or the
/// end of a line, quotes doubled.
std::string csv_field(const std::string& text);

}  // namespace cuttle
