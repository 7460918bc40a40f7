#include <nlohmann/json.hpp>

#include "fuzz/fuzz.hpp"
#include "model/pretrained/byte_pair.hpp"

namespace {

using nlohmann::json;

/// A file that is fine but for what the bytes put into it: pieces, merges of any of them, tokens.
json drawn_file(cuttle::fuzz::Choices& choices) {
  const bool levels = choices.below(2) == 0;
  json vocabulary = json::object(), merges = json::array(), added = json::array();
  std::vector<std::string> pieces;
  const auto add = [&](const std::string& piece) {
    if (vocabulary.contains(piece)) return;
    vocabulary[piece] = vocabulary.size();
    pieces.push_back(piece);
  };
  // The alphabet of bytes as GPT-2 shows them is every character up to 323 that can be seen.
  for (int code = 33; levels && code < 324; ++code)
    if (code < 127 || (code > 160 && code != 173))
      add(code < 128 ? std::string(1, static_cast<char>(code))
                     : std::string{static_cast<char>(0xC0 | code >> 6),
                                   static_cast<char>(0x80 | (code & 63))});
  for (int byte = 0; !levels && byte < 256; ++byte) add(fmt::format("<0x{:02X}>", byte));
  for (std::size_t n = choices.below(12); n > 0; --n) add(choices.text(4));
  for (std::size_t n = choices.below(24); n > 0; --n) {
    const std::string left = pieces[choices.below(pieces.size())];
    const std::string right = pieces[choices.below(pieces.size())];
    if (choices.below(4) > 0) add(left + right);
    merges.push_back({left, right});
  }
  for (std::size_t n = choices.below(4); n > 0; --n) {
    const std::string text = choices.text(5);
    add(text);
    added.push_back({{"id", vocabulary[text]},
                     {"content", text},
                     {"single_word", false},
                     {"rstrip", false},
                     {"lstrip", choices.below(2) == 0},
                     {"normalized", choices.below(2) == 0}});
  }
  json changes = json::array();
  for (std::size_t n = choices.below(4); n > 0; --n) {
    const std::string text = choices.text(3);
    const json replace{{"type", "Replace"}, {"pattern", {{"String", text}}}, {"content", "ab"}};
    changes.push_back(choices.below(2) == 0 ? replace
                                            : json{{"type", "Prepend"}, {"prepend", text}});
  }
  if (choices.below(2) == 0) changes.push_back({{"type", "NFC"}});
  const json words{{"type", "ByteLevel"},
                   {"add_prefix_space", choices.below(2) == 0},
                   {"use_regex", choices.below(2) == 0}};
  const json around{{"type", "BertProcessing"},
                    {"cls", {"", choices.below(300)}},
                    {"sep", {"", choices.below(300)}}};
  return {
      {"model",
       {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", merges}, {"byte_fallback", !levels}}},
      {"added_tokens", added},
      {"normalizer", {{"type", "Sequence"}, {"normalizers", changes}}},
      {"pre_tokenizer", levels ? words : json()},
      {"post_processor", choices.below(2) == 0 ? around : json()}};
}

}  // namespace

// Whatever a file of byte pairs and a text are made of, it is refused, or ids are pieces of the
// file and no more than asked for. The first byte says whether the rest is a file, or draws one and
// then a text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cuttle;
  if (size == 0) return 0;
  return fuzz::refused_or_fine([&] {
    fuzz::Choices choices(data + 1, size - 1);
    // What is not UTF-8 becomes some that is, so that pieces may be anything else.
    const std::string file =
        data[0] == '{' ? fuzz::text_of(data, size)
                       : drawn_file(choices).dump(-1, ' ', false, json::error_handler_t::replace);
    const BytePairs pairs(read_byte_pairs(file, "file"));
    const std::string text = choices.text(4096);
    const auto whole = pairs.ids(text, 1 << 20, false);
    for (const std::int64_t id : whole) CUTTLE_EXPECT(id >= 0 && id < pairs.size());
    const auto some = pairs.ids(text, 7, true);
    CUTTLE_EXPECT(some.size() <= 7);
    CUTTLE_EXPECT(pairs.ids(text, 5, false) ==
                  std::vector(whole.begin(),
                              whole.begin() + std::min<std::ptrdiff_t>(
                                                  5, static_cast<std::ptrdiff_t>(whole.size()))));
  });
}
