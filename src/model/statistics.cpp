#include <torch/types.h>

#include "cuttle/model/context.hpp"

namespace cuttle {

void Statistics::observe(std::int64_t parameter, const torch::Tensor& value) {
  auto& [total, count] = sums_[parameter];
  total = count == 0 ? value.detach() : total + value.detach();
  ++count;
}

std::map<std::int64_t, torch::Tensor> Statistics::observed() const {
  std::map<std::int64_t, torch::Tensor> means;
  for (const auto& [parameter, sum] : sums_)
    means[parameter] = sum.total / static_cast<double>(sum.count);
  return means;
}

}  // namespace cuttle
