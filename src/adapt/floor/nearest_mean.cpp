#include <torch/types.h>

#include "adapt/embed.hpp"
#include "adapt/floor/head.hpp"

namespace cuttle {
namespace {

/// To the class means: negative squared distances, or cosines.
class NearestMean final : public FloorHead {
 public:
  explicit NearestMean(bool by_cosine) : by_cosine_(by_cosine) {}
  Tensors study(const PartOfSupport& known) const override {
    return {by_cosine_ ? unit_rows(known.means()) : known.means()};
  }
  torch::Tensor scores(const Tensors& lesson, const torch::Tensor& x) const override {
    const auto& means = lesson[0];
    if (by_cosine_) return unit_rows(x).matmul(means.t());
    return minus_squared_distances(x, means);
  }

 private:
  bool by_cosine_;
};

}  // namespace

std::unique_ptr<const FloorHead> make_nearest_mean(bool by_cosine) {
  return std::make_unique<NearestMean>(by_cosine);
}

}  // namespace cuttle
