#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace cuttle {

/// The kinds of sense data that shards hold (data_tools/FORMAT.md); raw, as recorded.
enum class ModalityKind {
  kImage,   ///< uint8 [height, width, channels], the same shape for all samples
  kText,    ///< UTF-8 bytes, any length
  kAudio,   ///< int16 mono samples, any length
  kSeries,  ///< float32 [length, channels], any length
  kVector,  ///< float32 [features]
  kVideo,   ///< uint8 [frames, height, width, channels], any number of frames of one shape
  kGraph    ///< nodes with features and edges between them, any number of both (GraphView)
};

const char* to_string(ModalityKind kind);

/// A step of preprocessing, with what the training classes gave it (sense/fitted.hpp).
struct FittedStep {
  std::string type, words;   ///< its name, and what the config says of it
  std::int64_t columns = 0;  ///< that it takes; 0: of texts and recordings
  std::map<std::string, std::vector<double>> numbers = {};
  std::vector<std::string> texts = {};

  bool operator==(const FittedStep& other) const;
};

/// One modality as the shards declare it; equal in all shards of a data set. In a run that
/// preprocesses it: as it is after the last step.
struct ModalitySpec {
  std::string name;  ///< "image", "text", "audio", ...
  ModalityKind kind = ModalityKind::kVector;
  std::vector<std::int64_t> shape;  ///< image and frames of video: {H, W, C}; series: {channels};
                                    ///< vector and nodes of graph: {features}; else {}
  double sample_rate = 0.0;         ///< audio only, Hz
  std::vector<float> mean;  ///< per channel/feature, of the training classes; empty: none declared
  std::vector<float> stddev;  ///< those of images and video are of pixels scaled to [0, 1]
  bool centred = false;       ///< audio, only in runs of earlier versions: log-mel less its mean
  std::vector<std::string> columns =
      {};  ///< of the table it was made from: one for each feature or channel ("": none, zeros), or
           ///< one for all; another table's are found by them. No part of equality
  std::int64_t most_frames = 0;  ///< of video, the most that were kept, evenly; 0: none was left
                                 ///< out. As `columns`, for whoever makes further samples
  std::vector<FittedStep> fitted = {};  ///< done to every sample before the model sees it;
                                        ///< mean and stddev are none then
  std::vector<std::vector<std::string>> categories =
      {};  ///< vector: for each column those whose numbers its values are, none for one of numbers;
           ///< empty: all are numbers. No part of equality
  bool holes = false;     ///< series, vector: values may be NaN. No part of equality
  bool directed = false;  ///< graph: edges lead from their first node to their second one

  /// Of a series: the channel that says the time since the sample's first step (its column is
  /// called ..:elapsed); -1: none does.
  std::int64_t clock() const;
  /// As the shards have it; `fitted` may make vectors of texts.
  ModalitySpec recorded() const;
  ModalityKind recorded_kind() const;

  /// Bytes of one element of raw data: 1 (image, video, text, graph), 2 (audio), 4 (series,
  /// vector).
  std::int64_t element_bytes() const;
  bool operator==(const ModalitySpec& other) const;
};

/// Where the parts of a stored graph lie.
struct GraphView {
  std::int64_t nodes = 0, edges = 0;
  const std::uint8_t* features = nullptr;  ///< float32 [nodes, features]
  const std::uint8_t* pairs = nullptr;     ///< int32 [edges, 2], ascending; both are nodes

  std::array<std::int32_t, 2> edge(std::int64_t i) const;
};
/// Of the raw bytes of a sample, which are read again as long as the view is used. UserError saying
/// what is wrong, if they are not as data_tools/FORMAT.md has it.
GraphView view_graph(const std::uint8_t* bytes, std::int64_t size, const ModalitySpec& spec);

std::vector<std::string> names_of(const std::vector<ModalitySpec>& modalities);
/// The one of this name; null: there is none.
const ModalitySpec* find_modality(const std::vector<ModalitySpec>& modalities,
                                  const std::string& name);

/// kAll: the classes of all splits as one, for evaluation; no sample's own.
enum class Split : std::uint8_t { kTrain = 0, kValidation = 1, kTest = 2, kAll = 3 };

const char* to_string(Split split);
/// "train" | "validation" | "test" | "all"; UserError with the nearest name otherwise.
Split split_from(const std::string& name);

/// Of a data set, and of all sources of a run: bits of SampleInfo::present.
constexpr std::size_t kMostModalities = 32;

/// What the index knows of a sample without reading its data.
struct SampleInfo {
  std::int32_t class_id =
      -1;  ///< index into Dataset::class_names; -1: unlabelled (files for adapt/predict)
  std::int32_t group_id = 0;  ///< index into Dataset::group_names (style, speaker, source, user)
  Split split = Split::kTrain;
  std::uint32_t present = 0;  ///< bit m: modality m of Dataset::modalities is there
  bool complete = false;      ///< every modality of the shards is there, also those not in use
};

}  // namespace cuttle
