#include "train/start_parameters.hpp"

#include <fmt/ranges.h>
#include <torch/types.h>

#include <algorithm>
#include <map>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/train/assembly.hpp"
#include "cuttle/train/run_state.hpp"

namespace cuttle {
namespace {

/// Another run's best checkpoint, or that checkpoint, whose parameters are wanted.
struct Source {
  std::string key;  ///< of the config
  std::string folder;
  std::vector<NamedArray> parameters;
  std::vector<ModalitySpec> inputs;  ///< none: it does not say
  std::string config;                ///< as YAML
  std::map<std::string, std::string> facts;
};

Source read_source(std::string key, const std::string& from) {
  auto found = [&] {
    try {
      return find_checkpoint(expand_variables(from), true);
    } catch (const UserError& problem) {
      throw UserError(key + ": " + problem.what());
    }
  }();
  Source source{std::move(key), found.folder, {}, {}, found.content->config_yaml, {}};
  if (const auto file = found.content->files.find("parameters"); file != found.content->files.end())
    source.parameters = std::move(file->second);
  if (const auto specs = found.content->facts.find("modalities");
      specs != found.content->facts.end())
    source.inputs = modalities_from_json(specs->second);
  source.facts = std::move(found.content->facts);
  return source;
}

/// Both keys of a run that name others.
template <class Take, class Freeze>
void for_each_source(const RunConfig& config, const Take& take, const Freeze& freeze) {
  if (!config.train.init_from.empty()) take(read_source("train.init_from", config.train.init_from));
  for (const auto& [modality, encoder] : config.model.encoders)
    if (!encoder.frozen_from.empty())
      freeze(read_source("model.encoders." + modality + ".frozen_from", encoder.frozen_from),
             modality);
}

/// What a sense's encoder holds of files of weights or pieces, by hash; none: nothing.
std::string held_by(const std::map<std::string, std::string>& facts, const std::string& sense) {
  const auto held = facts.find(kHeldFiles);
  if (held == facts.end()) return {};
  const std::string before = ", " + sense + " ", all = ", " + held->second + ",";
  const std::size_t at = all.find(before);
  if (at == all.npos) return {};
  const std::size_t first = at + before.size();
  return all.substr(first, all.find(',', first) - first);
}

/// Its features are of other inputs than an encoder meets here.
void warn_of_other_input(const Source& source, const ModalitySpec& here,
                         const std::map<std::string, std::string>& facts) {
  const ModalitySpec* there = find_modality(source.inputs, here.name);
  if (there == nullptr) return;
  std::vector<std::string> other;
  if (there->kind != here.kind) other.push_back("kind");
  if (there->shape != here.shape) other.push_back("shape");
  if (there->sample_rate != here.sample_rate) other.push_back("sample rate");
  if (there->centred != here.centred) other.push_back("level (each recording less its mean)");
  if (there->categories != here.categories) other.push_back("categories, or order of these");
  if (held_by(source.facts, here.name) != held_by(facts, here.name))
    other.push_back("file of weights or pieces (model.encoders.*.weights, .pieces)");
  const bool fits = other.empty();
  if (there->mean != here.mean || there->stddev != here.stddev)
    other.push_back("standardisation (mean and stddev of its training data)");
  if (!(there->fitted == here.fitted))
    other.push_back("preprocessing (model.encoders.*.fitted, by its training data)");
  if (!other.empty())
    log_warning("{}: {} was trained on {} of another {} (its features may mean little here){}",
                source.key, source.folder, here.name, fmt::join(other, " and "),
                fits ? "; train.init_statistics=source standardises as it did" : "");
}

std::string encoder_prefix(const std::string& modality) {
  return "encoder." + modality + ".";
}

/// "encoder.image (12), head (2)": names by the part of the model that they belong to.
std::string by_part(const std::vector<std::string>& names) {
  std::map<std::string, int> parts;
  for (const std::string& name : names) {
    const auto dot = name.find('.');
    const bool of_encoder = name.compare(0, dot, "encoder") == 0;
    ++parts[name.substr(0, of_encoder ? name.find('.', dot + 1) : dot)];
  }
  std::vector<std::string> told;
  for (const auto& [part, count] : parts) told.push_back(fmt::format("{} ({})", part, count));
  return fmt::format("{}", fmt::join(told, ", "));
}

/// Which of a source's parameters a model takes, and what is left, and why.
struct Fit {
  std::vector<std::string> taken, of_other_shape, not_here, not_there;

