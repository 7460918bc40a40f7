#include "cuttle/train/run_data.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/hash.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/core/nearest_name.hpp"
#include "train/chosen_sources.hpp"
#include "train/fit_senses.hpp"
#include "train/other_data.hpp"

namespace cuttle {
namespace {

/// Whether one encoder can take both; their normalisation may differ.
bool fit(const ModalitySpec& a, const ModalitySpec& b) {
  return a.kind == b.kind && a.shape == b.shape && a.sample_rate == b.sample_rate;
}

/// Whether the shards' sense is what the model's was before its preprocessing.
bool can_become(const ModalitySpec& own, const ModalitySpec& models) {
  return fit(own, models.recorded());
}

/// The key of this name in the section of another.
std::string beside(const std::string& key, const char* name) {
  return key.substr(0, key.rfind('.') + 1) + name;
}

/// A source that reads shards names some, also one that is left out: else a name that was written
/// wrongly would make a source of its own.
void check_shards(const RunConfig& config, const std::string& name, const SourceType& type) {
  const SourceOptions& options = config.sources.at(name);
  if (type.inputs || !options.shards.empty()) return;
  std::vector<std::string> others;
  for (const auto& other : config.sources)
    if (other.first != name && !other.second.shards.empty()) others.push_back(other.first);
  throw UserError(fmt::format(
      "sources.{}.shards is missing (the source {} reads shards); name files or patterns such as "
      "DIR/*.h5{}",
      name, options.source.type,
      others.empty() ? "" : ", or did you mean sources." + nearest_name(name, others) + "?"));
}

/// Says which source it was that could not do something.
template <class Work>
void named(const std::string& key, const Work& work) {
  try {
    work();
  } catch (const UserError& problem) {
    throw UserError(key + ": " + problem.what());
  }
}

/// Of a source that makes its tasks itself.
void refuse_shards(const ChosenSource& chosen) {
  const auto refuse = [&](const std::string& key, const std::vector<std::string>& shards) {
    CUTTLE_VALIDATE(shards.empty(),
                    "{}: {} makes its tasks itself and would not read them; remove the key", key,
                    chosen.section->type);
  };
  refuse(chosen.shards_key, chosen.data.shards);
  refuse(beside(chosen.shards_key, "validation_shards"), chosen.data.validation_shards);
  refuse(beside(chosen.shards_key, "test_shards"), chosen.data.test_shards);
}

/// Another run's mean and stddev, for the senses that fit.
void take_statistics(const std::vector<ModalitySpec>& from, std::vector<ModalitySpec>& senses) {
  for (ModalitySpec& spec : senses)
    if (const ModalitySpec* other = find_modality(from, spec.name);
        other && other->fitted.empty() && fit(*other, spec)) {
      spec.mean = other->mean;
      spec.stddev = other->stddev;
    }
}

std::unique_ptr<Dataset> in_statistics(std::unique_ptr<Dataset> data,
                                       const std::vector<ModalitySpec>* statistics) {
  if (statistics == nullptr) return data;
  std::vector<ModalitySpec> senses = data->modalities();
  take_statistics(*statistics, senses);
  return in_senses(std::move(data), std::move(senses));
}

DataOptions on_disk(DataOptions options) {
  options.in_memory = false;
  return options;
}

/// The data set of these options, with the rows of these senses in memory if that is asked for.
std::unique_ptr<Dataset> with_rows(std::unique_ptr<Dataset> on_disk, DataOptions options,
                                   std::vector<std::string> senses) {
  if (!options.in_memory) return on_disk;
  options.modalities = std::move(senses);
  return Dataset::open(options);
}

/// Those that the config names, in its order; all if it names none.
std::vector<ModalitySpec> select(const std::vector<ModalitySpec>& senses,
                                 const std::vector<std::string>& wanted) {
  if (wanted.empty()) return senses;
  std::vector<ModalitySpec> chosen;
  for (const std::string& name : wanted) {
    const ModalitySpec* spec = find_modality(senses, name);
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
  if (config.sources.empty())
    return {{"episode.source", "episode.source", "data.shards", &config.episode.source, 1.0,
             config.data}};
  std::vector<ChosenSource> chosen;
  for (const auto& [name, options] : config.sources) {
    if (options.weight == 0) continue;
    DataOptions data = config.data;
    data.shards = options.shards;
    data.validation_shards = options.validation_shards;
    data.test_shards = options.test_shards;
    data.modalities.clear();
    const std::string key = "sources." + name;
    chosen.push_back(
        {key, key + ".type", key + ".shards", &options.source, options.weight, std::move(data)});
  }
  return chosen;
}

std::unique_ptr<RunData> RunData::open(const RunConfig& config, const Extensions& extensions,
                                       const TaskInputs* trained,
                                       const std::vector<ModalitySpec>* statistics) {
  const std::vector<ModalitySpec>* senses = trained == nullptr ? nullptr : &trained->modalities;
  const Section& target = config.episode.target;
  const auto kind = find_type(extensions.targets, "episode.target", target.type).make({target});
  std::unique_ptr<RunData> run(new RunData());
  run->open_parts(config, extensions, senses, statistics);
  if (config.sources.empty()) {
    const Part& only = run->parts_.front();
    if (!only.data)
      run->inputs_ = only.type->inputs(*only.section);
    else
      run->inputs_ = {only.senses, only.target_width,
                      static_cast<std::int64_t>(only.data->classes_of(Split::kTrain).size())};
  } else {
    run->unite(config, kind->values(), extensions, senses, statistics);
  }
  if (trained == nullptr) run->preprocess(config, extensions, statistics);
  run->open_own_sets(extensions, trained == nullptr);
  if (trained != nullptr) {
    run->inputs_ = *trained;
  } else {
    for (const Part& part : run->parts_)
      if (part.data && part.target_width == run->inputs_.target_width)
        run->inputs_.target_names = part.data->target_names();
    if (kind->in_training_units()) run->inputs_.units = run->training_units();
    check_augmentation(config, run->inputs_);
  }
  return run;
}

/// Calls `work` with the key and the options of each data set that a split has for itself.
template <class Work>
void RunData::for_each_own(const Part& part, const Work& work) {
  const auto call = [&](const char* name, const std::vector<std::string>& shards, Split split) {
    if (shards.empty()) return;
    DataOptions options = part.options;
    options.shards = shards;
    options.modalities.clear();
    options.fold.clear();
    work(beside(part.shards_key, name), options, split);
  };
  call("validation_shards", part.options.validation_shards, Split::kValidation);
  call("test_shards", part.options.test_shards, Split::kTest);
}

void RunData::open_parts(const RunConfig& config, const Extensions& extensions,
                         const std::vector<ModalitySpec>* trained,
                         const std::vector<ModalitySpec>* statistics) {
  const bool one = config.sources.empty();
  ProblemList problems;
  for (const auto& [name, options] : config.sources)
    check_shards(config, name,
                 find_type(extensions.sources, "sources." + name + ".type", options.source.type));
  for (ChosenSource& chosen : chosen_sources(config)) {
    Part part;
    part.key = chosen.key;
    part.shards_key = chosen.shards_key;
    part.section = chosen.section;
    part.weight = chosen.weight;
    part.type = &find_type(extensions.sources, chosen.type_key, chosen.section->type);
    if (part.type->inputs) {
      refuse_shards(chosen);
      const TaskInputs gives = part.type->inputs(*chosen.section);
      part.senses = gives.modalities;
      part.target_width = gives.target_width;
    } else {
      part.options = std::move(chosen.data);
      problems.attempt([&] {
        if (!one)
          named(part.key, [&] { part.data = Dataset::open(on_disk(part.options)); });
        else if (trained != nullptr)
          part.data = open_for(*trained, part.options, extensions);
        else
          part.data = in_statistics(Dataset::open(part.options), statistics);
      });
      if (part.data)
        part.senses = part.data->modalities();
      else  // what the others lack is told with it
        for_each_own(part, [&](const std::string& key, const DataOptions& own, Split) {
          problems.attempt([&] { named(key, [&] { Dataset::open(on_disk(own)); }); });
        });
    }
    if (part.data) part.target_width = part.data->target_width();
    if (trained == nullptr && part.type->files_fingerprint)
      problems.attempt([&] {
        named(part.key,
              [&] { part.files_fingerprint = part.type->files_fingerprint(*part.section); });
      });
    parts_.push_back(std::move(part));
  }
  problems.throw_if_any();
}

/// Several sources in the senses of all of them, or of the model.
void RunData::unite(const RunConfig& config, bool values, const Extensions& extensions,
                    const std::vector<ModalitySpec>* trained,
                    const std::vector<ModalitySpec>* statistics) {
  std::vector<ModalitySpec> all = trained != nullptr ? *trained : std::vector<ModalitySpec>();
  for (const Part& part : parts_)
    for (const ModalitySpec& spec : part.senses) {
      const ModalitySpec* known = find_modality(all, spec.name);
      CUTTLE_VALIDATE(known == nullptr || can_become(spec, *known),
                      "{}: its modality {} has another kind, shape or sample rate than {} (one "
                      "encoder serves all); make them alike, or give one another name",
                      part.key, spec.name,
                      trained != nullptr ? "the model was trained on" : "an earlier source's");
      if (known != nullptr) check_columns(*known, spec, part.key);
      if (known != nullptr && known->fitted.empty() &&
          (known->mean != spec.mean || known->stddev != spec.stddev))
        log_warning("{}: its {} are normalised with {} mean and standard deviation", part.key,
                    spec.name, trained != nullptr ? "the training data's" : "an earlier source's");
      if (known == nullptr && trained == nullptr) all.push_back(spec);
      if (known != nullptr && trained == nullptr && spec.holes)
        all[static_cast<std::size_t>(known - all.data())].holes = true;
    }
  if (statistics != nullptr) take_statistics(*statistics, all);
  inputs_.modalities = trained != nullptr ? all : select(all, config.data.modalities);
  CUTTLE_VALIDATE(inputs_.modalities.size() <= kMostModalities,
                  "sources: they have {} modalities, a run takes {} at most; choose some with "
                  "data.modalities",
                  inputs_.modalities.size(), kMostModalities);
  inputs_.target_width = common_target_width(values);
  if (const Dataset* data = alone(Split::kTrain))
    inputs_.classes = static_cast<std::int64_t>(data->classes_of(Split::kTrain).size());
  for (Part& part : parts_) {
    std::vector<ModalitySpec> used;
    for (const ModalitySpec& spec : part.senses)
      if (find_modality(inputs_.modalities, spec.name) != nullptr) used.push_back(spec);
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
    if (used.size() < inputs_.modalities.size() && trained != nullptr)
      warn_of_lacking(part.key, used, inputs_.modalities);
    part.data = in_fitted_senses(with_rows(std::move(part.data), part.options, names_of(used)),
                                 inputs_.modalities, extensions.fitted);
    part.senses = inputs_.modalities;
  }
}

/// Once in a run, before anything is drawn.
void RunData::preprocess(const RunConfig& config, const Extensions& extensions,
                         const std::vector<ModalitySpec>* statistics) {
  std::vector<const Dataset*> data;
  for (const Part& part : parts_)
    if (part.data) data.push_back(part.data.get());
  const std::vector<ModalitySpec> recorded = inputs_.modalities;
  fit_senses(config, extensions, data, statistics, inputs_.modalities);
  if (inputs_.modalities == recorded) return;
  for (Part& part : parts_) {
    CUTTLE_VALIDATE(part.data,
                    "{}: {} makes its samples itself, and model.encoders.*.fitted goes by those of "
                    "shards (its own would not come through the steps); remove one of the keys",
                    part.key, part.section->type);
    part.data = in_fitted_senses(std::move(part.data), inputs_.modalities, extensions.fitted);
    part.senses = inputs_.modalities;
  }
}

TargetUnits RunData::training_units() const {
  std::vector<const Dataset*> data;
  for (const Part& part : parts_) {
    CUTTLE_VALIDATE(part.data,
                    "{}: {} draws its values itself (episode.units: training goes by those of "
                    "shards); use own",
                    part.key, part.section->type);
    data.push_back(part.data.get());
  }
  return fit_units(data);
}

std::int64_t RunData::common_target_width(bool values) const {
  std::int64_t width = -1;
  for (const Part& part : parts_) {
    const std::int64_t own = part.target_width;
    CUTTLE_VALIDATE(width < 0 || own == width || !values,
                    "{}: its samples have {} target values, an earlier source's {} (one model "
                    "predicts them); make them alike",
                    part.key, own, width);
    width = width < 0 || own == width ? own : 0;
  }
  return width;
}

/// Whatever validation and test have for themselves, as the tasks of training see theirs.
void RunData::open_own_sets(const Extensions& extensions, bool training) {
  ProblemList problems;
  for (Part& part : parts_)
    for_each_own(part, [&](const std::string& key, const DataOptions& own, Split split) {
      const bool read = !training || split != Split::kTest;
      problems.attempt([&] {
        named(key, [&] {
          (split == Split::kTest ? part.test : part.validation) =
              open_for(inputs_.modalities, read ? own : on_disk(own), extensions);
        });
      });
    });
  problems.throw_if_any();
}

std::string RunData::fingerprint() const {
  const auto of = [](const Part& part) {
    if (!part.data) return std::string("none");
    const std::string own = part.data->fingerprint();
    return part.validation ? sha256(own + part.validation->fingerprint()) : own;
  };
  if (parts_.size() == 1) return of(parts_[0]);
  std::string text;
  for (const Part& part : parts_) text += part.key + "=" + of(part) + "\n";
  return sha256(text);
}

std::string RunData::files_fingerprint() const {
  std::string text;
  for (const Part& part : parts_)
    if (!part.files_fingerprint.empty()) text += part.key + "=" + part.files_fingerprint + "\n";
  return text.empty() ? text : sha256(text);
}

const Dataset* RunData::Part::of(Split split) const {
  CUTTLE_VALIDATE(split != Split::kAll || !(validation || test),
                  "--split all: validation or test have shards of their own (what is in one data "
                  "set is evaluated as one); name the shards that you mean with --shards");
  if (split == Split::kValidation && validation) return validation.get();
  if (split == Split::kTest && test) return test.get();
  return data.get();
}

const std::vector<std::string>& RunData::Part::shards_of(Split split) const {
  if (split == Split::kValidation && validation) return options.validation_shards;
  if (split == Split::kTest && test) return options.test_shards;
  return options.shards;
}

const Dataset* RunData::alone(Split split) const {
  return parts_.size() == 1 ? parts_[0].of(split) : nullptr;
}

std::vector<std::string> RunData::shards_of(Split split) const {
  std::vector<std::string> all;
  for (const Part& part : parts_)
    for (const std::string& pattern : part.shards_of(split))
      if (std::find(all.begin(), all.end(), pattern) == all.end()) all.push_back(pattern);
  return all;
}

RunData::Kept RunData::keep(const Model& model, const ParameterList& parameters,
                            bool input_rows) const {
  Kept kept;
  for (const Part& part : parts_)
    for (const auto* data : {part.data.get(), part.validation.get(), part.test.get()})
      if (data != nullptr) kept.try_emplace(data, model, parameters, input_rows);
  return kept;
}

std::unique_ptr<const TaskSource> RunData::source(const Assembly& assembly,
                                                  const TasksWanted& wanted, Kept* kept) const {
  EpisodeOptions asked = wanted.episode;
  asked.of_values = assembly.kind->values();
  const auto& senses = assembly.model->modalities();
  std::vector<MixturePart> mixture;
  for (const Part& part : parts_) {
    const Dataset* data = part.of(wanted.split);
    const std::int64_t asks =
        assembly.kind->outputs(asked.way, data ? data->target_width() : part.target_width);
    const std::int64_t given = assembly.kind->outputs(asked.way, inputs_.target_width);
    CUTTLE_VALIDATE(asks == given,
                    "{}: tasks of {} with these keys and data ask for {} outputs, and the model "
                    "gives {}; leave the source, or the data, as in training",
                    part.key, part.section->type, asks, given);
    if (data != nullptr) check_targets(*assembly.kind, *data, part.key);
    MixturePart made;
    made.weight = part.weight;
    for (const ModalitySpec& spec : part.senses) {
      const ModalitySpec* place = find_modality(senses, spec.name);
      CUTTLE_VALIDATE(
          place != nullptr && fit(*place, spec),
          "{}: {} with these keys gives other inputs than the model was made for; leave "
          "the source as it was in training",
          part.key, part.section->type);
      made.places.push_back(static_cast<std::size_t>(place - senses.data()));
    }
    const auto make = [&] {
      made.source = part.type->make({*part.section, asked, wanted.split, data, *assembly.model,
                                     kept == nullptr || data == nullptr ? nullptr : &kept->at(data),
                                     wanted.dropout, wanted.evaluation, wanted.augment});
    };
    if (parts_.size() > 1)
      named(part.key, make);
    else
      make();
    mixture.push_back(std::move(made));
  }
  std::vector<std::size_t> in_order(senses.size());
  std::iota(in_order.begin(), in_order.end(), std::size_t{0});
  auto source = mixture.size() == 1 && mixture[0].places == in_order
                    ? std::move(mixture[0].source)
                    : mix(std::move(mixture), senses.size());
  const bool drops = assembly.model->drops() && !wanted.evaluation;
  return drops ? with_dropout(std::move(source), *assembly.model) : std::move(source);
}

std::unique_ptr<Dataset> open_for(const std::vector<ModalitySpec>& modalities,
                                  const DataOptions& options, const Extensions& extensions,
                                  const std::string& name) {
  const std::string& where = name.empty() ? options.shards.front() : name;
  DataOptions all = options;
  all.modalities.clear();
  auto data = Dataset::open(on_disk(all));
  std::vector<ModalitySpec> used, senses = modalities;
  for (ModalitySpec& spec : senses) {
    const ModalitySpec* found = find_modality(data->modalities(), spec.name);
    CUTTLE_VALIDATE(
        found == nullptr || can_become(*found, spec),
        "{}: modality {} has another kind, shape or sample rate than the model was trained on; "
        "make the shard with `cuttle-data pack --like` the run",
        where, spec.name);
    if (found == nullptr) continue;
    if (spec.columns.empty()) spec.columns = found->columns;
    check_columns(spec, *found, where);
    warn_of_holes(spec, *found, where, extensions);
    used.push_back(spec);
  }
  CUTTLE_VALIDATE(!used.empty(),
                  "{}: it has {}, and the model takes {} (there is nothing that it could look at); "
                  "give data of these senses",
                  where, fmt::join(names_of(data->modalities()), ", "),
                  fmt::join(names_of(modalities), ", "));
  if (used.size() < modalities.size()) warn_of_lacking(where, used, modalities);
  return in_fitted_senses(with_rows(std::move(data), all, names_of(used)), std::move(senses),
                          extensions.fitted);
}

}  // namespace cuttle
