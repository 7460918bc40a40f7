#include "model/pretrained/attention.hpp"

#include <torch/types.h>

#include <cmath>
#include <utility>

#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

class LastNorm final : public Block {
 public:
  LastNorm(GivenAffine norm, double eps) : norm_(std::move(norm)), eps_(eps) {}
  std::string kind() const override { return "last_norm"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors& p, const Signal& input, const Context&) const override {
    return {layer_norm(p, norm_, input.values, eps_), input.mask};
  }

 private:
  GivenAffine norm_;
  double eps_;
};

class TokenPool final : public Block {
 public:
  TokenPool(bool first, bool unit) : first_(first), unit_(unit) {}
  std::string kind() const override { return "token_pool"; }
  bool samples_apart() const override { return true; }
  Signal forward(const Tensors&, const Signal& input, const Context&) const override {
    const auto pooled = first_ ? input.values.select(1, 0) : means(input);
    return {unit_ ? of_length_one(pooled) : pooled, {}};
  }

 private:
  /// Sample by sample: sums over padding would have their terms in another order.
  static torch::Tensor means(const Signal& input) {
    const auto lengths = lengths_of(input);
    Tensors rows;
    for (std::size_t i = 0; i < lengths.size(); ++i)
      rows.push_back(input.values[static_cast<std::int64_t>(i)].narrow(0, 0, lengths[i]).mean(0));
    return torch::stack(rows);
  }

  bool first_, unit_;
};

}  // namespace

std::vector<std::int64_t> lengths_of(const Signal& input) {
  if (!input.mask.defined())
    return std::vector<std::int64_t>(static_cast<std::size_t>(input.values.size(0)),
                                     input.values.size(1));
  const auto counts = input.mask.sum(1).to(torch::kCPU, torch::kInt64);
  return {counts.data_ptr<std::int64_t>(), counts.data_ptr<std::int64_t>() + counts.numel()};
}

torch::Tensor of_length_one(const torch::Tensor& rows) {
  return rows / (rows.square().sum(1, true) + 1e-24).sqrt();
}

torch::Tensor affine(const Tensors& p, const GivenAffine& linear, const torch::Tensor& x) {
  return torch::linear(x, linear.weight.in(p), linear.bias.in(p));
}

torch::Tensor layer_norm(const Tensors& p, const GivenAffine& norm, const torch::Tensor& x,
                         double eps) {
  return torch::layer_norm(x, {x.size(-1)}, norm.weight.in(p), norm.bias.in(p), eps);
}

std::string activation_of(const Weights& weights) {
  const std::string name = weights.text("sizes", "activation");
  CUTTLE_VALIDATE(
      name == "relu" || name == "gelu" || name == "gelu_tanh" || name == "quick_gelu",
      "the weights' sizes.activation is {} (known: relu, gelu, gelu_tanh, quick_gelu); make the "
      "file again with cuttle-data weights",
      name);
  return name;
}

torch::Tensor activated(const torch::Tensor& x, const std::string& activation) {
  if (activation == "relu") return torch::relu(x);
  if (activation == "quick_gelu") return x * torch::sigmoid(1.702 * x);
  return torch::gelu(x, activation == "gelu" ? "none" : "tanh");
}

torch::Tensor in_heads(const torch::Tensor& x, std::int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

torch::Tensor attended(const torch::Tensor& queries, const torch::Tensor& keys,
                       const torch::Tensor& values, const torch::Tensor& mask) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(queries.size(3)));
  auto scores = torch::matmul(queries * scale, keys.transpose(2, 3));
  if (mask.defined())
    scores = scores.masked_fill((mask == 0).view({mask.size(0), 1, 1, mask.size(1)}), -1e30);
  return torch::matmul(torch::softmax(scores, 3), values).transpose(1, 2).flatten(2);
}

std::unique_ptr<const Block> make_last_norm(GivenAffine norm, double eps) {
  return std::make_unique<LastNorm>(std::move(norm), eps);
}

std::unique_ptr<const Block> make_token_pool(const Weights& weights) {
  const std::string pooling = weights.text("output", "pooling");
  CUTTLE_VALIDATE(pooling == "mean" || pooling == "cls",
                  "the weights' output.pooling is {} (known: mean, cls); make the file again with "
                  "cuttle-data weights",
                  pooling);
  const bool unit = weights.has("output", "unit") && weights.flag("output", "unit");
  return std::make_unique<TokenPool>(pooling == "cls", unit);
}

}  // namespace cuttle
