#include <algorithm>
#include <map>
#include <utility>

#include "comm/rank_list.hpp"
#include "cuttle/comm/communicator.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

/// "<length>:<text>" after one another: any bytes in names and values come through.
std::string pack(const std::vector<Fact>& facts) {
  std::string packed;
  for (const auto& fact : facts) {
    for (const auto* text : {&fact.name, &fact.value})
      packed += fmt::format("{}:{}", text->size(), *text);
  }
  return packed;
}

std::string take_text(std::string_view* packed) {
  const auto colon = packed->find(':');
  CUTTLE_EXPECT(colon != std::string_view::npos);
  const auto length = std::stoull(std::string(packed->substr(0, colon)));
  CUTTLE_EXPECT(length <= packed->size() - colon - 1);
  std::string text(packed->substr(colon + 1, length));
  packed->remove_prefix(colon + 1 + length);
  return text;
}

std::vector<Fact> unpack(std::string_view packed) {
  std::vector<Fact> facts;
  while (!packed.empty()) {
    Fact fact;
    fact.name = take_text(&packed);
    fact.value = take_text(&packed);
    facts.push_back(std::move(fact));
  }
  return facts;
}

/// The value that most ranks have; of equally frequent ones that of the lowest rank.
std::string majority_of(const std::vector<std::string>& values) {
  std::map<std::string, int> votes;
  for (const auto& value : values) ++votes[value];
  return *std::max_element(values.begin(), values.end(), [&](const auto& a, const auto& b) {
    return votes[a] < votes[b];  // max_element returns the first of equals
  });
}

/// "config: rank 2 has 'b', the others have 'a'", or empty if all are equal.
std::string difference(const std::string& name, const std::vector<std::string>& values) {
  const auto usual = majority_of(values);
  std::vector<Saying> deviating;
  for (std::size_t rank = 0; rank < values.size(); ++rank) {
    if (values[rank] != usual)
      deviating.push_back({static_cast<int>(rank), fmt::format("'{}'", values[rank])});
  }
  if (deviating.empty()) return {};
  return fmt::format("{} ({}; all others: '{}')", name, group_sayings(deviating, "; "), usual);
}

}  // namespace

void agree(Communicator& comm, const std::vector<Fact>& facts) {
  std::vector<std::vector<Fact>> by_rank;
  for (const auto& packed : comm.all_gather("agree", pack(facts)).wait())
    by_rank.push_back(unpack(packed));
  std::string differences, advice;
  for (std::size_t i = 0; i < by_rank[0].size(); ++i) {
    std::vector<std::string> values;
    for (const auto& theirs : by_rank) {
      CUTTLE_EXPECT(theirs.size() == by_rank[0].size() && theirs[i].name == by_rank[0][i].name);
      values.push_back(theirs[i].value);
    }
    const auto found = difference(by_rank[0][i].name, values);
    if (found.empty()) continue;
    differences += (differences.empty() ? "" : "; ") + found;
    if (!facts[i].advice.empty()) advice = "; " + facts[i].advice;
  }
  CUTTLE_VALIDATE(differences.empty(),
                  "the ranks differ in {} (they would not compute the same model); start all ranks "
                  "with the same "
                  "program, configuration and environment{}",
                  differences, advice);
}

}  // namespace cuttle
