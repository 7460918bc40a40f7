#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/model/batch.hpp"
#include "cuttle/model/block.hpp"
#include "cuttle/model/options.hpp"

namespace cuttle {

/// A batch's place in embedding space. Early and gated fusion give one part; late fusion gives a
/// part per modality, and whoever compares embeddings (a head, a distance) combines over the parts
/// a sample has.
struct Embedding {
  Tensors parts;          ///< [n, width_p] each
  torch::Tensor mask;     ///< [n, parts], 1 where the sample has the part
  torch::Tensor weights;  ///< [parts], positive, relative weight of each part
};

/// Joins the modalities' features. No state; parameters live in the layout.
class Fusion {
 public:
  virtual ~Fusion() = default;
  /// features[m]: [rows of modality m, width_m]; undefined when no sample of the batch has it.
  virtual Embedding forward(const Tensors& parameters, const Tensors& features,
                            const Batch& batch) const = 0;
  virtual std::vector<std::int64_t> part_widths() const = 0;
  /// Whether a sample that has every modality keeps its features as they are (one modality alone).
  virtual bool passes_through() const { return false; }
};

struct FusionRequest {
  const ModelOptions& options;
  std::vector<std::string> modalities;
  std::vector<std::int64_t> widths;  ///< of the encoders
  ParameterLayout& layout;           ///< names start with "fusion."
};

using FusionFactory = std::function<std::unique_ptr<const Fusion>(const FusionRequest&)>;

/// concat, gated (Arevalo et al., "Gated multimodal units", 2017, as a softmax over present
/// modalities), late.
std::map<std::string, FusionFactory> builtin_fusions();

}  // namespace cuttle
