#include "adapt/surface/fast_set.hpp"

#include <algorithm>
#include <set>

#include "cuttle/core/error.hpp"
#include "cuttle/core/nearest_name.hpp"

namespace cuttle {
namespace {

constexpr char kAnything = '*';

bool can_move(const ParameterLayout& layout, std::int64_t i) {
  const ParameterRole role = layout.spec(i).role;
  return (role == ParameterRole::kBody || role == ParameterRole::kHead) && layout.is_learned(i);
}

bool stands_for(const std::string& word, const ParameterSpec& spec) {
  if (word == "all") return true;
  if (word == "head") return spec.role == ParameterRole::kHead;
  if (word == "body") return spec.role == ParameterRole::kBody;
  return count_edits(word, spec.name, kAnything) == 0;
}

FastSet selected(const ParameterLayout& layout, const std::string& word) {
  FastSet fast;
  for (std::int64_t i = 0; i < layout.count(); ++i)
    if (can_move(layout, i) && stands_for(word, layout.spec(i))) fast.push_back(i);
  return fast;
}

/// For a word that selects nothing.
[[noreturn]] void refuse(const ParameterLayout& layout, const std::string& word) {
  std::vector<std::string> names{"all", "head", "body"};
  for (std::int64_t i = 0; i < layout.count(); ++i) {
    CUTTLE_VALIDATE(!stands_for(word, layout.spec(i)),
                    "adapt.fast: '{}' matches only what no inner loop moves, such as {} (frozen, "
                    "an average over training, or not of the model); remove it",
                    word, layout.spec(i).name);
    if (can_move(layout, i)) names.push_back(layout.spec(i).name);
  }
  throw UserError(
      fmt::format("adapt.fast: '{}' matches no parameter of the model (the inner loop would move "
                  "something else than you mean); did you mean '{}'?",
                  word, nearest_name(word, names, kAnything)));
}

}  // namespace

FastSet whole_model(const ParameterLayout& layout) {
  return selected(layout, "all");
}

FastSet head_alone(const ParameterLayout& layout) {
  return layout.with_role(ParameterRole::kHead);
}

FastSet standing_still(const ParameterLayout& layout, const FastSet& fast) {
  FastSet still;
  for (std::int64_t i = 0; i < layout.count(); ++i)
    if (layout.is_learned(i) && !std::binary_search(fast.begin(), fast.end(), i))
      still.push_back(i);
  return still;
}

void FastOptions::keys(Keys& keys) {
  keys.add("fast", fast, anything(),
           "what inner steps move: names with *, all, body (BOIL), head (as anil, which is "
           "cheaper); -NAME: not that");
}

FastSet fast_set(const LearnerRequest& request, const FastOptions& options) {
  const ParameterLayout& layout = request.layout;
  std::set<std::int64_t> fast, left;
  for (const auto& given : options.fast) {
    const bool less = given[0] == '-';
    const std::string word = given.substr(less ? 1 : 0);
    const FastSet matched = selected(layout, word);
    if (matched.empty()) refuse(layout, word);
    (less ? left : fast).insert(matched.begin(), matched.end());
  }
  for (const std::int64_t i : left) fast.erase(i);
  CUTTLE_VALIDATE(!fast.empty(),
                  "adapt.fast: selects no parameter (the inner loop would not adapt); name some, "
                  "or begin with all");
  const bool features_move = std::any_of(fast.begin(), fast.end(), [&](std::int64_t i) {
    return layout.spec(i).role != ParameterRole::kHead;
  });
  for (const auto& objective : *request.objectives)
    CUTTLE_VALIDATE(!objective.inner || features_move,
                    "objectives.{}.where: adapt.fast moves the head alone, and the objective looks "
                    "at what comes before it; use outer",
                    objective.name);
  return {fast.begin(), fast.end()};
}

}  // namespace cuttle
