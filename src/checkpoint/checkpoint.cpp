#include "cuttle/checkpoint/checkpoint.hpp"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "checkpoint/checkpoint_folders.hpp"
#include "checkpoint/manifest.hpp"
#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/hash.hpp"
#include "cuttle/core/json_guard.hpp"

namespace cuttle {
namespace {

constexpr const char* kArraySuffix = ".safetensors";
constexpr const char* kStateName = "state.json";
constexpr const char* kConfigName = "config.yaml";
constexpr const char* kFactsName = "facts.json";
constexpr std::uint64_t kManifestLimit = 1u << 20;

template <class T>
void check_finite(const NamedArray& array, const std::string& file) {
  const std::vector<T> values = unpack_array<T>(array);
  for (std::size_t i = 0; i < values.size(); ++i) {
    CUTTLE_REQUIRE(
        std::isfinite(values[i]),
        "element {} of '{}' in {} is {} (a checkpoint of it could not be trained on); the older "
        "checkpoints are untouched: resume from them with a lower learning rate",
        i, array.name, file, values[i]);
  }
}

void check_finite(const CheckpointContent& content) {
  for (const auto& [file, arrays] : content.files) {
    for (const auto& array : arrays) {
      if (array.dtype == "F32") check_finite<float>(array, file);
      if (array.dtype == "F64") check_finite<double>(array, file);
    }
  }
}

void write_files(const std::string& folder, const CheckpointContent& content) {
  Manifest manifest;
  manifest.step = content.step;
  const auto write = [&](const std::string& name, const std::string& bytes) {
    CUTTLE_EXPECT(is_plain_name(name));
    write_file_atomically(folder + "/" + name, bytes);
    manifest.files[name] = {bytes.size(), sha256(bytes)};
  };
  for (const auto& [name, arrays] : content.files)
    write(name + kArraySuffix, encode_safetensors(arrays));
  write(kStateName, content.state_json);
  write(kConfigName, content.config_yaml);
  write(kFactsName, nlohmann::json(content.facts).dump(2) + "\n");
  write_file_atomically(folder + "/" + kManifestName, manifest.encode());
}

// What lies after `step` belongs to a future that a resume has left behind (it was refused, or will
// be replaced).
void retain(const std::string& parent, std::int64_t step, int keep,
            std::optional<std::int64_t> best) {
  const auto folders = find_step_folders(parent);
  int kept = 0;
  for (auto entry = folders.rbegin(); entry != folders.rend(); ++entry) {
    if (entry->first > step || ++kept <= keep || entry->first == best) continue;
    remove_checkpoint(parent, entry->second);
  }
}

std::string read_verified(const std::string& folder, const std::string& name,
                          const Manifest::File& expected) {
  const std::string path = folder + "/" + name;
  CUTTLE_VALIDATE(
      std::filesystem::symlink_status(path).type() == std::filesystem::file_type::regular,
      "'{}' is missing or not a regular file", path);
  const std::string bytes = read_file(path, expected.bytes);
  CUTTLE_VALIDATE(bytes.size() == expected.bytes,
                  "'{}' has {} bytes instead of {} (it is truncated)", path, bytes.size(),
                  expected.bytes);
  CUTTLE_VALIDATE(sha256(bytes) == expected.sha256,
                  "'{}' does not match its SHA-256 (it is damaged)", path);
  return bytes;
}

std::map<std::string, std::string> parse_facts(const std::string& text, const std::string& source) {
  std::map<std::string, std::string> facts;
  const nlohmann::json document = parse_json_object(text, 1, source);
  for (const auto& [name, value] : document.items()) {
    CUTTLE_VALIDATE(value.is_string(), "{}: '{}' is not a text", source, name);
    facts[name] = value.get<std::string>();
  }
  return facts;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() > end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

std::string save_checkpoint(const std::string& run_folder, const CheckpointContent& content,
                            int keep, std::optional<std::int64_t> best) {
  CUTTLE_EXPECT(keep >= 1 && content.step >= 0);
  check_finite(content);
  const std::string parent = checkpoints_folder(run_folder);
  make_folders(parent);
  sweep_temporaries(parent);
  const std::string name = step_folder_name(content.step);
  {
    TemporaryFolder folder(parent);
    write_files(folder.path(), content);
    folder.publish(name);
  }
  retain(parent, content.step, keep, best);
  return parent + "/" + name;
}

std::vector<CheckpointEntry> list_checkpoints(const std::string& run_folder) {
  std::vector<CheckpointEntry> entries;
  for (const auto& [step, folder] : find_step_folders(checkpoints_folder(run_folder))) {
    entries.push_back({step, folder});
  }
  return entries;
}

LatestCheckpoint load_latest(const std::string& run_folder) {
  LatestCheckpoint latest;
  const auto folders = find_step_folders(checkpoints_folder(run_folder));
  for (auto entry = folders.rbegin(); entry != folders.rend() && !latest.content; ++entry) {
    const auto& [step, folder] = *entry;
    try {
      CheckpointContent content = load_checkpoint(folder);
      CUTTLE_VALIDATE(content.step == step, "its manifest says step {}", content.step);
      latest.content = std::move(content);
      latest.folder = folder;
    } catch (const Error& reason) {
      latest.refused.push_back(fmt::format("{}: {}", folder, reason.what()));
    }
  }
  return latest;
}

CheckpointContent load_checkpoint(const std::string& folder) {
  const std::string manifest_path = folder + "/" + kManifestName;
  const Manifest manifest =
      Manifest::decode(read_file(manifest_path, kManifestLimit), manifest_path);
  for (const char* name : {kStateName, kConfigName, kFactsName}) {
    CUTTLE_VALIDATE(manifest.files.count(name) == 1, "'{}' does not list {}", manifest_path, name);
  }
  CheckpointContent content;
  content.step = manifest.step;
  for (const auto& [name, expected] : manifest.files) {
    std::string bytes = read_verified(folder, name, expected);
    const std::string path = folder + "/" + name;
    if (name == kStateName)
      content.state_json = std::move(bytes);
    else if (name == kConfigName)
      content.config_yaml = std::move(bytes);
    else if (name == kFactsName)
      content.facts = parse_facts(bytes, path);
    else if (ends_with(name, kArraySuffix)) {
      const std::string key = name.substr(0, name.size() - std::string(kArraySuffix).size());
      content.files[key] = decode_safetensors(bytes, path).arrays;
    } else {
      throw UserError(fmt::format("'{}' lists {}, which no checkpoint has", manifest_path, name));
    }
  }
  return content;
}

}  // namespace cuttle