  std::string left() const {
    constexpr std::size_t kTold = 20;
    std::vector<std::string> lines, shapes = of_other_shape;
    if (shapes.size() > kTold) {
      shapes[kTold] = fmt::format("and {} more", shapes.size() - kTold);
      shapes.resize(kTold + 1);
    }
    if (!shapes.empty())
      lines.push_back(fmt::format("of another shape: {}", fmt::join(shapes, ", ")));
    if (!not_here.empty()) lines.push_back("not in this model: " + by_part(not_here));
    if (!not_there.empty()) lines.push_back("not in that run, so new here: " + by_part(not_there));
    return fmt::format("{}", fmt::join(lines, "; "));
  }
};

/// Copies what fits into `flat`.
Fit take_what_fits(const Source& source, const ParameterLayout& layout, const torch::Tensor& flat) {
  std::map<std::string, const NamedArray*> theirs;
  for (const NamedArray& array : source.parameters) theirs[array.name] = &array;
  Fit fit;
  for (std::int64_t i = 0; i < layout.count(); ++i) {
    const ParameterSpec& spec = layout.spec(i);
    const auto found = theirs.find(spec.name);
    if (found == theirs.end()) {
      // A frozen encoder comes from elsewhere.
      if (spec.section != ParameterSection::kFrozen || spec.held)
        fit.not_there.push_back(spec.name);
      continue;
    }
    const NamedArray& array = *found->second;
    if (fits_parameter(array.shape, spec)) {
      copy_values(array, layout, i, flat);
      fit.taken.push_back(spec.name);
    } else {
      fit.of_other_shape.push_back(
          fmt::format("{} {} there, {} here", spec.name, array.shape, spec.shape));
    }
    theirs.erase(found);
  }
  for (const auto& entry : theirs) fit.not_here.push_back(entry.first);
  return fit;
}

/// Returns the names of what it took.
std::vector<std::string> take(const Source& source, const ParameterList& to, bool strict) {
  const Fit fit = take_what_fits(source, to.layout(), to.flat());
  const std::string left = fit.left();
  CUTTLE_VALIDATE(!fit.taken.empty(),
                  "{}: none of the parameters of {} fit by name and shape (nothing would be taken; "
                  "{}); name a run of a like model",
                  source.key, source.folder, left);
  CUTTLE_VALIDATE(!strict || left.empty(),
                  "{}: parameters of {} do not fit, or not all are there (--strict-init takes all "
                  "or nothing): {}; make the models alike, or leave it out to take what fits",
                  source.key, source.folder, left);
  log_info("{}: from {} {} parameters: {}", source.key, source.folder, fit.taken.size(),
           by_part(fit.taken));
  if (!left.empty()) log_warning("{}: {} is taken in part; {}", source.key, source.folder, left);
  return fit.taken;
}

/// The encoder of one modality, as a whole.
void freeze(const Source& source, const std::string& modality, const ParameterList& to) {
  const std::string prefix = encoder_prefix(modality);
  const auto of_encoder = [&](const NamedArray& array) { return array.name.rfind(prefix, 0) == 0; };
  CUTTLE_VALIDATE(std::any_of(source.parameters.begin(), source.parameters.end(), of_encoder),
                  "{}: {} has no encoder of that modality; give a run that was trained on it",
                  source.key, source.folder);
  log_info("frozen encoder of {} from {}", modality, source.folder);
  copy_parameters(to.layout(), source.parameters, source.folder, prefix, to.flat());
}

/// Whether its parameters would say the same of this run's samples as they said there.
void check_alike(const Source& source, const CopiedRun& copied, const RunConfig& config,
                 const Catalog& catalog, const std::map<std::string, std::string>& facts) {
  for (const auto& [fact, what] : {std::pair("data_fingerprint", "data"),
                                   std::pair("modalities", "senses, or standardised otherwise,")}) {
    const auto there = source.facts.find(fact);
    CUTTLE_VALIDATE(there != source.facts.end() && there->second == facts.at(fact),
                    "{}: {} was trained on other {} than this run (what its parameters say of "
                    "these samples and classes would mean nothing); name a run on the same shards, "
                    "or train one",
                    copied.key, source.folder, what);
  }
  const auto must_be_alike = [&](const std::string& key) {
    return std::find(copied.alike.begin(), copied.alike.end(), key) != copied.alike.end() ||
           (key.rfind("model.", 0) == 0 && key != "model.modality_dropout" &&
            key != "model.dropout");
  };
  const RunConfig theirs = parse_saved(source.config, source.folder + "/config.yaml", {}, catalog);
  for (const ConfigChange& change : compare_configs(theirs, config, catalog))
    CUTTLE_VALIDATE(!must_be_alike(change.key),
                    "{}: {} has another model: {} was {} there and is {} here (its parameters "
                    "would be used as they were not trained); make them alike, or name another run",
                    copied.key, source.folder, change.key, change.was, change.is);
}

/// Another run's parameters, under names of their own.
void copy(Source source, const CopiedRun& copied, const ParameterList& to) {
  log_info("{}: from {}", copied.key, source.folder);
  for (NamedArray& array : source.parameters) array.name = copied.prefix + array.name;
  copy_parameters(to.layout(), source.parameters, source.folder, copied.prefix, to.flat());
}

}  // namespace

void check_sources(const RunConfig& config) {
  for_each_source(config, [](const Source&) {}, [](const Source&, const std::string&) {});
}

ParameterList start_parameters(const RunConfig& config, const Catalog& catalog,
                               const ParameterList& initial,
                               const std::map<std::string, std::string>& facts, bool strict) {
  ParameterList made = initial.clone();
  const auto inputs = modalities_from_json(facts.at("modalities"));
  for_each_source(
      config,
      [&](const Source& source) {
        const auto taken = take(source, made, strict);
        for (const ModalitySpec& spec : inputs)
          if (std::any_of(taken.begin(), taken.end(), [&](const std::string& name) {
                return name.rfind(encoder_prefix(spec.name), 0) == 0;
              }))
            warn_of_other_input(source, spec, facts);
      },
      [&](const Source& source, const std::string& modality) {
        freeze(source, modality, made);
        if (const ModalitySpec* spec = find_modality(inputs, modality))
          warn_of_other_input(source, *spec, facts);
      });
  for (const CopiedRun& copied : made.layout().copied()) {
    Source source = read_source(copied.key, copied.run);
    check_alike(source, copied, config, catalog, facts);
    copy(std::move(source), copied, made);
  }
  return made;
}

std::vector<ModalitySpec> source_statistics(const RunConfig& config) {
  std::vector<ModalitySpec> senses;
  if (config.train.init_statistics != "source") return senses;
  for_each_source(
      config, [&](const Source& source) { senses = source.inputs; },
      [&](const Source& source, const std::string& modality) {
        const ModalitySpec* spec = find_modality(source.inputs, modality);
        if (spec == nullptr) return;
        senses.erase(std::remove_if(senses.begin(), senses.end(),
                                    [&](const auto& known) { return known.name == modality; }),
                     senses.end());
        senses.push_back(*spec);
      });
  for (const auto& [sense, encoder] : config.model.encoders)
    if (const ModalitySpec* spec = find_modality(senses, sense))
      check_fitted(config, {*spec}, "ask for those, or leave out train.init_statistics=source");
  return senses;
}

}  // namespace cuttle
