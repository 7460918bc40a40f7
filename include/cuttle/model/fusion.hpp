#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/config/type.hpp"
#include "cuttle/model/context.hpp"
#include "cuttle/model/parameter_list.hpp"

namespace cuttle {

/// The features of n samples, sense by sense, spread over all rows: what a sample lacks is zeros.
struct Senses {
  Tensors pooled;         ///< [n, width] each
  Tensors tokens;         ///< [n, T, token width] each; empty: the fusion does not want them
  Tensors token_mask;     ///< [n, T] each, 1 where there is a token
  torch::Tensor present;  ///< [n, senses], 1 where a sample has the sense
  bool complete = false;  ///< every sample has every sense
};

/// A batch's place in embedding space. Most fusions give one part; late fusion gives a part per
/// modality, and whoever compares embeddings (a head, a distance) combines over the parts a sample
/// has.
struct Embedding {
  Tensors parts;  ///< [n, width_p] each
  /// [n, parts], above 0 where the sample has the part: how much it counts there, 1 unless the
  /// fusion weighs samples.
  torch::Tensor mask;
  torch::Tensor weights;  ///< [parts], positive, relative weight of each part
  bool complete = false;  ///< every sample has every part: the mask need not be looked at
};
/// The embedding of a joint fusion: one part that every sample has.
Embedding one_part(const torch::Tensor& fused);

/// What one part alone says of each sample and class.
struct PartLogits {
  torch::Tensor logits;  ///< [n, way]
  /// [n, way] or [n, 1], above 0 where the part can say: how much it counts there, as in
  /// Embedding::mask; undefined: everywhere
  torch::Tensor known;
};
/// Logits of all parts together, and the weight [n, way] or [n, 1] of what was known: 0 where no
/// part could say; undefined: all was.
struct CombinedLogits {
  torch::Tensor logits, known;
};

/// Joins the modalities' features. No state; parameters live in the layout.
class Fusion {
 public:
  virtual ~Fusion() = default;
  virtual Embedding forward(const Tensors& parameters, const Senses& senses,
                            const Context& context) const = 0;
  virtual std::vector<std::int64_t> part_widths() const = 0;
  /// Whether forward() looks at tokens.
  virtual bool wants_tokens() const { return false; }
  /// What the parts say together; unless a fusion does otherwise, the mean over the parts that can
  /// say, by weight.
  virtual CombinedLogits combine(const std::vector<PartLogits>& parts,
                                 const torch::Tensor& weights) const;
  /// Whether combine() takes what parts say for logits of classes: refused where there are none.
  virtual bool combines_classes() const { return false; }
  /// Whether a sample that has every modality keeps its features as they are (one modality alone).
  virtual bool passes_through() const { return false; }
  /// False when an operation inside has no double backward: refused at start by second-order
  /// learners.
  virtual bool second_order() const { return true; }
};

/// What a fusion is built from.
struct FusionRequest {
  const Section& section;
  std::vector<std::string> modalities;
  std::vector<std::int64_t> widths, token_widths;  ///< of the encoders
  ParameterLayout& layout;                         ///< names start with "fusion."
};
using FusionType = Type<Fusion, FusionRequest>;

/// In model/fusions, one file each.
std::map<std::string, FusionType> builtin_fusions();

}  // namespace cuttle
