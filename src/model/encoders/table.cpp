#include <torch/types.h>

#include <cmath>

#include "model/blocks/attention.hpp"
#include "model/encoders/common.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct TableOptions {
  std::int64_t width = 64, depth = 1;
  void keys(Keys& keys) {
    keys.add("width", width, between(1, 65536), "columns of a row's embedding");
    keys.add("depth", depth, between(1, 64), "linear layers, with ReLU between them");
  }
};

/// Columns in the support set's own units, mean 0 and deviation 1, then a linear layer. A column
/// that does not vary there says nothing: it is 0, so that a narrow table may fill its row with
/// zeros; the others are scaled up by the root of the share that varies. No value counts as more
/// than 10 deviations.
class ColumnsBlock final : public Block {
 public:
  ColumnsBlock(ParameterLayout& layout, const std::string& name, std::int64_t columns,
               std::int64_t width, bool relu)
      : affine_(layout, name, {width, columns}), relu_(relu) {}
  std::string kind() const override { return "table_columns"; }
  bool uses_support() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context& context) const override {
    const auto x = affine(p, affine_, standardised(input.values, context));
    return {relu_ ? torch::relu(x) : x, {}};
  }

 private:
  torch::Tensor standardised(const torch::Tensor& x, const Context& context) const {
    constexpr double kRounding = 1e-10, kMost = 10;
    Moments seen{x.mean(0), x.var(0, /*unbiased=*/false)};
    if (context.given != nullptr) {
      const auto found = context.given->moments.find(affine_.weight);
      // Without a support of this sense values stay as they are.
      seen = found != context.given->moments.end()
                 ? found->second
                 : Moments{torch::zeros_like(seen.mean), torch::ones_like(seen.mean)};
    }
    seen.of_input = true;
    if (context.record != nullptr) context.record->moments[affine_.weight] = seen;
    const auto varies = seen.variance > kRounding * seen.mean.square();
    const auto share = varies.sum().clamp_min(1).to(x.dtype()) / static_cast<double>(x.size(1));
    const auto units = torch::where(varies, seen.variance, 1).rsqrt() * varies.to(x.dtype());
    return ((x - seen.mean) * units).clamp(-kMost, kMost) * share.rsqrt();
  }

  Affine affine_;
  bool relu_;
};

/// Rows of tables of any meaning, as they come: each task has columns of its own.
class TableEncoder final : public Encoder {
 public:
  using Options = TableOptions;
  TableEncoder(const EncoderRequest& request, const Options& options) : spec_(request.spec) {
    expect_kind(request, {ModalityKind::kVector});
    const auto relu = [&](std::int64_t i) { return i + 1 < options.depth; };
    blocks_.push_back(std::make_unique<ColumnsBlock>(request.layout, block_name(request, 0),
                                                     spec_.shape[0], options.width, relu(0)));
    for (std::int64_t i = 1; i < options.depth; ++i)
      blocks_.push_back(make_linear_block(request.layout, block_name(request, i), options.width,
                                          options.width, relu(i)));
    width_ = options.width;
  }
  ModalityInput prepare(const RawModality& raw) const override {
    ModalityInput input;
    input.values = raw_tensor(raw, torch::kFloat32).view({-1, spec_.shape[0]});
    return input;
  }

 private:
  ModalitySpec spec_;
};

}  // namespace

EncoderType row_of_table() {
  return type_of<TableEncoder, EncoderType>(
      "vectors: columns in the units of the task's support set, then linear layers", "");
}

}  // namespace cuttle
