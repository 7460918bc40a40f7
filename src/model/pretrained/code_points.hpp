#pragma once

#include <utf8proc.h>

#include <string>
#include <string_view>

// What the tokenizers know of Unicode.
namespace cuttle {

using Code = utf8proc_int32_t;

/// Calls `visit` for each code point; malformed bytes are passed by.
template <class Visit>
void for_each_code(std::string_view text, const Visit& visit) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (std::size_t i = 0; i < text.size();) {
    Code code = 0;
    const auto used =
        utf8proc_iterate(bytes + i, static_cast<utf8proc_ssize_t>(text.size() - i), &code);
    if (used > 0) visit(code);
    i += used > 0 ? static_cast<std::size_t>(used) : 1;
  }
}

/// Bytes of a code point in UTF-8.
inline std::size_t code_size(Code code) {
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}
/// Appends a code point as UTF-8.
void append_code(std::string& to, Code code);

bool is_white_space(Code code);

enum class CodeKind { kSpace, kLetter, kNumber, kOther };
/// As Unicode 16 has them: \s, \p{L}, \p{N} and the rest.
CodeKind code_kind(Code code);

/// UTF-8 composed as far as it can be (NFC). (The `tokenizers` package leaves marks where they
/// stand that Unicode has had since version 10 only.)
std::string composed_text(std::string_view text);

}  // namespace cuttle
