#pragma once

#include <limits>
#include <string>
#include <vector>

namespace cuttle {

/// What values a key may have, beyond its type. Made by the functions below, which read well in a
/// schema line.
struct ConfigRule {
  enum class Text { kAny, kWord, kRunName };

  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false, high_open = false;  ///< the end itself is not allowed
  Text text = Text::kAny;
  std::vector<std::string> allowed;  ///< texts; empty: not a choice

  /// "" when the value is fine, otherwise what is wrong with it: 'is 0; must be 2 or more'.
  std::string objection(double value) const;
  std::string objection(const std::string& value) const;
  /// For the documentation: '2 or more', 'adam | sgd', '' when there is nothing to say.
  std::string summary() const;
};

ConfigRule anything();
ConfigRule at_least(double low);
ConfigRule above(double low);
ConfigRule between(double low, double high);     ///< both ends are allowed
ConfigRule from_below(double low, double high);  ///< low <= value < high
ConfigRule above_to(double low, double high);    ///< low < value <= high
/// A choice between texts that only cuttle itself gives meaning to.
ConfigRule one_of(std::vector<std::string> allowed);
/// A name that is part of keys and paths in files, such as a modality's: letters, digits, _ and -
ConfigRule plain_word();
/// Part of a folder name: letters, digits, _ - . and not a dot first; at most 64 characters.
ConfigRule run_name();

/// Letters, digits and the characters in `others`; not empty.
bool is_plain_word(const std::string& text, const char* others);

}  // namespace cuttle
