#include "model/pretrained/byte_pair.hpp"

#include <algorithm>
#include <queue>
#include <tuple>
#include <utility>

#include "model/pretrained/code_points.hpp"

namespace cuttle {
namespace {

/// A piece of the word that is being merged, linked to its neighbours; -1: there is none.
struct Symbol {
  std::int64_t id, previous, next;
};

/// What may be merged at a place, the lowest rank and then the first place on top.
struct Candidate {
  std::int64_t rank, place, id;
  bool operator<(const Candidate& other) const {
    return std::tie(rank, place) > std::tie(other.rank, other.place);
  }
};

/// Calls `visit(part, id)` for what stands between added tokens (id -1) and for these, of which the
/// first counts and, of several there, the longest.
template <class Visit>
void split_at(const std::vector<BytePairRules::Added>& tokens, std::string_view text,
              const Visit& visit) {
  std::size_t from = 0;
  for (std::size_t at = 0; !tokens.empty() && at < text.size();) {
    const BytePairRules::Added* found = nullptr;
    for (const auto& token : tokens)
      if ((!found || token.text.size() > found->text.size()) &&
          text.compare(at, token.text.size(), token.text) == 0)
        found = &token;
    if (!found) {
      ++at;
      continue;
    }
    std::size_t end = at;
    if (found->takes_space_before) {
      // Where white space begins that ends here.
      std::size_t place = end = from;
      for_each_code(text.substr(from, at - from), [&](Code c) {
        place += code_size(c);
        if (!is_white_space(c)) end = place;
      });
    }
    visit(text.substr(from, end - from), -1);
    visit(text.substr(at, found->text.size()), found->id);
    from = at += found->text.size();
  }
  visit(text.substr(from), -1);
}

/// Calls `visit` for each word as the expression of GPT-2 finds them (Radford et al. 2019):
///   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// until it says that it is enough.
template <class Visit>
void for_each_word(std::string_view text, const Visit& visit) {
  std::vector<std::size_t> starts;
  std::vector<CodeKind> kinds;
  std::size_t size = 0;
  for_each_code(text, [&](Code c) {
    starts.push_back(size);
    kinds.push_back(code_kind(c));
    size += code_size(c);
  });
  starts.push_back(size);
  const std::size_t count = kinds.size();
  const auto run_end = [&](std::size_t i) {
    std::size_t end = i;
    while (end < count && kinds[end] == kinds[i]) ++end;
    return end;
  };
  for (std::size_t i = 0; i < count;) {
    std::size_t end = i;
    const std::string_view rest = text.substr(starts[i]);
    for (const std::string_view ending : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"})
      if (rest.substr(0, ending.size()) == ending) end = i + ending.size();
    if (end == i) {
      const std::size_t first = rest[0] == ' ' && i + 1 < count ? i + 1 : i;
      if (kinds[first] != CodeKind::kSpace) {
        end = run_end(first);
      } else {
        end = run_end(i);
        // The last blank belongs to what follows it.
        if (end < count && end > i + 1) --end;
      }
    }
    if (!visit(text.substr(starts[i], starts[end] - starts[i]))) return;
    i = end;
  }
}

/// Replaces `from`, which is not empty, wherever it stands.
std::string replaced(const std::string& text, const std::string& from, const std::string& to) {
  std::string made;
  std::size_t at = 0;
  for (std::size_t next; (next = text.find(from, at)) != std::string::npos;
       at = next + from.size()) {
    made.append(text, at, next - at);
    made += to;
  }
  return made.append(text, at, std::string::npos);
}

}  // namespace

BytePairs::BytePairs(BytePairRules rules) : rules_(std::move(rules)) {
  // Tokens are looked for in changed texts as the changes leave them.
  for (auto& token : rules_.as_changed) token.text = changed(token.text);
}

std::string BytePairs::changed(std::string_view text) const {
  std::string made(text);
  for (const auto& change : rules_.changes) {
    if (change.kind == BytePairRules::Change::Kind::kPrepend)
      made = made.empty() ? made : change.to + made;
    else if (change.kind == BytePairRules::Change::Kind::kReplace)
      made = replaced(made, change.from, change.to);
    else
      made = composed_text(made);
  }
  return made;
}

std::vector<std::int64_t> BytePairs::ids(std::string_view text, std::int64_t most,
                                         bool around) const {
  std::vector<std::int64_t> ids;
  if (around) ids = rules_.before;
  const auto behind = static_cast<std::int64_t>(around ? rules_.after.size() : 0);
  const auto enough = static_cast<std::size_t>(std::max<std::int64_t>(0, most - behind));
  std::string clean;
  for_each_code(text, [&](Code c) { append_code(clean, c); });
  split_at(rules_.as_written, clean, [&](std::string_view written, std::int64_t token) {
    if (token >= 0) return ids.push_back(token);
    if (written.empty() || ids.size() >= enough) return;
    split_at(rules_.as_changed, changed(written), [&](std::string_view part, std::int64_t id) {
      if (id >= 0)
        ids.push_back(id);
      else if (!part.empty() && ids.size() < enough)
        text_ids(std::string(part), enough, ids);
    });
  });
  ids.resize(std::min(ids.size(), enough));
  if (around) ids.insert(ids.end(), rules_.after.begin(), rules_.after.end());
  return ids;
}

void BytePairs::text_ids(std::string text, std::size_t enough,
                         std::vector<std::int64_t>& ids) const {
  if (rules_.space_before && text[0] != ' ') text.insert(0, 1, ' ');
  if (!rules_.words) return word_ids(text, ids);
  for_each_word(text, [&](std::string_view word) {
    word_ids(word, ids);
    return ids.size() < enough;
  });
}

void BytePairs::word_ids(std::string_view word, std::vector<std::int64_t>& ids) const {
  std::vector<Symbol> symbols;
  const auto add = [&](std::int64_t id) {
    const auto place = static_cast<std::int64_t>(symbols.size());
    symbols.push_back({id, place - 1, place + 1});
  };
  for_each_code(word, [&](Code c) {
    const auto found = rules_.characters.find(c);
    if (found != rules_.characters.end()) return add(found->second);
    std::string bytes;
    append_code(bytes, c);
    for (const char byte : bytes) add(rules_.bytes[static_cast<std::uint8_t>(byte)]);
  });
  if (symbols.empty()) return;
  symbols.back().next = -1;

  const auto of = [&](std::int64_t place) -> Symbol& {
    return symbols[static_cast<std::size_t>(place)];
  };
  std::priority_queue<Candidate> queue;
  const auto find = [&](std::int64_t place) {
    if (place < 0 || of(place).next < 0) return;
    const auto merge =
        rules_.merges.find(BytePairRules::pair_of(of(place).id, of(of(place).next).id));
    if (merge != rules_.merges.end()) queue.push({merge->second.rank, place, merge->second.id});
  };
  for (std::size_t i = 0; i < symbols.size(); ++i) find(static_cast<std::int64_t>(i));
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = of(best.place);
    if (left.id < 0 || left.next < 0) continue;
    Symbol& right = of(left.next);
    const auto merge = rules_.merges.find(BytePairRules::pair_of(left.id, right.id));
    if (merge == rules_.merges.end() || merge->second.id != best.id) continue;  // merged since
    left.id = best.id;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) of(left.next).previous = best.place;
    find(left.previous);
    find(best.place);
  }
  for (std::int64_t i = 0; i >= 0; i = of(i).next) ids.push_back(of(i).id);
}

}  // namespace cuttle
