#include "cuttle/train/feature_bank.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/hash.hpp"
#include "cuttle/core/json_guard.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/core/safetensors.hpp"

namespace cuttle {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAbout = "about.json";
constexpr const char* kDigest = "sha256";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string digest_of(const NamedArray& array) {
  return sha256({reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size()});
}

}  // namespace

std::string FeatureBank::root(const std::string& key) {
  if (key == "none") return {};
  if (key != "auto") return expand_variables(key);
  if (const auto own = environment("CUTTLE_FEATURES"); !own.empty()) return own;
  if (const auto cache = environment("XDG_CACHE_HOME"); !cache.empty())
    return cache + "/cuttle/features";
  const auto home = environment("HOME");
  return home.empty() ? std::string() : home + "/.cache/cuttle/features";
}

FeatureBank::FeatureBank(const std::string& root, const std::map<std::string, std::string>& facts,
                         std::int64_t samples, std::int64_t width)
    : samples_(samples), width_(width) {
  const std::string about = nlohmann::json(facts).dump(2) + "\n";
  folder_ = root + "/" + sha256(about).substr(0, 32);
  make_folders(folder_);
  if (const auto path = folder_ + "/" + kAbout; !fs::exists(path))
    write_file_atomically(path, about);
}

std::int64_t FeatureBank::size(std::int64_t part) const {
  return std::min(kPart, samples_ - first(part));
}

std::string FeatureBank::path_of(std::int64_t part) const {
  return fmt::format("{}/part-{:06d}.safetensors", folder_, part);
}

std::optional<std::vector<float>> FeatureBank::read(std::int64_t part) const {
  const std::string path = path_of(part);
  if (!fs::exists(path)) return std::nullopt;
  try {
    const ArrayFile file = read_safetensors(path);
    const std::vector<std::int64_t> shape{size(part), width_};
    const auto digest = file.metadata.find(kDigest);
    if (file.arrays.size() == 1 && file.arrays[0].shape == shape && digest != file.metadata.end() &&
        digest->second == digest_of(file.arrays[0]))
      return unpack_array<float>(file.arrays[0]);
    log_warning("{}: is not what was written (damaged?); its features are computed again", path);
  } catch (const UserError& problem) {
    log_warning("{} (damaged?); its features are computed again", problem.what());
  }
  return std::nullopt;
}

void FeatureBank::write(std::int64_t part, Span<const float> values) const {
  std::vector<NamedArray> arrays{pack_array<float>("features", {size(part), width_}, values)};
  write_file_atomically(path_of(part),
                        encode_safetensors(arrays, {{kDigest, digest_of(arrays[0])}}));
}

void FeatureBank::touch() const {
  std::error_code ignored;  // of another user, say: it is only about what may be removed
  fs::last_write_time(folder_ + "/" + kAbout, fs::file_time_type::clock::now(), ignored);
}

std::vector<FeatureBank::Found> FeatureBank::list(const std::string& root) {
  std::vector<Found> banks;
  if (root.empty() || !fs::is_directory(root)) return banks;
  for (const auto& entry : fs::directory_iterator(root)) {
    const auto about = entry.path() / kAbout;
    if (!fs::is_regular_file(about)) continue;
    Found found{entry.path().string(), {}, 0, 0};
    const auto told = parse_json_object(read_file(about.string(), 1 << 20), 2, about.string());
    for (const auto& [name, value] : told.items())
      if (value.is_string()) found.facts[name] = value.get<std::string>();
    for (const auto& file : fs::directory_iterator(entry.path()))
      if (file.is_regular_file()) found.bytes += static_cast<std::int64_t>(file.file_size());
    const auto since = fs::file_time_type::clock::now() - fs::last_write_time(about);
    found.days_unused = std::chrono::duration<double>(since).count() / 86400;
    banks.push_back(std::move(found));
  }
  std::sort(banks.begin(), banks.end(),
            [](const Found& a, const Found& b) { return a.folder < b.folder; });
  return banks;
}

std::vector<FeatureBank::Found> FeatureBank::remove_unused(const std::string& root, double days) {
  std::vector<Found> removed;
  for (auto& found : list(root)) {
    if (found.days_unused < days) continue;
    std::error_code failure;
    fs::remove_all(found.folder, failure);
    CUTTLE_VALIDATE(!failure, "{}: cannot be removed ({}); remove it as its owner", found.folder,
                    failure.message());
    removed.push_back(std::move(found));
  }
  return removed;
}

}  // namespace cuttle
