#pragma once

#include <string>
#include <vector>

namespace cuttle {

/// The words of a text in order, in small letters: runs of letters, marks and digits, with
/// apostrophes inside. What is no UTF-8 parts words.
std::vector<std::string> words_of_text(const std::string& text);

}  // namespace cuttle
