#include <nlohmann/json.hpp>

#include "cuttle/core/error.hpp"
#include "cuttle/train/assembly.hpp"

namespace cuttle {
namespace {

ModalityKind kind_from(const std::string& word) {
  for (const auto kind : {ModalityKind::kImage, ModalityKind::kText, ModalityKind::kAudio,
                          ModalityKind::kSeries, ModalityKind::kVector})
    if (word == to_string(kind)) return kind;
  throw UserError("unknown modality kind '" + word + "' (written by a newer version?)");
}

}  // namespace

std::string modalities_to_json(const std::vector<ModalitySpec>& modalities) {
  auto list = nlohmann::json::array();
  for (const auto& spec : modalities) {
    list.push_back({{"name", spec.name},
                    {"kind", to_string(spec.kind)},
                    {"shape", spec.shape},
                    {"sample_rate", spec.sample_rate},
                    {"mean", spec.mean},
                    {"stddev", spec.stddev}});
    if (spec.kind == ModalityKind::kAudio) list.back()["centred"] = spec.centred;
    if (!spec.columns.empty()) list.back()["columns"] = spec.columns;
  }
  return list.dump();
}

std::vector<ModalitySpec> modalities_from_json(const std::string& text) {
  std::vector<ModalitySpec> modalities;
  try {
    for (const auto& entry : nlohmann::json::parse(text)) {
      ModalitySpec spec;
      spec.name = entry.at("name").get<std::string>();
      spec.kind = kind_from(entry.at("kind").get<std::string>());
      spec.shape = entry.at("shape").get<std::vector<std::int64_t>>();
      spec.sample_rate = entry.at("sample_rate").get<double>();
      spec.mean = entry.at("mean").get<std::vector<float>>();
      spec.stddev = entry.at("stddev").get<std::vector<float>>();
      // Versions that centred recordings did not say so.
      spec.centred = spec.kind == ModalityKind::kAudio && entry.value("centred", true);
      spec.columns = entry.value("columns", std::vector<std::string>());
      modalities.push_back(std::move(spec));
    }
  } catch (const nlohmann::json::exception& cause) {
    throw UserError(std::string("the saved modalities cannot be read: ") + cause.what());
  }
  return modalities;
}

}  // namespace cuttle
