#include "app/describe_adapted.hpp"

#include <cmath>

namespace cuttle {

using nlohmann::ordered_json;

ordered_json told(const ModalitySpec& spec) {
  ordered_json json{{"name", spec.name},
                    {"kind", to_string(spec.kind)},
                    {"shape", spec.shape},
                    {"sample_rate", spec.sample_rate}};
  if (!spec.columns.empty()) json["columns"] = spec.columns;
  for (std::size_t c = 0; c < spec.categories.size(); ++c)
    if (!spec.categories[c].empty()) json["categories"][spec.columns[c]] = spec.categories[c];
  if (spec.holes) json["holes"] = true;
  for (const FittedStep& step : spec.fitted) json["fitted"].push_back(step.words);
  return json;
}

ordered_json describe_adapted(const std::string& path, const AdaptedTo& to, const Assembly& parts) {
  const auto& [config, inputs, classes, calibration, novelty, known_tasks, held_files,
               stands_alone] = to;
  ordered_json json{{"adapted", path},
                    {"run", config.name},
                    {"learner", config.adapt.type},
                    {"fusion", config.model.fusion.type},
                    {"answers", parts.learner->samples_apart() ? "inductive" : "transductive"},
                    {"classes", classes}};
  if (!parts.kind->classes()) {
    json["values"] = inputs.target_width;
    json["targets"] = names_of_targets(inputs);
    if (!inputs.units.empty())
      json["units"] = {{"origin", inputs.units.origin}, {"scale", inputs.units.scale}};
  }
  for (const ModalitySpec& spec : inputs.modalities) json["modalities"].push_back(told(spec));
  if (calibration) {
    json["calibration"] = {{"temperature", calibration->temperature},
                           {"episodes", calibration->episodes},
                           {"way", calibration->way},
                           {"shot", calibration->shot},
                           {"known", novelty.has_value()}};
    if (std::isfinite(calibration->separation))
      json["calibration"]["separation"] = calibration->separation;
  } else {
    json["calibration"] = "none";
  }
  if (!held_files.empty()) {
    json[kHeldFiles] = held_files;
    json["stands_alone"] = stands_alone;
  }
  if (!known_tasks.empty()) json["known_tasks"] = ordered_json::parse(known_tasks);
  return json;
}

}  // namespace cuttle
