#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "cuttle/config/type.hpp"
#include "cuttle/model/block.hpp"

namespace cuttle {

/// From a part of the embedding to answers: logits of classes, or values. Parameters have role
/// kHead.
class Head {
 public:
  virtual ~Head() = default;
  /// [n, width] -> [n, way]: the first `way` rows of the head.
  virtual torch::Tensor forward(const Tensors& parameters, const torch::Tensor& features,
                                std::int64_t way) const = 0;
  /// Set if it is a linear layer and nothing else, which own kernels can compute.
  virtual const LinearLayer* linear() const { return nullptr; }
};

/// What a head is built from.
struct HeadRequest {
  const Section& section;
  ParameterLayout& layout;  ///< names start with `name`
  std::string name;         ///< "head", or "head.<part>"
  std::int64_t width = 0;   ///< of the part
  std::int64_t rows = 0;    ///< the largest way, or the values of a target
};
using HeadType = Type<Head, HeadRequest>;

/// In model/heads, one file each.
std::map<std::string, HeadType> builtin_heads();

}  // namespace cuttle
