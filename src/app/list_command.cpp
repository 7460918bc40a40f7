#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "cuttle/core/nearest_name.hpp"

namespace cuttle {
namespace {

/// The kinds that the argument names: one, or all.
Catalog chosen_kinds(const Catalog& catalog, std::string kind) {
  if (kind.empty()) return catalog;
  if (catalog.count(kind) == 0 && kind.size() > 1 && kind.back() == 's') kind.pop_back();
  const auto found = catalog.find(kind);
  if (found != catalog.end()) return {*found};
  std::vector<std::string> names;
  std::string all;
  for (const auto& entry : catalog) {
    names.push_back(entry.first);
    all += (all.empty() ? "" : ", ") + entry.first;
  }
  throw UserError(fmt::format("there is no kind '{}'; did you mean '{}'? (there are {})", kind,
                              nearest_name(kind, names), all));
}

nlohmann::ordered_json catalog_json(const Catalog& catalog, bool keys) {
  nlohmann::ordered_json all;
  for (const auto& [kind, types] : catalog)
    for (const auto& [name, type] : types) {
      nlohmann::ordered_json entry{{"summary", type.summary}, {"source", type.source}};
      if (keys) entry["keys"] = nlohmann::ordered_json::object();
      for (const KeyInfo& key : keys ? describe_keys(type) : std::vector<KeyInfo>())
        entry["keys"][key.name] = {
            {"default", key.usual}, {"range", key.range}, {"help", key.help}};
      all[kind][name] = std::move(entry);
    }
  return all;
}

void print_catalog(const Catalog& catalog, bool keys) {
  for (const auto& [kind, types] : catalog) {
    std::cout << kind << "\n";
    for (const auto& [name, type] : types) {
      std::cout << fmt::format("  {:<18} {}{}\n", name, type.summary,
                               type.source.empty() ? "" : " (" + type.source + ")");
      for (const KeyInfo& key : keys ? describe_keys(type) : std::vector<KeyInfo>())
        std::cout << fmt::format("      {}: {}  # {}{}\n", key.name, key.usual, key.help,
                                 key.range.empty() ? "" : "; " + key.range);
    }
  }
}

}  // namespace

ExitCode list_command(const ListArguments& arguments, const Extensions& extensions) {
  const Catalog catalog = chosen_kinds(catalog_of(extensions), arguments.kind);
  if (arguments.json)
    std::cout << catalog_json(catalog, arguments.keys).dump(2) << "\n";
  else
    print_catalog(catalog, arguments.keys);
  return ExitCode::kDone;
}

}  // namespace cuttle
