#include "cuttle/sense/fitted.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/nearest_name.hpp"
#include "sense/fitted/rows.hpp"

namespace cuttle {
namespace {

/// Says which list, and which step of it, could not do something.
template <class Work>
auto named(const std::string& where, const Work& work) {
  try {
    return work();
  } catch (const UserError& problem) {
    throw UserError(where + ": " + problem.what());
  }
}

/// What stands between blanks; blanks between single quotes part nothing.
std::vector<std::string> parts_of(const std::string& words) {
  std::vector<std::string> parts;
  bool inside = false, quoted = false;
  for (const char letter : words) {
    if (letter == '\'') {
      quoted = !quoted;
    } else if (std::isspace(static_cast<unsigned char>(letter)) != 0 && !quoted) {
      inside = false;
      continue;
    }
    if (!inside) parts.emplace_back();
    inside = true;
    if (letter != '\'') parts.back() += letter;
  }
  CUTTLE_VALIDATE(!quoted, "{} has a quote that does not end (what it holds is unclear); add one",
                  words);
  return parts;
}

Section section_of(const std::string& words, const std::map<std::string, FittedType>& types) {
  const std::vector<std::string> parts = parts_of(words);
  Section section("");
  if (!parts.empty()) section.type = parts[0];
  std::vector<std::string> names;
  for (const auto& type : types) names.push_back(type.first);
  const auto type = types.find(section.type);
  CUTTLE_VALIDATE(type != types.end(),
                  "'{}' is no step of preprocessing; did you mean '{}'? (cuttle list fitted)",
                  section.type, nearest_name(section.type, names));
  std::vector<std::string> known;
  for (const KeyInfo& key : describe_keys(type->second)) known.push_back(key.name);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const std::string& word = parts[i];
    const std::size_t is = word.find('=');
    const std::string key = word.substr(0, is);
    CUTTLE_VALIDATE(is != word.npos && has_key(type->second, key),
                    "'{}' of {} is no key=value that it knows; {}", word, section.type,
                    known.empty() ? std::string("it has no keys")
                                  : "did you mean " + nearest_name(key, known) + "=..?");
    CUTTLE_VALIDATE(section.values.emplace(key, word.substr(is + 1)).second,
                    "{} has {} twice; give it once", section.type, key);
  }
  const auto owner = [&](Keys& keys) { type->second.keys(keys); };
  read_section(section, owner);
  return section;
}

void check_kind(const std::string& name, const FittedType& type, const ModalitySpec& spec) {
  std::vector<std::string> kinds;
  for (const ModalityKind kind : type.kinds) kinds.push_back(to_string(kind));
  CUTTLE_VALIDATE(std::find(type.kinds.begin(), type.kinds.end(), spec.kind) != type.kinds.end(),
                  "{} is {}, and {} is for {} alone; leave it out", spec.name, to_string(spec.kind),
                  name, fmt::join(kinds, " and "));
  CUTTLE_VALIDATE(type.kinds != std::vector{ModalityKind::kSeries} || spec.clock() < 0,
                  "{} has moments at uneven times (its channel {}), and {} goes from one moment to "
                  "the next as if all were equally far apart; leave it out",
                  spec.name, spec.columns[static_cast<std::size_t>(spec.clock())], name);
}

template <class Number>
void add_numbers(const std::vector<std::uint8_t>& bytes, std::vector<double>& values) {
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(Number)) {
    Number value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof(Number));
    values.push_back(static_cast<double>(value));
  }
}

template <class Number>
void add_bytes(const std::vector<double>& values, std::vector<std::uint8_t>& bytes) {
  for (const double value : values) {
    const auto given = static_cast<Number>(value);
    const auto* first = reinterpret_cast<const std::uint8_t*>(&given);
    bytes.insert(bytes.end(), first, first + sizeof(Number));
  }
}

/// Adds a sample of this kind, as recorded.
void add_sample(ModalityKind kind, const std::vector<std::uint8_t>& bytes, FittedSamples& samples) {
  if (kind == ModalityKind::kText) {
    samples.texts.emplace_back(bytes.begin(), bytes.end());
    return;
  }
  const auto before = static_cast<std::int64_t>(samples.values.size());
  kind == ModalityKind::kAudio ? add_numbers<std::int16_t>(bytes, samples.values)
                               : add_numbers<float>(bytes, samples.values);
  const auto added = static_cast<std::int64_t>(samples.values.size()) - before;
  samples.lengths.push_back(added / samples.columns);
}

/// None yet, of so many columns as recorded; 0: texts, or recordings.
FittedSamples no_samples(std::int64_t columns) {
  return {columns == 0 ? 1 : columns, {}};
}

