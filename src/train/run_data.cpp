#include "cuttle/train/run_data.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "cuttle/core/error.hpp"
#include "cuttle/core/hash.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/core/nearest_name.hpp"
#include "train/chosen_sources.hpp"

namespace cuttle {
namespace {

std::vector<std::string> names_of(const std::vector<ModalitySpec>& senses) {
  std::vector<std::string> names;
  for (const ModalitySpec& spec : senses) names.push_back(spec.name);
  return names;
}

const ModalitySpec* find_sense(const std::vector<ModalitySpec>& senses, const std::string& name) {
  const auto found = std::find_if(senses.begin(), senses.end(),
                                  [&](const ModalitySpec& spec) { return spec.name == name; });
  return found == senses.end() ? nullptr : &*found;
}

/// Whether one encoder can take both; their normalisation may differ.
bool fit(const ModalitySpec& a, const ModalitySpec& b) {
  return a.kind == b.kind && a.shape == b.shape && a.sample_rate == b.sample_rate;
}

/// Those that the config names, in its order; all if it names none.
std::vector<ModalitySpec> select(const std::vector<ModalitySpec>& senses,
                                 const std::vector<std::string>& wanted) {
  if (wanted.empty()) return senses;
  std::vector<ModalitySpec> chosen;
  for (const std::string& name : wanted) {
    const ModalitySpec* spec = find_sense(senses, name);
    CUTTLE_VALIDATE(spec != nullptr,
                    "no source has the modality '{}' (data.modalities), they have {}; did you mean "
                    "'{}'?",
                    name, fmt::join(names_of(senses), ", "), nearest_name(name, names_of(senses)));
    chosen.push_back(*spec);
  }
  return chosen;
}

}  // namespace

std::vector<ChosenSource> chosen_sources(const RunConfig& config) {
  if (config.sources.empty()) return {{"episode.source", &config.episode.source, 1.0, config.data}};
  std::vector<ChosenSource> chosen;
  for (const auto& [name, options] : config.sources) {
    if (options.weight == 0) continue;
    DataOptions data = config.data;
    data.shards = options.shards;
    data.modalities.clear();
    chosen.push_back({"sources." + name, &options.source, options.weight, std::move(data)});
  }
  return chosen;
}

std::unique_ptr<RunData> RunData::open(const RunConfig& config, const Extensions& extensions,
                                       const TaskInputs* trained) {
  if (trained == nullptr) check_protocol(config, RunConfig(), extensions);
  const std::vector<ModalitySpec>* senses = trained == nullptr ? nullptr : &trained->modalities;
  std::unique_ptr<RunData> run(new RunData());
  run->open_parts(config, extensions, senses);
  if (config.sources.empty()) {
    const Part& only = run->parts_.front();
    if (!only.data)
      run->inputs_ = only.type->inputs(*only.section);
    else
      run->inputs_ = {only.senses, only.target_width,
                      static_cast<std::int64_t>(only.data->classes_of(Split::kTrain).size())};
  } else {
    run->unite(config, senses);
  }
  if (trained != nullptr) run->inputs_ = *trained;
  return run;
}

void RunData::open_parts(const RunConfig& config, const Extensions& extensions,
                         const std::vector<ModalitySpec>* trained) {
  const bool one = config.sources.empty();
  for (ChosenSource& chosen : chosen_sources(config)) {
    const std::string shards = one ? "data.shards" : chosen.key + ".shards";
    Part part;
    part.key = chosen.key;
    part.section = chosen.section;
    part.weight = chosen.weight;
    part.type = &find_type(extensions.sources, one ? chosen.key : chosen.key + ".type",
                           chosen.section->type);
    if (part.type->inputs) {
      CUTTLE_VALIDATE(chosen.data.shards.empty(),
                      "{}: {} makes its tasks itself and would not read them; remove the key",
                      shards, chosen.section->type);
      const TaskInputs gives = part.type->inputs(*chosen.section);
      part.senses = gives.modalities;
      part.target_width = gives.target_width;
    } else if (one) {
      part.data = trained == nullptr ? Dataset::open(chosen.data) : open_for(*trained, chosen.data);
      part.senses = part.data->modalities();
    } else {
      CUTTLE_VALIDATE(!chosen.data.shards.empty(),
                      "{} is missing (the source {} reads shards); name files or patterns such as "
                      "DIR/*.h5",
                      shards, chosen.section->type);
      part.data = Dataset::open(chosen.data);
      part.senses = part.data->modalities();
    }
    if (part.data) part.target_width = part.data->target_width();
    parts_.push_back(std::move(part));
  }
}

/// Several sources in the senses of all of them, or of the model.
void RunData::unite(const RunConfig& config, const std::vector<ModalitySpec>* trained) {
  std::vector<ModalitySpec> all = trained != nullptr ? *trained : std::vector<ModalitySpec>();
  for (const Part& part : parts_)
    for (const ModalitySpec& spec : part.senses) {
      const ModalitySpec* known = find_sense(all, spec.name);
      CUTTLE_VALIDATE(known == nullptr || fit(*known, spec),
                      "{}: its modality {} has another kind, shape or sample rate than {} (one "
                      "encoder serves all); rename one of them in its shards, or make them alike",
                      part.key, spec.name,
                      trained != nullptr ? "the model was trained on" : "an earlier source's");
      if (known == nullptr && trained == nullptr) all.push_back(spec);
    }
  inputs_.modalities = trained != nullptr ? all : select(all, config.data.modalities);
  inputs_.target_width = common_target_width(config);
  if (const Dataset* data = alone())
    inputs_.classes = static_cast<std::int64_t>(data->classes_of(Split::kTrain).size());
  for (Part& part : parts_) {
    std::vector<ModalitySpec> used;
    for (const ModalitySpec& spec : part.senses)
      if (find_sense(inputs_.modalities, spec.name) != nullptr) used.push_back(spec);
    CUTTLE_VALIDATE(!used.empty() || part.senses.empty(),
                    "{}: it has none of the modalities in use ({}), only {}; leave it out, or "
                    "change data.modalities",
                    part.key, fmt::join(names_of(inputs_.modalities), ", "),
                    fmt::join(names_of(part.senses), ", "));
    CUTTLE_VALIDATE(part.data || used.size() == part.senses.size(),
                    "{}: {} gives the modalities {}, which are not all in use; change "
                    "data.modalities",
                    part.key, part.section->type, fmt::join(names_of(part.senses), ", "));
    if (!part.data) continue;
    part.data = in_senses(std::move(part.data), inputs_.modalities);
    part.senses = inputs_.modalities;
  }
}

std::int64_t RunData::common_target_width(const RunConfig& config) const {
  std::int64_t width = -1;
  for (const Part& part : parts_) {
    const std::int64_t own = part.target_width;
    CUTTLE_VALIDATE(width < 0 || own == width || config.episode.target.type == "class",
                    "{}: its samples have {} target values, an earlier source's {} (one model "
                    "predicts them); make them alike",
                    part.key, own, width);
    width = width < 0 || own == width ? own : 0;
  }
  return width;
}

std::string RunData::fingerprint() const {
  if (parts_.size() == 1) return parts_[0].data ? parts_[0].data->fingerprint() : "none";
  Sha256 hash;
  for (const Part& part : parts_) {
    const std::string own = part.key + "=" + (part.data ? part.data->fingerprint() : "none") + "\n";
    hash.update(own.data(), own.size());
  }
  return hash.hex();
}

const Dataset* RunData::alone() const {
  return parts_.size() == 1 ? parts_[0].data.get() : nullptr;
}

RunData::Kept RunData::keep(const Model& model, const ParameterList& parameters,
                            bool input_rows) const {
  Kept kept;
  for (std::size_t i = 0; i < parts_.size(); ++i) kept.emplace_back(model, parameters, input_rows);
  return kept;
}

std::unique_ptr<const TaskSource> RunData::source(const Assembly& assembly,
                                                  const TasksWanted& wanted, Kept* kept) const {
  EpisodeOptions asked = wanted.episode;
  asked.of_values = assembly.kind->values();
  const auto& senses = assembly.model->modalities();
  std::vector<MixturePart> mixture;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    const std::int64_t asks = assembly.kind->outputs(asked.way, part.target_width);
    const std::int64_t given = assembly.kind->outputs(asked.way, inputs_.target_width);
    CUTTLE_VALIDATE(asks == given,
                    "{}: tasks of {} with these keys and data ask for {} outputs, and the model "
                    "gives {}; leave the source, or the data, as in training",
                    part.key, part.section->type, asks, given);
    MixturePart made;
    made.weight = part.weight;
    for (const ModalitySpec& spec : part.senses) {
      const ModalitySpec* place = find_sense(senses, spec.name);
      CUTTLE_VALIDATE(
          place != nullptr && fit(*place, spec),
          "{}: {} with these keys gives other inputs than the model was made for; leave "
          "the source as it was in training",
          part.key, part.section->type);
      made.places.push_back(static_cast<std::size_t>(place - senses.data()));
    }
    made.source = part.type->make({*part.section, asked, wanted.split, part.data.get(),
                                   *assembly.model, kept == nullptr ? nullptr : &(*kept)[i],
                                   wanted.dropout, wanted.evaluation});
    mixture.push_back(std::move(made));
  }
  if (mixture.size() == 1 && mixture[0].places.size() == senses.size())
    return std::move(mixture[0].source);
  return mix(std::move(mixture), senses.size());
}

