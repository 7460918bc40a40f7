#include "model/pretrained/code_points.hpp"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// Letters and numbers that Unicode has had since version 15.1, which the library of the
/// distribution may not know yet.
CodeKind newer_kind_of(Code code) {
  struct Range {
    Code first, last;
    bool letters;
  };
  // clang-format off
  static constexpr Range kRanges[] = {
      {0x1C89, 0x1C8A, true},    {0xA7CB, 0xA7CD, true},    {0xA7DA, 0xA7DC, true},
      {0x105C0, 0x105F3, true},  {0x10D40, 0x10D49, false}, {0x10D4A, 0x10D65, true},
      {0x10D6F, 0x10D85, true},  {0x10EC2, 0x10EC4, true},  {0x11380, 0x11389, true},
      {0x1138B, 0x1138B, true},  {0x1138E, 0x1138E, true},  {0x11390, 0x113B5, true},
      {0x113B7, 0x113B7, true},  {0x113D1, 0x113D1, true},  {0x113D3, 0x113D3, true},
      {0x116D0, 0x116E3, false}, {0x11BC0, 0x11BE0, true},  {0x11BF0, 0x11BF9, false},
      {0x13460, 0x143FA, true},  {0x16100, 0x1611D, true},  {0x16130, 0x16139, false},
      {0x16D40, 0x16D6C, true},  {0x16D70, 0x16D79, false}, {0x18CFF, 0x18CFF, true},
      {0x1CCF0, 0x1CCF9, false}, {0x1E5D0, 0x1E5ED, true},  {0x1E5F0, 0x1E5F0, true},
      {0x1E5F1, 0x1E5FA, false}, {0x2EBF0, 0x2EE5D, true}};
  // clang-format on
  const auto* after = std::upper_bound(std::begin(kRanges), std::end(kRanges), code,
                                       [](Code c, const Range& range) { return c < range.first; });
  if (after == std::begin(kRanges) || code > std::prev(after)->last) return CodeKind::kOther;
  return std::prev(after)->letters ? CodeKind::kLetter : CodeKind::kNumber;
}

}  // namespace

void append_code(std::string& to, Code code) {
  utf8proc_uint8_t bytes[4];
  to.append(reinterpret_cast<const char*>(bytes),
            static_cast<std::size_t>(utf8proc_encode_char(code, bytes)));
}

bool is_white_space(Code code) {
  if ((code >= '\t' && code <= '\r') || code == 0x85) return true;
  const auto category = utf8proc_category(code);
  return category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP;
}

CodeKind code_kind(Code code) {
  if (is_white_space(code)) return CodeKind::kSpace;
  const auto category = utf8proc_category(code);
  if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO)
    return CodeKind::kLetter;
  if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO)
    return CodeKind::kNumber;
  return category == UTF8PROC_CATEGORY_CN ? newer_kind_of(code) : CodeKind::kOther;
}

std::string composed_text(std::string_view text) {
  utf8proc_uint8_t* made = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &made,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  CUTTLE_EXPECT(size >= 0);  // of UTF-8 it makes UTF-8
  std::string result(reinterpret_cast<const char*>(made), static_cast<std::size_t>(size));
  std::free(made);
  return result;
}

}  // namespace cuttle
