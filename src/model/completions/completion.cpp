#include "cuttle/model/completion.hpp"

#include <torch/types.h>

namespace cuttle {

Senses completed(const Completion& completion, const Tensors& parameters, const Senses& senses,
                 const Context& context) {
  Senses all = senses;
  torch::Tensor known;
  const Tensors said = completion.said(parameters, senses, context, known);
  if (senses.complete) return all;
  for (std::size_t m = 0; m < said.size(); ++m) {
    const auto own = senses.present.narrow(1, static_cast<std::int64_t>(m), 1),
               filled = (1.0 - own) * known.narrow(1, static_cast<std::int64_t>(m), 1);
    all.pooled[m] = own * senses.pooled[m] + filled * said[m];
  }
  all.present = senses.present + (1.0 - senses.present) * known;
  all.complete = all.present.min().item<double>() > 0;
  return all;
}

}  // namespace cuttle
