#include "checkpoint/manifest.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cuttle/core/error.hpp"
#include "cuttle/core/json_guard.hpp"

namespace cuttle {
namespace {

constexpr const char* kFormat = "cuttle checkpoint";
constexpr int kVersion = 1;

bool is_hash(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Manifest::File parse_file(const nlohmann::json& entry, const std::string& what) {
  CUTTLE_VALIDATE(entry.is_object() && entry.contains("bytes") &&
                      entry["bytes"].is_number_unsigned() && entry.contains("sha256") &&
                      entry["sha256"].is_string() && is_hash(entry["sha256"].get<std::string>()),
                  "{} needs bytes and sha256", what);
  return {entry["bytes"].get<std::uint64_t>(), entry["sha256"].get<std::string>()};
}

}  // namespace

std::string Manifest::encode() const {
  nlohmann::ordered_json document{{"format", kFormat}, {"version", kVersion}, {"step", step}};
  for (const auto& [name, file] : files) {
    document["files"][name] = {{"bytes", file.bytes}, {"sha256", file.sha256}};
  }
  return document.dump(2) + "\n";
}

Manifest Manifest::decode(const std::string& text, const std::string& source) {
  const nlohmann::json document = parse_json_object(text, 3, source);
  CUTTLE_VALIDATE(document.value("format", nlohmann::json()) == kFormat,
                  "{}: not the manifest of a cuttle checkpoint", source);
  const nlohmann::json version = document.value("version", nlohmann::json());
  CUTTLE_VALIDATE(version == kVersion,
                  "{}: checkpoint version {} (this cuttle reads version {}); use the cuttle that "
                  "wrote it",
                  source, version.dump(), kVersion);
  CUTTLE_VALIDATE(document.contains("step") && document["step"].is_number_unsigned() &&
                      document["step"].get<std::uint64_t>() <= INT64_MAX,
                  "{}: no step", source);
  CUTTLE_VALIDATE(document.contains("files") && document["files"].is_object(), "{}: no files",
                  source);
  Manifest manifest;
  manifest.step = document["step"].get<std::int64_t>();
  for (const auto& [name, entry] : document["files"].items()) {
    CUTTLE_VALIDATE(is_plain_name(name), "{}: '{}' is not the name of a file in this folder",
                    source, name);
    manifest.files[name] = parse_file(entry, fmt::format("{}: file '{}'", source, name));
  }
  return manifest;
}

bool is_plain_name(const std::string& name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= 100 && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), allowed);
}

}  // namespace cuttle
