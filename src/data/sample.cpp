#include "cuttle/data/sample.hpp"

#include <algorithm>
#include <string_view>

#include "cuttle/core/error.hpp"
#include "cuttle/core/nearest_name.hpp"
#include "shard_names.hpp"

namespace cuttle {
namespace {

constexpr const char* kSplitAll = "all";  // in no shard

}  // namespace

const char* to_string(ModalityKind kind) {
  switch (kind) {
    case ModalityKind::kImage:
      return kKindImage;
    case ModalityKind::kText:
      return kKindText;
    case ModalityKind::kAudio:
      return kKindAudio;
    case ModalityKind::kSeries:
      return kKindSeries;
    case ModalityKind::kVector:
      return kKindVector;
    case ModalityKind::kVideo:
      return kKindVideo;
    case ModalityKind::kGraph:
      return kKindGraph;
  }
  CUTTLE_EXPECT(false);
  return "";
}

std::int64_t ModalitySpec::element_bytes() const {
  switch (kind) {
    case ModalityKind::kImage:
    case ModalityKind::kText:
    case ModalityKind::kVideo:
    case ModalityKind::kGraph:
      return 1;
    case ModalityKind::kAudio:
      return 2;
    case ModalityKind::kSeries:
    case ModalityKind::kVector:
      return 4;
  }
  CUTTLE_EXPECT(false);
  return 0;
}

std::int64_t ModalitySpec::clock() const {
  const std::string_view end = kElapsedSuffix;
  if (shape.empty() || static_cast<std::int64_t>(columns.size()) != shape[0]) return -1;
  for (std::size_t c = 0; c < columns.size(); ++c)
    if (columns[c].size() >= end.size() &&
        columns[c].compare(columns[c].size() - end.size(), end.size(), end) == 0)
      return static_cast<std::int64_t>(c);
  return -1;
}

bool FittedStep::operator==(const FittedStep& other) const {
  return type == other.type && words == other.words && columns == other.columns &&
         numbers == other.numbers && texts == other.texts;
}

ModalitySpec ModalitySpec::recorded() const {
  ModalitySpec spec = *this;
  spec.kind = recorded_kind();
  if (spec.kind == ModalityKind::kText) spec.shape.clear();
  if (!fitted.empty() && !spec.shape.empty()) spec.shape = {fitted.front().columns};
  spec.fitted.clear();
  return spec;
}

ModalityKind ModalitySpec::recorded_kind() const {
  const bool of_texts =
      kind == ModalityKind::kVector && !fitted.empty() && fitted.front().columns == 0;
  return of_texts ? ModalityKind::kText : kind;
}

bool ModalitySpec::operator==(const ModalitySpec& other) const {
  return name == other.name && kind == other.kind && shape == other.shape &&
         sample_rate == other.sample_rate && mean == other.mean && stddev == other.stddev &&
         centred == other.centred && directed == other.directed && fitted == other.fitted;
}

std::vector<std::string> names_of(const std::vector<ModalitySpec>& modalities) {
  std::vector<std::string> names;
  for (const ModalitySpec& spec : modalities) names.push_back(spec.name);
  return names;
}

const ModalitySpec* find_modality(const std::vector<ModalitySpec>& modalities,
                                  const std::string& name) {
  const auto found = std::find_if(modalities.begin(), modalities.end(),
                                  [&](const ModalitySpec& spec) { return spec.name == name; });
  return found == modalities.end() ? nullptr : &*found;
}

const char* to_string(Split split) {
  switch (split) {
    case Split::kTrain:
      return kSplitTrain;
    case Split::kValidation:
      return kSplitValidation;
    case Split::kTest:
      return kSplitTest;
    case Split::kAll:
      return kSplitAll;
  }
  CUTTLE_EXPECT(false);
  return "";
}

Split split_from(const std::string& name) {
  for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest, Split::kAll}) {
    if (name == to_string(split)) return split;
  }
  throw UserError(fmt::format(
      "there is no split '{}' (data has train, validation and test; all: their classes as one); "
      "did you mean '{}'?",
      name, nearest_name(name, {kSplitTrain, kSplitValidation, kSplitTest, kSplitAll})));
}

}  // namespace cuttle
