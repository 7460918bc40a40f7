#include "cuttle/model/completion.hpp"

#include <torch/types.h>

#include "model/fusions/senses.hpp"

namespace cuttle {

Senses completed(const Completion& completion, const Tensors& parameters, const Senses& senses,
                 const Context& context) {
  if (completion.uses_support() && context.record != nullptr) {
    context.record->senses = senses.pooled;
    context.record->present = senses.present;
  }
  if (senses.complete) return senses;
  Senses all = senses;
  torch::Tensor known;
  Context in_use = context;  // what stands in for a sense in training is what would in use
  in_use.mode = Mode::kUse;
  const Tensors said = completion.said(parameters, senses, in_use, known);
  for (std::size_t m = 0; m < said.size(); ++m) {
    const auto own = has_sense(senses, m),
               filled = (1.0 - own) * known.narrow(1, static_cast<std::int64_t>(m), 1);
    all.pooled[m] = own * senses.pooled[m] + filled * said[m];
  }
  all.present = senses.present + (1.0 - senses.present) * known;
  all.complete = all.present.min().item<double>() > 0;
  return all;
}

}  // namespace cuttle
