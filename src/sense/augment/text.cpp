#include "sense/augment/transforms.hpp"

namespace cuttle {
namespace {

bool is_space(std::uint8_t byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/// Pieces [starts[i], starts[i + 1]) are left out at this rate, but for one.
Bytes thinned(const Bytes& from, std::vector<std::size_t> starts, double rate, Random& random) {
  if (starts.empty()) return from;
  const std::size_t stays = random.below(starts.size());
  starts.push_back(from.size());
  Bytes to;
  for (std::size_t c = 0; c + 1 < starts.size(); ++c)
    if (random.uniform() >= rate || c == stays)
      to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(starts[c]),
                from.begin() + static_cast<std::ptrdiff_t>(starts[c + 1]));
  return to;
}

/// Words go with the space after them; what comes before the first belongs to it.
Bytes without_words(const Bytes& from, double rate, Random& random) {
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < from.size(); ++i)
    if (!is_space(from[i]) && (i == 0 || is_space(from[i - 1]))) starts.push_back(i);
  if (starts.size() < 2) return from;  // it stays
  starts[0] = 0;
  Bytes to = thinned(from, std::move(starts), rate, random);
  if (!is_space(from.back()))
    while (is_space(to.back())) to.pop_back();
  return to;
}

}  // namespace

Bytes augment_text(const Bytes& from, const TextAugmentation& how, Random& random) {
  const Bytes words = how.words > 0 ? without_words(from, how.words, random) : from;
  std::vector<std::size_t> starts;  // of characters
  for (std::size_t i = 0; i < words.size(); ++i)
    if (i == 0 || (words[i] & 0xC0) != 0x80) starts.push_back(i);
  return thinned(words, std::move(starts), how.characters, random);
}

}  // namespace cuttle