/// Infinite values have no statistics.
void check_finite(const std::vector<double>& values, std::size_t first, const std::string& sample) {
  for (std::size_t i = first; i < values.size(); ++i)
    CUTTLE_VALIDATE(!std::isinf(values[i]),
                    "the training sample {} has an infinite value (no mean or range holds it); "
                    "correct the data, or write it as missing (NaN)",
                    sample);
}

void add_training_samples(const Dataset& data, const std::string& sense, FittedSamples& samples) {
  const ModalitySpec* spec = find_modality(data.modalities(), sense);
  if (spec == nullptr) return;
  const auto modality = static_cast<std::size_t>(spec - data.modalities().data());
  for (const std::int32_t of_class : data.classes_of(Split::kTrain))
    for (const std::int64_t sample : data.samples_of(of_class)) {
      if ((data.samples()[static_cast<std::size_t>(sample)].present >> modality & 1) == 0) continue;
      std::vector<std::uint8_t> bytes;
      data.read(sample, modality, bytes);
      const std::size_t before = samples.values.size();
      add_sample(spec->kind, bytes, samples);
      check_finite(samples.values, before, data.sample_name(sample));
    }
}

/// The first of them: enough to see what a step makes.
FittedSamples first_of(const FittedSamples& samples) {
  FittedSamples one{samples.columns, {}};
  if (!samples.texts.empty()) one.texts = {samples.texts[0]};
  if (samples.lengths.empty()) return one;
  one.lengths = {samples.lengths[0]};
  one.values.assign(samples.values.begin(),
                    samples.values.begin() + samples.lengths[0] * samples.columns);
  return one;
}

/// Every sample by itself after the step.
FittedSamples applied(const FittedType& type, const FittedStep& step,
                      const FittedSamples& samples) {
  FittedSamples after{samples.columns, {}};
  auto first = samples.values.begin();
  for (const std::int64_t rows : samples.lengths) {
    FittedSamples one{samples.columns, {first, first + rows * samples.columns}, {rows}};
    first += rows * samples.columns;
    type.apply(step, one);
    after.columns = one.columns;
    after.lengths.push_back(one.rows());
    after.values.insert(after.values.end(), one.values.begin(), one.values.end());
  }
  for (const std::string& text : samples.texts) {
    FittedSamples one{samples.columns, {}, {}, {text}};
    type.apply(step, one);
    after.columns = one.columns;
    after.values.insert(after.values.end(), one.values.begin(), one.values.end());
    after.lengths.insert(after.lengths.end(), one.lengths.begin(), one.lengths.end());
    after.texts.insert(after.texts.end(), one.texts.begin(), one.texts.end());
  }
  if (after.columns == samples.columns) after.names = samples.names;
  return after;
}

/// A data set whose samples come through their steps.
class FittedView final : public DatasetView {
 public:
  FittedView(std::unique_ptr<Dataset> data, std::vector<ModalitySpec> modalities,
             const std::map<std::string, FittedType>& types)
      : DatasetView(std::move(data)), modalities_(std::move(modalities)) {
    for (const ModalitySpec& spec : modalities_) {
      recorded_.push_back(spec.recorded_kind());
      steps_.emplace_back();
      for (const FittedStep& step : spec.fitted)
        steps_.back().push_back(
            find_type(types, "model.encoders." + spec.name + ".fitted", step.type).apply);
      if (spec.fitted.empty()) continue;
      const auto& first = types.at(spec.fitted.front().type).kinds;
      const bool columns = spec.fitted.front().columns > 0;
      const bool rows =
          recorded_.back() == ModalityKind::kVector || recorded_.back() == ModalityKind::kSeries;
      CUTTLE_VALIDATE(
          columns == rows && std::find(first.begin(), first.end(), recorded_.back()) != first.end(),
          "the saved preprocessing of {} is of another sense (the file is damaged); copy it anew, "
          "or make it again",
          spec.name);
    }
  }
  const std::vector<ModalitySpec>& modalities() const override { return modalities_; }
  std::int64_t read(std::int64_t sample, std::size_t modality,
                    std::vector<std::uint8_t>& out) const override {
    const ModalitySpec& spec = modalities_[modality];
    if (spec.fitted.empty()) return data_->read(sample, modality, out);
    const std::size_t before = out.size();
    std::vector<std::uint8_t> raw;
    data_->read(sample, modality, raw);
    FittedSamples one = no_samples(spec.fitted.front().columns);
    add_sample(recorded_[modality], raw, one);
    for (std::size_t s = 0; s < spec.fitted.size(); ++s) steps_[modality][s](spec.fitted[s], one);
    CUTTLE_VALIDATE(spec.shape.empty() || one.columns == spec.shape[0],
                    "the saved preprocessing of {} gives {} columns, not {} (the file is damaged); "
                    "copy it anew, or make it again",
                    spec.name, one.columns, spec.shape[0]);
    if (spec.kind == ModalityKind::kText)
      out.insert(out.end(), one.texts[0].begin(), one.texts[0].end());
    else if (spec.kind == ModalityKind::kAudio)
      add_bytes<std::int16_t>(one.values, out);
    else
      add_bytes<float>(one.values, out);
    return static_cast<std::int64_t>(out.size() - before);
  }

