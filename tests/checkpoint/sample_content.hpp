#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "cuttle/checkpoint/checkpoint.hpp"

namespace cuttle::testing_checkpoint {

inline CheckpointContent sample_content(std::int64_t step) {
  CheckpointContent content;
  content.step = step;
  const std::vector<float> weights{1.0f, -0.0f, 1e-45f, static_cast<float>(step)};
  const std::vector<double> moments{0.1, 1e300};
  content.files["parameters"] = {pack_array<float>("encoder.weight", {2, 2}, weights)};
  content.files["optimizer"] = {pack_array<double>("moments", {2}, moments),
                                pack_array<float>("variance", {4}, weights)};
  content.state_json = "{\"best\": 0.5}";
  content.config_yaml = "train:\n  steps: 10\n";
  content.facts = {{"isa", "avx512"}, {"library \"x\"", "1.0"}};
  return content;
}

inline bool equal(const NamedArray& a, const NamedArray& b) {
  return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape && a.bytes == b.bytes;
}

inline bool equal(const CheckpointContent& a, const CheckpointContent& b) {
  if (a.step != b.step || a.state_json != b.state_json || a.config_yaml != b.config_yaml ||
      a.facts != b.facts || a.files.size() != b.files.size()) {
    return false;
  }
  for (const auto& [name, arrays] : a.files) {
    const auto other = b.files.find(name);
    if (other == b.files.end() || arrays.size() != other->second.size()) return false;
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      if (!equal(arrays[i], other->second[i])) return false;
    }
  }
  return true;
}

inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::vector<std::int64_t> steps_of(const std::string& run) {
  std::vector<std::int64_t> steps;
  for (const auto& entry : list_checkpoints(run)) steps.push_back(entry.step);
  return steps;
}

/// Everything in a folder by name, dot files included.
inline std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename());
  return names;
}

}  // namespace cuttle::testing_checkpoint
