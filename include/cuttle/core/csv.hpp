#pragma once

#include <string>
#include <vector>

namespace cuttle {

/// The text as one field of a CSV line (RFC 4180): in quotes where it has a comma, a quote or the
/// end of a line, quotes doubled.
std::string csv_field(const std::string& text);

/// The fields of each line of a CSV file (RFC 4180), empty lines left out. UserError where a quote
/// is not closed.
std::vector<std::vector<std::string>> csv_lines(const std::string& text);

}  // namespace cuttle
