#include "adapt/class_codes.hpp"

#include <torch/types.h>

#include <cmath>
#include <utility>

#include "adapt/embed.hpp"
#include "adapt/layers.hpp"

namespace cuttle {

double Normal::initial(std::int64_t in, std::int64_t out) {
  return std::sqrt(2.0 / static_cast<double>(in + out));
}

Normal::Normal(const torch::Tensor& numbers, std::int64_t in) {
  const auto halves = numbers.chunk(2, 1);
  mean = halves[0];
  deviation = torch::softplus(halves[1]) * initial(in, mean.size(1)) / M_LN2 + kLeastDeviation;
}

torch::Tensor Normal::divergence() const {
  return 0.5 * (mean.square() + deviation.square() - 1.0 - 2.0 * deviation.log()).mean();
}

torch::Tensor Draws::operator()(const Normal& normal) {
  const auto& mean = normal.mean;
  if (!random_) return mean;
  const auto drawn = torch::tensor(noise(mean.numel()), torch::kFloat64).view(mean.sizes());
  return mean + normal.deviation * drawn.to(mean.options().requires_grad(false));
}

std::vector<double> Draws::noise(std::int64_t count) {
  std::vector<double> numbers;
  for (std::int64_t i = 0; i < count && random_; ++i) numbers.push_back(random_->normal());
  return numbers;
}

ClassCoder::ClassCoder(ParameterLayout& layout, const std::string& name, std::int64_t width,
                       std::int64_t latent)
    : latent_(latent) {
  const auto own = [&](const std::string& layer, std::vector<std::int64_t> shape) {
    return own_array(layout, name + "." + layer + ".weight", std::move(shape));
  };
  encoder_ = own("encoder", {latent, width});
  for (int i = 0; i < 3; ++i)
    relation_.push_back(own("relation." + std::to_string(i), {2 * latent, 2 * latent}));
  decoder_ = own("decoder", {2 * width, latent});
}

Normal ClassCoder::encode(const Tensors& p, const torch::Tensor& part, const torch::Tensor& has,
                          const Batch& support, const torch::Tensor& counts) const {
  const auto mean_of = [](const torch::Tensor& share) {
    const auto sum = share.sum(-1, true);
    return share / sum.masked_fill(sum.eq(0), 1.0);
  };
  const auto own = mean_of(members_of(support, has.options()) * has);
  const auto all = mean_of(counts.defined() ? has * counts.to(has.options()) : has);
  const auto code = torch::linear(part, parameter_at(p, encoder_));
  const std::int64_t n = code.size(0);
  auto pairs = torch::cat({code.unsqueeze(1).expand({n, n, -1}), code.expand({n, n, -1})}, 2);
  for (std::size_t layer = 0; layer < relation_.size(); ++layer)
    pairs =
        torch::linear(layer > 0 ? torch::relu(pairs) : pairs, parameter_at(p, relation_[layer]));
  const auto relations = (pairs * all.view({1, n, 1})).sum(1);
  return Normal(own.matmul(relations), latent_);
}

Normal ClassCoder::decode(const Tensors& p, const torch::Tensor& codes) const {
  return Normal(torch::linear(codes, parameter_at(p, decoder_)), latent_);
}

torch::Tensor ClassCoder::correlations(const Tensors& p) const {
  const auto& decoder = parameter_at(p, decoder_);
  const auto columns = decoder / (decoder.square().sum(0, true) + kLeastSquare).sqrt();
  const auto c = columns.t().matmul(columns);
  return (c - torch::eye(c.size(0), c.options().requires_grad(false))).square().mean();
}

}  // namespace cuttle