std::unique_ptr<Dataset> open_for(const std::vector<ModalitySpec>& modalities,
                                  const DataOptions& options) {
  DataOptions wanted = options;
  wanted.modalities.clear();
  wanted.in_memory = false;
  auto data = Dataset::open(wanted);
  const auto own = data->modalities();
  std::vector<std::string> lacking;
  for (const ModalitySpec& spec : modalities) {
    const ModalitySpec* found = find_sense(own, spec.name);
    CUTTLE_VALIDATE(
        found == nullptr || fit(*found, spec),
        "{}: modality {} has another kind, shape or sample rate than the model was trained on; "
        "make the shard with `cuttle-data pack --like` a training shard",
        options.shards.front(), spec.name);
    (found == nullptr ? lacking : wanted.modalities).push_back(spec.name);
  }
  CUTTLE_VALIDATE(lacking.size() < modalities.size(),
                  "{}: it has {}, and the model takes {} (there is nothing that it could look at); "
                  "give data of these senses",
                  options.shards.front(), fmt::join(names_of(own), ", "),
                  fmt::join(names_of(modalities), ", "));
  if (!lacking.empty())
    log_warning("{}: no sample has {}; the model answers without", options.shards.front(),
                fmt::join(lacking, ", "));
  if (options.in_memory) {  // only what is looked at
    wanted.in_memory = true;
    data = Dataset::open(wanted);
  }
  return in_senses(std::move(data), modalities);
}

}  // namespace cuttle
