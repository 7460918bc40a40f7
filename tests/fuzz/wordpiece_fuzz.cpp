#include "fuzz/fuzz.hpp"
#include "model/pretrained/wordpiece.hpp"

// Whatever a text is made of, its ids are pieces of the vocabulary, between the two at its ends,
// and no more than asked for. The first byte says how many; what stands before a zero line adds
// pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cuttle;
  if (size == 0) return 0;
  return fuzz::refused_or_fine([&] {
    const std::string all = fuzz::text_of(data + 1, size - 1);
    const std::size_t cut = std::min(all.find('\0'), all.size());
    const std::string vocabulary =
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n\xc3\xa9\n" + std::string(all.substr(0, cut));
    const std::int64_t most = 2 + data[0];
    for (const bool lowercase : {true, false}) {
      const WordPiece pieces(vocabulary, lowercase);
      const auto ids = pieces.ids(std::string_view(all).substr(cut), most);
      CUTTLE_EXPECT(ids.size() >= 2 && static_cast<std::int64_t>(ids.size()) <= most);
      for (const std::int64_t id : ids) CUTTLE_EXPECT(id >= 0 && id < pieces.size());
    }
  });
}
