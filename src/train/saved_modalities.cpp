#include <charconv>
#include <nlohmann/json.hpp>

#include "cuttle/core/error.hpp"
#include "cuttle/train/assembly.hpp"

namespace cuttle {
namespace {

ModalityKind kind_from(const std::string& word) {
  for (const auto kind :
       {ModalityKind::kImage, ModalityKind::kText, ModalityKind::kAudio, ModalityKind::kSeries,
        ModalityKind::kVector, ModalityKind::kVideo, ModalityKind::kGraph})
    if (word == to_string(kind)) return kind;
  throw UserError("unknown modality kind '" + word + "' (written by a newer version?)");
}

/// Names, those of categories with these.
void read_columns(const nlohmann::json& columns, ModalitySpec& spec) {
  bool any = false;
  for (const auto& column : columns) {
    const bool plain = column.is_string();
    spec.columns.push_back((plain ? column : column.at("name")).get<std::string>());
    spec.categories.emplace_back();
    if (!plain) column.at("categories").get_to(spec.categories.back());
    any = any || !plain;
  }
  if (!any) spec.categories.clear();
  CUTTLE_VALIDATE(!any || (spec.kind == ModalityKind::kVector && spec.shape.size() == 1 &&
                           spec.shape[0] == static_cast<std::int64_t>(columns.size())),
                  "the saved modality {} does not name its categories by column (damaged?)",
                  spec.name);
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
    if (spec.most_frames > 0) list.back()["most_frames"] = spec.most_frames;
    for (std::size_t c = 0; c < spec.columns.size(); ++c)
      if (spec.categories.empty() || spec.categories[c].empty())
        list.back()["columns"].push_back(spec.columns[c]);
      else
        list.back()["columns"].push_back(
            {{"name", spec.columns[c]}, {"categories", spec.categories[c]}});
    if (spec.holes) list.back()["holes"] = true;
    if (spec.directed) list.back()["directed"] = true;
    for (const FittedStep& step : spec.fitted)
      list.back()["fitted"].push_back({{"type", step.type},
                                       {"words", step.words},
                                       {"columns", step.columns},
                                       {"numbers", step.numbers},
                                       {"texts", step.texts}});
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
      read_columns(entry.value("columns", nlohmann::json::array()), spec);
      spec.holes = entry.value("holes", false);
      spec.directed = entry.value("directed", false);
      spec.most_frames = entry.value("most_frames", std::int64_t{0});
      for (const auto& step : entry.value("fitted", nlohmann::json::array()))
        spec.fitted.push_back(
            {step.at("type").get<std::string>(), step.at("words").get<std::string>(),
             step.at("columns").get<std::int64_t>(), step.at("numbers").get<FittedNumbers>(),
             step.value("texts", std::vector<std::string>())});
      modalities.push_back(std::move(spec));
    }
  } catch (const nlohmann::json::exception& cause) {
    throw UserError(std::string("the saved modalities cannot be read: ") + cause.what());
  }
  return modalities;
}

std::map<std::string, std::string> entries_of(const TaskInputs& inputs) {
  std::map<std::string, std::string> entries{{"modalities", modalities_to_json(inputs.modalities)},
                                             {"target_width", std::to_string(inputs.target_width)},
                                             {"training_classes", std::to_string(inputs.classes)}};
  if (!inputs.target_names.empty())
    entries["target_names"] = nlohmann::json(inputs.target_names).dump();
  if (!inputs.units.empty())
    entries["target_units"] =
        nlohmann::json{{"origin", inputs.units.origin}, {"scale", inputs.units.scale}}.dump();
  return entries;
}

TaskInputs inputs_from(const std::map<std::string, std::string>& entries, const std::string& file) {
  const auto specs = entries.find("modalities");
  CUTTLE_VALIDATE(specs != entries.end(), "{}: does not say which modalities the model takes",
                  file);
  const auto count = [&](const std::string& name) {
    const auto found = entries.find(name);
    if (found == entries.end()) return std::int64_t{0};
    const std::string& text = found->second;
    std::int64_t value = -1;
    const auto end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, value);
    CUTTLE_VALIDATE(result.ec == std::errc() && result.ptr == end && value >= 0,
                    "{}: its {} '{}' is no count (damaged?)", file, name, text);
    return value;
  };
  TaskInputs inputs{modalities_from_json(specs->second), count("target_width"),
                    count("training_classes")};
  if (const auto names = entries.find("target_names"); names != entries.end()) {
    const auto list = nlohmann::json::parse(names->second, nullptr, false);
    for (const auto& name : list.is_array() ? list : nlohmann::json::array())
      if (name.is_string()) inputs.target_names.push_back(name.get<std::string>());
  }
  if (const auto units = entries.find("target_units"); units != entries.end()) {
    const auto told = nlohmann::json::parse(units->second, nullptr, false);
    try {
      inputs.units = {told.at("origin").get<std::vector<double>>(),
                      told.at("scale").get<std::vector<double>>()};
    } catch (const nlohmann::json::exception& cause) {
      throw UserError(fmt::format("{}: its target_units cannot be read: {}", file, cause.what()));
    }
    const auto width = static_cast<std::size_t>(inputs.target_width);
    CUTTLE_VALIDATE(inputs.units.origin.size() == width && inputs.units.scale.size() == width,
                    "{}: its target_units are not those of {} targets (damaged?)", file, width);
  }
  return inputs;
}

}  // namespace cuttle
