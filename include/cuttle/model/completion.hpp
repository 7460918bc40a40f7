#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/config/type.hpp"
#include "cuttle/model/fusion.hpp"

namespace cuttle {

/// What stands in for senses that samples lack, before the fusion meets them. No state; parameters
/// live in the layout.
class Completion {
 public:
  virtual ~Completion() = default;
  /// [n, width] each: what a sample's other senses say of a sense, whether it has it or not, and
  /// in `known` [n, senses] 1 where they say something; else anything. In Mode::kTrain it may draw
  /// by the context's key, for what teaches it; in kUse, as in completed(), a row is its sample's.
  virtual Tensors said(const Tensors& parameters, const Senses& senses, const Context& context,
                       torch::Tensor& known) const = 0;
  /// Whether said() looks at the support set, through Context::given.
  virtual bool uses_support() const { return false; }
};

/// The senses with what is said of those that a sample lacks in their place; what nothing is said
/// of stays absent. context.record keeps the senses of a support set, where queries look at them.
Senses completed(const Completion& completion, const Tensors& parameters, const Senses& senses,
                 const Context& context);

/// What a completion is built from.
struct CompletionRequest {
  const Section& section;
  std::vector<std::string> modalities;
  std::vector<std::int64_t> widths;  ///< of the encoders
  ParameterLayout& layout;           ///< names start with "completion."
};
using CompletionType = Type<Completion, CompletionRequest>;

/// In model/completions, one file each; `none` makes nothing (null).
std::map<std::string, CompletionType> builtin_completions();

}  // namespace cuttle
