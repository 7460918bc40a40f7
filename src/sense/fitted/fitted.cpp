#include "cuttle/sense/fitted.hpp"

#include <cmath>
#include <cstring>
#include <sstream>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/nearest_name.hpp"
#include "sense/fitted/rows.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kBytes = sizeof(float);

/// Says which list, and which step of it, could not do something.
template <class Work>
auto named(const std::string& where, const Work& work) {
  try {
    return work();
  } catch (const UserError& problem) {
    throw UserError(where + ": " + problem.what());
  }
}

Section section_of(const std::string& words, const std::map<std::string, FittedType>& types) {
  std::istringstream text(words);
  Section section("");
  text >> section.type;
  std::vector<std::string> names;
  for (const auto& type : types) names.push_back(type.first);
  const auto type = types.find(section.type);
  CUTTLE_VALIDATE(type != types.end(),
                  "'{}' is no step of preprocessing; did you mean '{}'? (cuttle list fitted)",
                  section.type, nearest_name(section.type, names));
  std::vector<std::string> known;
  for (const KeyInfo& key : describe_keys(type->second)) known.push_back(key.name);
  for (std::string word; text >> word;) {
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

/// Adds the rows of a sample; infinite ones have no statistics.
void add_rows(const Dataset& data, std::int64_t sample, std::size_t modality, FittedRows& rows) {
  std::vector<std::uint8_t> bytes;
  data.read(sample, modality, bytes);
  for (std::size_t at = 0; at < bytes.size(); at += kBytes) {
    float value = 0;
    std::memcpy(&value, bytes.data() + at, kBytes);
    CUTTLE_VALIDATE(!std::isinf(value),
                    "the training sample {} has an infinite value (no mean or range holds it); "
                    "correct the data, or write it as missing (NaN)",
                    data.sample_name(sample));
    rows.values.push_back(value);
  }
}

void add_training_rows(const Dataset& data, const std::string& sense, FittedRows& rows) {
  const ModalitySpec* spec = find_modality(data.modalities(), sense);
  if (spec == nullptr) return;
  const auto modality = static_cast<std::size_t>(spec - data.modalities().data());
  for (const std::int32_t of_class : data.classes_of(Split::kTrain))
    for (const std::int64_t sample : data.samples_of(of_class))
      if ((data.samples()[static_cast<std::size_t>(sample)].present >> modality & 1) != 0)
        add_rows(data, sample, modality, rows);
}

FittedRows applied(const FittedType& type, const FittedNumbers& numbers, const FittedRows& rows) {
  FittedRows after;
  for (std::int64_t i = 0; i < rows.size(); ++i) {
    const auto first = rows.values.begin() + i * rows.columns;
    std::vector<double> row(first, first + rows.columns);
    type.apply(numbers, row);
    after.columns = static_cast<std::int64_t>(row.size());
    after.values.insert(after.values.end(), row.begin(), row.end());
  }
  return after;
}

/// A data set whose rows of numbers come through their steps.
class FittedView final : public DatasetView {
 public:
  FittedView(std::unique_ptr<Dataset> data, std::vector<ModalitySpec> modalities,
             const std::map<std::string, FittedType>& types)
      : DatasetView(std::move(data)), modalities_(std::move(modalities)) {
    for (const ModalitySpec& spec : modalities_) {
      CUTTLE_VALIDATE(spec.fitted.empty() || spec.fitted.front().columns > 0,
                      "the saved preprocessing of {} takes no columns (the file is damaged); copy "
                      "it anew, or make it again",
                      spec.name);
      steps_.emplace_back();
      for (const FittedStep& step : spec.fitted)
        steps_.back().push_back(
            find_type(types, "model.encoders." + spec.name + ".fitted", step.type).apply);
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
    const auto columns = static_cast<std::size_t>(spec.fitted.front().columns);
    std::vector<float> row(columns);
    for (std::size_t at = 0; at < raw.size(); at += columns * kBytes) {
      std::memcpy(row.data(), raw.data() + at, columns * kBytes);
      std::vector<double> values(row.begin(), row.end());
      for (std::size_t s = 0; s < spec.fitted.size(); ++s)
        steps_[modality][s](spec.fitted[s].numbers, values);
      CUTTLE_VALIDATE(static_cast<std::int64_t>(values.size()) == spec.shape[0],
                      "the saved preprocessing of {} gives {} columns, not {} (the file is "
                      "damaged); copy it anew, or make it again",
                      spec.name, values.size(), spec.shape[0]);
      for (const double value : values) {
        const auto given = static_cast<float>(value);
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&given);
        out.insert(out.end(), bytes, bytes + kBytes);
      }
    }
    return static_cast<std::int64_t>(out.size() - before);
  }

 private:
  using Step = std::function<void(const FittedNumbers&, std::vector<double>&)>;
  std::vector<ModalitySpec> modalities_;
  std::vector<std::vector<Step>> steps_;  // by modality, as its spec has them
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

ModalitySpec fit_sense(const std::string& key, const ModalitySpec& spec,
                       const std::vector<std::string>& words,
                       const std::vector<const Dataset*>& data,
                       const std::map<std::string, FittedType>& types) {
  const auto sections = fitted_sections(key, words, types);
  return named(key, [&] {
    CUTTLE_VALIDATE(spec.kind == ModalityKind::kVector || spec.kind == ModalityKind::kSeries,
                    "{} is {}, and only the columns of vector and series have statistics of this "
                    "kind; remove the key",
                    spec.name, to_string(spec.kind));
    FittedRows rows{spec.shape[0], {}};
    for (const Dataset* one : data) add_training_rows(*one, spec.name, rows);
    CUTTLE_VALIDATE(!rows.values.empty(),
                    "no sample of a training class has {} (there is nothing to fit on); remove the "
                    "key, or give shards with such samples",
                    spec.name);
    ModalitySpec after = spec;
    after.mean.clear();  // they are of the columns as recorded
    after.stddev.clear();
    for (std::size_t i = 0; i < sections.size(); ++i) {
      const FittedType& type = types.at(sections[i].type);
      FittedStep step{sections[i].type, words[i], rows.columns, type.fit(sections[i], rows)};
      rows = applied(type, step.numbers, rows);
      after.fitted.push_back(std::move(step));
    }
    after.shape = {rows.columns};
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
