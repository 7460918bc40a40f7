#include "cuttle/core/json_guard.hpp"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "cuttle/core/error.hpp"

namespace cuttle {

nlohmann::json parse_json_object(std::string_view text, int levels, const std::string& source) {
  using nlohmann::json;
  std::vector<std::set<std::string>> keys(static_cast<std::size_t>(levels) +
                                          1);  // of the open object per level
  const auto guard = [&](int depth, json::parse_event_t event, json& parsed) {
    const std::size_t level = static_cast<std::size_t>(depth);
    if (event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) {
      CUTTLE_VALIDATE(depth < levels, "{}: its JSON is nested deeper than {} levels", source,
                      levels);
      keys[level + 1].clear();
    } else if (event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      CUTTLE_VALIDATE(keys[level].insert(key).second, "{}: the name '{}' appears twice", source,
                      key);
    }
    return true;
  };
  json document;
  try {
    document = json::parse(text.begin(), text.end(), guard);
  } catch (const json::exception& problem) {
    throw UserError(fmt::format("{}: its JSON cannot be read: {}", source, problem.what()));
  }
  CUTTLE_VALIDATE(document.is_object(), "{}: its JSON is not an object", source);
  return document;
}

}  // namespace cuttle
