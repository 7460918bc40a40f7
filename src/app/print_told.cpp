#include "app/print_told.hpp"

#include <iostream>

namespace cuttle {
namespace {

std::string word_of(const nlohmann::ordered_json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

void print_told(const nlohmann::ordered_json& json, const std::string& indent) {
  for (const auto& [key, value] : json.items()) {
    const bool lines =
        value.is_array() && !value.empty() && (value[0].is_string() || value[0].is_object());
    if (value.is_object()) {
      std::cout << indent << key << ":\n";
      print_told(value, indent + "  ");
    } else if (lines) {
      std::cout << indent << key << ":\n";
      for (const auto& line : value) std::cout << indent << "- " << word_of(line) << "\n";
    } else {
      std::cout << indent << key << ": " << word_of(value) << "\n";
    }
  }
}

}  // namespace cuttle