 private:
  using Step = std::function<void(const FittedStep&, FittedSamples&)>;
  std::vector<ModalitySpec> modalities_;
  std::vector<ModalityKind> recorded_;    // by modality: what it is before its steps
  std::vector<std::vector<Step>> steps_;  // the same, as its spec has them
};

}  // namespace

std::map<std::string, FittedType> builtin_fitted() {
#define CUTTLE_ROW(name) {#name, row_of_fitted_##name()},
  return {CUTTLE_FITTED(CUTTLE_ROW)};
#undef CUTTLE_ROW
}

std::vector<Section> fitted_sections(const std::string& key, const std::vector<std::string>& words,
                                     const std::map<std::string, FittedType>& types) {
  std::vector<Section> sections;
  for (const std::string& step : words)
    sections.push_back(named(key, [&] { return section_of(step, types); }));
  return sections;
}

FittedType by_row(TypeInfo info,
                  std::function<FittedNumbers(const Section&, const FittedSamples&)> fit,
                  std::function<void(const FittedNumbers&, std::vector<double>&)> apply) {
  FittedType type;
  static_cast<TypeInfo&>(type) = std::move(info);
  type.kinds = {ModalityKind::kVector, ModalityKind::kSeries};
  type.fit = [fit](const Section& section, const ModalitySpec&, const FittedSamples& training,
                   FittedStep& step) { step.numbers = fit(section, training); };
  type.apply = [apply](const FittedStep& step, FittedSamples& sample) {
    std::vector<double> all, row;
    for (auto first = sample.values.begin(); first != sample.values.end();
         first += sample.columns) {
      row.assign(first, first + sample.columns);
      apply(step.numbers, row);
      all.insert(all.end(), row.begin(), row.end());
    }
    sample.columns = static_cast<std::int64_t>(row.size());
    sample.values = std::move(all);
  };
  return type;
}

ModalitySpec fit_sense(const std::string& key, const ModalitySpec& spec,
                       const std::vector<std::string>& words,
                       const std::vector<const Dataset*>& data,
                       const std::map<std::string, FittedType>& types) {
  const auto sections = fitted_sections(key, words, types);
  return named(key, [&] {
    bool looks = !spec.shape.empty();  // how many columns are left is seen on samples
    ModalitySpec then = spec;
    for (const Section& section : sections) {
      const FittedType& type = types.at(section.type);
      check_kind(section.type, type, then);
      looks = looks || type.looks;
      if (type.makes) then.kind = *type.makes;
    }
    CUTTLE_VALIDATE(spec.categories.empty(),
                    "{} has columns whose values are the numbers of categories (no amounts, so "
                    "that nothing can be reckoned with them); remove the key, or convert the data "
                    "without --codes",
                    spec.name);
    FittedSamples samples = no_samples(spec.shape.empty() ? 0 : spec.shape[0]);
    samples.names = spec.columns;
    if (looks)
      for (const Dataset* one : data) add_training_samples(*one, spec.name, samples);
    CUTTLE_VALIDATE(!looks || !samples.values.empty() || !samples.texts.empty(),
                    "no sample of a training class has {} (there is nothing to fit on); remove the "
                    "key, or give shards with such samples",
                    spec.name);
    ModalitySpec after = then;
    bool columns = !spec.shape.empty();
    after.mean.clear();  // they are of the columns as recorded
    after.stddev.clear();
    for (std::size_t i = 0; i < sections.size(); ++i) {
      const FittedType& type = types.at(sections[i].type);
      FittedStep step{sections[i].type, words[i], columns ? samples.columns : 0};
      type.fit(sections[i], spec, samples, step);
      const bool last = i + 1 == sections.size();
      samples = applied(type, step, last ? first_of(samples) : samples);
      columns = columns || type.makes;
      after.holes = after.holes && !type.fills_holes;
      after.fitted.push_back(std::move(step));
    }
    if (columns) after.shape = {samples.columns};
    return after;
  });
}

std::unique_ptr<Dataset> in_fitted_senses(std::unique_ptr<Dataset> data,
                                          std::vector<ModalitySpec> modalities,
                                          const std::map<std::string, FittedType>& types) {
  std::vector<ModalitySpec> recorded;
  bool any = false;
  for (const ModalitySpec& spec : modalities) {
    recorded.push_back(spec.recorded());
    any = any || !spec.fitted.empty();
  }
  data = in_senses(std::move(data), std::move(recorded));
  if (!any) return data;
  return std::make_unique<FittedView>(std::move(data), std::move(modalities), types);
}

}  // namespace cuttle
