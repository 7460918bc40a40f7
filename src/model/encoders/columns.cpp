#include <torch/types.h>

#include <vector>

#include "model/encoders/common.hpp"
#include "model/places.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

/// Every column of a row as a token (the feature tokenizer of Gorishniy et al. 2021, section 3.3):
/// of a number x its own w x + b, of a category a row of a table. A hole, and a category that is
/// not known, is a vector of its column; it starts at zero, where it says nothing. Values and
/// whether they are known, [m, 2, C] -> [m, C, W], numbers before categories.
class ColumnTokens final : public Block {
 public:
  ColumnTokens(ParameterLayout& layout, const std::string& name, const ModalitySpec& spec,
               std::int64_t width) {
    std::vector<std::int64_t> sizes, firsts, with_categories;
    std::int64_t rows = 0;
    for (std::int64_t c = 0; c < spec.shape[0]; ++c) {
      const auto size =
          spec.categories.empty()
              ? std::int64_t{0}
              : static_cast<std::int64_t>(spec.categories[static_cast<std::size_t>(c)].size());
      (size > 0 ? with_categories : order_).push_back(c);
      if (size == 0) continue;
      sizes.push_back(size);
      firsts.push_back(rows);
      rows += size;
    }
    numbers_ = static_cast<std::int64_t>(order_.size());
    order_.insert(order_.end(), with_categories.begin(), with_categories.end());
    sizes_ = torch::tensor(sizes, torch::kInt64);
    firsts_ = torch::tensor(firsts, torch::kInt64);
    hole_ = layout.add({name + ".hole", {spec.shape[0], width}, Init::kZeros});
    if (numbers_ > 0) {
      weight_ = layout.add({name + ".weight", {numbers_, width}});
      bias_ = layout.add({name + ".bias", {numbers_, width}});
    }
    if (rows > 0) table_ = layout.add({name + ".table", {rows, width}});
  }
  std::string kind() const override { return "column_tokens"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    const auto device = input.values.device();
    const auto columns = torch::tensor(order_, torch::kInt64).to(device);
    const auto rows = input.values.index_select(2, columns);
    const auto x = rows.select(1, 0);
    const std::int64_t categories = x.size(1) - numbers_;
    auto known = rows.select(1, 1) > 0;
    Tensors tokens;
    if (numbers_ > 0)
      tokens.push_back(x.narrow(1, 0, numbers_).unsqueeze(2) * at(p, weight_) + at(p, bias_));
    if (categories > 0) {
      const auto code = x.narrow(1, numbers_, categories).to(torch::kInt64);
      const auto there = (code >= 0).logical_and(code < sizes_.to(device));
      tokens.push_back(look_up(at(p, table_), torch::where(there, code + firsts_.to(device), 0)));
      known = known.logical_and(torch::constant_pad_nd(there, {numbers_, 0}, 1));
    }
    return {torch::where(known.unsqueeze(2), torch::cat(tokens, 1), at(p, hole_)), {}};
  }

 private:
  std::vector<std::int64_t> order_;  ///< of the columns: numbers, then categories
  std::int64_t numbers_ = 0;
  torch::Tensor sizes_, firsts_;  ///< of each column of categories: how many, its first row
  std::int64_t hole_ = 0, weight_ = 0, bias_ = 0, table_ = 0;
};

struct ColumnsOptions : BlockOptions {
  std::int64_t embedding = 16;
  ColumnsOptions() { depth = 2; }
  void keys(Keys& keys) {
    keys.add("embedding", embedding, between(1, 65536),
             "width of a token, which is what a number, a category or a hole of a column becomes");
    keys.add("width", width, between(1, 65536), "hidden units per layer");
    keys.add("depth", depth, between(0, 64), "linear layers over all tokens of a row; 0: none");
  }
};

/// Rows of one table: numbers, categories by number, holes.
class ColumnsEncoder final : public Encoder {
 public:
  using Options = ColumnsOptions;
  ColumnsEncoder(const EncoderRequest& request, const Options& options) : spec_(request.spec) {
    expect_kind(request, {ModalityKind::kVector});
    blocks_.push_back(std::make_unique<ColumnTokens>(request.layout, request.prefix + ".columns",
                                                     spec_, options.embedding));
    tokens_end_here(options.embedding);
    blocks_.push_back(make_flatten_block());
    width_ = spec_.shape[0] * options.embedding;
    for (std::int64_t i = 0; i < options.depth; ++i) {
      blocks_.push_back(
          make_linear_block(request.layout, block_name(request, i), width_, options.width, true));
      width_ = options.width;
    }
  }
  bool takes_holes() const override { return true; }
  bool takes_categories() const override { return true; }
  ModalityInput prepare(const RawModality& raw) const override {
    const auto x = standardise(raw_tensor(raw, torch::kFloat32).view({-1, spec_.shape[0]}), spec_);
    const auto known = x.isnan().logical_not();
    ModalityInput input;
    input.values = torch::stack({torch::where(known, x, 0.0f), known.to(x.dtype())}, 1);
    return input;
  }

 private:
  torch::Tensor as_tokens(const torch::Tensor& values) const override { return values; }

  ModalitySpec spec_;
};

}  // namespace

EncoderType row_of_columns() {
  return type_of<ColumnsEncoder, EncoderType>(
      "vectors: a token for each column, of numbers, categories and holes, then linear layers",
      "Gorishniy et al. 2021");
}

}  // namespace cuttle
