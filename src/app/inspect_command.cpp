#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/describe_run.hpp"
#include "cuttle/data/dataset.hpp"

namespace cuttle {
namespace {

using nlohmann::ordered_json;

/// How many classes there are, and what decides whether an episode can have them.
void describe_split(const Dataset& data, Split split, ordered_json& json) {
  const auto& classes = data.classes_of(split);
  json["classes_of"][to_string(split)] = classes.size();
  if (classes.empty()) return;
  const auto size = [&](std::int32_t id) { return data.samples_of(id).size(); };
  const auto [least, most] =
      std::minmax_element(classes.begin(), classes.end(),
                          [&](std::int32_t a, std::int32_t b) { return size(a) < size(b); });
  json["samples_per_class"][to_string(split)] = {
      {"least", size(*least)},
      {"of", data.class_names()[static_cast<std::size_t>(*least)]},
      {"most", size(*most)}};
}

ordered_json describe_shard(const std::string& path) {
  DataOptions options;
  options.shards = {path};
  const auto data = Dataset::open(options);
  ordered_json json{{"shard", path},
                    {"samples", data->samples().size()},
                    {"classes", data->class_names().size()},
                    {"groups", data->group_names()},
                    {"target_width", data->target_width()},
                    {"fingerprint", data->fingerprint()}};
  for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest})
    describe_split(*data, split, json);
  for (std::size_t m = 0; m < data->modalities().size(); ++m) {
    const ModalitySpec& spec = data->modalities()[m];
    std::int64_t present = 0;
    for (const auto& sample : data->samples()) present += sample.present >> m & 1u;
    json["modalities"].push_back({{"name", spec.name},
                                  {"kind", to_string(spec.kind)},
                                  {"shape", spec.shape},
                                  {"sample_rate", spec.sample_rate},
                                  {"present", present}});
  }
  return json;
}

void print_text(const ordered_json& json, const std::string& indent) {
  for (const auto& [key, value] : json.items()) {
    if (value.is_object()) {
      std::cout << indent << key << ":\n";
      print_text(value, indent + "  ");
    } else if (value.is_array() && !value.empty() && value[0].is_string()) {
      std::cout << indent << key << ":\n";
      for (const auto& line : value) std::cout << indent << "- " << line.get<std::string>() << "\n";
    } else {
      std::cout << indent << key << ": "
                << (value.is_string() ? value.get<std::string>() : value.dump()) << "\n";
    }
  }
}

}  // namespace

ExitCode inspect_command(const InspectArguments& arguments, const Extensions& extensions) {
  const std::string& path = arguments.path;
  const bool shard = path.size() > 3 && path.compare(path.size() - 3, 3, ".h5") == 0;
  CUTTLE_VALIDATE(!shard || !arguments.deterministic,
                  "--deterministic is about runs, {} is a shard; give a run folder", path);
  const ordered_json json = shard                     ? describe_shard(path)
                            : arguments.deterministic ? describe_determinism(path, extensions)
                                                      : describe_run(path, extensions);
  if (arguments.json)
    std::cout << json.dump(2) << "\n";
  else
    print_text(json, "");
  return ExitCode::kDone;
}

}  // namespace cuttle
