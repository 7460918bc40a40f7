#include "app/print_told.hpp"

#include <iostream>
#include <string>

namespace cuttle {
namespace {

std::string word_of(const nlohmann::ordered_json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void print_lines(const nlohmann::ordered_json& json, const std::string& indent) {
  for (const auto& [key, value] : json.items()) {
    const bool lines =
        value.is_array() && !value.empty() && (value[0].is_string() || value[0].is_object());
    if (value.is_object()) {
      std::cout << indent << key << ":\n";
      print_lines(value, indent + "  ");
    } else if (lines) {
      std::cout << indent << key << ":\n";
      for (const auto& line : value) std::cout << indent << "- " << word_of(line) << "\n";
    } else {
      std::cout << indent << key << ": " << word_of(value) << "\n";
    }
  }
}

}  // namespace

void print_told(const nlohmann::ordered_json& told, bool as_json) {
  if (as_json)
    std::cout << told.dump(2) << "\n";
  else
    print_lines(told, "");
  std::cout.flush();
}

}  // namespace cuttle
