#include <fmt/format.h>
#include <torch/types.h>

#include <cmath>

#include "cuttle/core/error.hpp"
#include "model/fusions/senses.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

constexpr double kMostColumns = 65536;  ///< of an embedding

struct OuterProductOptions {
  std::int64_t tensor_width = 8;
  void keys(Keys& keys) {
    keys.add("tensor_width", tensor_width, between(1, 4096),
             "columns that every sense is projected to; the embedding has their product, each "
             "and one more");
  }
};

/// The outer product of [1, h_m] over all senses, h_m = W_m x_m + b_m: each column alone, each two
/// of different senses, and so on (Zadeh et al. 2017, "Tensor fusion network", equation 6). Of a
/// sense that a sample lacks h_m is zero, and the products of the others are left.
class TensorFusion final : public Fusion {
 public:
  using Options = OuterProductOptions;
  TensorFusion(const FusionRequest& request, const Options& options)
      : project_(request, request.widths, options.tensor_width) {
    const auto senses = static_cast<double>(request.widths.size());
    const double columns = std::pow(static_cast<double>(options.tensor_width + 1), senses);
    const double most = std::floor(std::pow(kMostColumns, 1.0 / senses) + 1e-9) - 1.0;
    CUTTLE_VALIDATE(columns <= kMostColumns,
                    "model.tensor_width: the outer product of {} senses with {} columns and a one "
                    "each has {:.0f} columns (a sample takes {:.1f} MB, and so does each class of "
                    "a head; {:.0f} are the most); use {}",
                    request.widths.size(), options.tensor_width, columns, columns * 4e-6,
                    kMostColumns,
                    most < 1.0 ? "low_rank, which never writes it out"
                               : fmt::format("{:.0f} or less, or low_rank, which never writes it "
                                             "out",
                                             most));
    columns_ = static_cast<std::int64_t>(columns);
  }

  Embedding forward(const Tensors& p, const Senses& senses, const Context&) const override {
    const auto one = torch::ones({senses.present.size(0), 1}, senses.present.options());
    auto product = one;
    for (std::size_t m = 0; m < senses.pooled.size(); ++m) {
      const auto h = project_.of(p, m, senses.pooled[m]) * has_sense(senses, m);
      product = (product.unsqueeze(2) * torch::cat({one, h}, 1).unsqueeze(1)).flatten(1);
    }
    return one_part(product);
  }
  std::vector<std::int64_t> part_widths() const override { return {columns_}; }

 private:
  SenseLayers project_;
  std::int64_t columns_;
};

}  // namespace

FusionType row_of_tensor() {
  return type_of<TensorFusion, FusionType>("the outer product of all senses, each with a one",
                                           "Zadeh et al. 2017");
}

}  // namespace cuttle
