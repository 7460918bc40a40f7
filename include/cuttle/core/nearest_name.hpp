#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace cuttle {

/// Insertions, deletions, replacements of one character and swaps of two neighbours that turn `a`
/// into `b` (optimal string alignment distance). `any`: a character that stands in `a` for any
/// number of characters, at no cost; 0: none does.
std::size_t count_edits(const std::string& a, const std::string& b, char any = 0);

/// The candidate with the fewest edits to `name` whatever the case of letters (the first of equals),
/// among those that begin with it if there are any, for messages; "" without candidates.
std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates,
                         char any = 0);

}  // namespace cuttle
