#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "cuttle/config/section.hpp"

namespace cuttle {

/// A row of a registry: what configs know of a type, and how one is made. `Request`: what a type of
/// this kind is built from; its `section` holds the keys.
template <class Product, class Request>
struct Type : TypeInfo {
  std::function<std::unique_ptr<const Product>(const Request&)> make;
};

/// Registered types of a kind, by the names that configs use.
template <class Product, class Request>
using Types = std::map<std::string, Type<Product, Request>>;

/// The row of a class `Part` that has `struct Options` (with `void keys(Keys&)`) and a constructor
/// from a request and options. `summary`: one line; `source`: paper and year, or empty.
template <class Part, class Row>
Row type_of(std::string summary, std::string source) {
  Row row;
  row.summary = std::move(summary);
  row.source = std::move(source);
  row.keys = keys_of<typename Part::Options>();
  row.make = [](const auto& request) {
    return std::make_unique<Part>(request, options_of<typename Part::Options>(request.section));
  };
  return row;
}

/// UserError "KEY: 'NAME' is unknown; there are ...".
[[noreturn]] void refuse_unknown_type(const std::string& key, const std::string& name,
                                      const std::map<std::string, TypeInfo>& types);

/// The rows as a catalog has them.
template <class Row>
std::map<std::string, TypeInfo> infos_of(const std::map<std::string, Row>& types) {
  return {types.begin(), types.end()};
}

/// The row that the config key `key` names.
template <class Row>
const Row& find_type(const std::map<std::string, Row>& types, const std::string& key,
                     const std::string& name) {
  const auto found = types.find(name);
  if (found == types.end()) refuse_unknown_type(key, name, infos_of(types));
  return found->second;
}

}  // namespace cuttle
