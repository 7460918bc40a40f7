#include "cuttle/model/fusion.hpp"

#include <torch/torch.h>

#include <numeric>

#include "cuttle/core/error.hpp"
#include "model/places.hpp"

namespace cuttle {
namespace {

/// Features of the present rows, spread over all n samples; absent samples get zeros.
torch::Tensor spread(const torch::Tensor& features, const ModalityInput& input, std::int64_t n,
                     std::int64_t width, const torch::TensorOptions& options) {
  if (!features.defined()) return torch::zeros({n, width}, options);
  if (features.size(0) == n) return features;
  return torch::zeros({n, width}, options).index_copy(0, input.rows, features);
}

/// [n, modalities], 1 where a sample has a modality.
torch::Tensor presence(const Batch& batch, const torch::TensorOptions& options) {
  auto mask =
      torch::zeros({batch.size, static_cast<std::int64_t>(batch.modalities.size())}, options);
  for (std::size_t m = 0; m < batch.modalities.size(); ++m)
    if (batch.modalities[m].rows.numel() > 0)
      mask.select(1, static_cast<std::int64_t>(m)).index_fill_(0, batch.modalities[m].rows, 1.0);
  return mask;
}

Embedding one_part(const torch::Tensor& fused) {
  return {
      {fused}, torch::ones({fused.size(0), 1}, fused.options()), torch::ones({1}, fused.options())};
}

/// All features side by side; a learned embedding (or zeros) where a sample lacks a modality.
class ConcatFusion final : public Fusion {
 public:
  explicit ConcatFusion(const FusionRequest& request) : widths_(request.widths) {
    const auto& stand_in = request.options.missing;
    CUTTLE_VALIDATE(stand_in == "embedding" || stand_in == "zeros",
                    "model.missing: '{}' is unknown; use embedding or zeros", stand_in);
    if (stand_in == "zeros" || widths_.size() < 2) return;
    for (std::size_t m = 0; m < widths_.size(); ++m)
      absent_.push_back(request.layout.add(
          {"fusion.absent." + request.modalities[m], {widths_[m]}, Init::kZeros}));
  }
  Embedding forward(const Tensors& p, const Tensors& features, const Batch& batch) const override {
    const auto options = p[0].options().requires_grad(false);
    const auto mask = presence(batch, options);
    Tensors columns;
    for (std::size_t m = 0; m < widths_.size(); ++m) {
      auto column = spread(features[m], batch.modalities[m], batch.size, widths_[m], options);
      if (!absent_.empty())
        column =
            column + (1.0 - mask.narrow(1, static_cast<std::int64_t>(m), 1)) * at(p, absent_[m]);
      columns.push_back(column);
    }
    return one_part(torch::cat(columns, 1));
  }
  std::vector<std::int64_t> part_widths() const override {
    return {std::accumulate(widths_.begin(), widths_.end(), std::int64_t{0})};
  }
  bool passes_through() const override { return widths_.size() == 1; }

 private:
  std::vector<std::int64_t> widths_;
  std::vector<std::int64_t> absent_;
};

/// Every modality projected to one width; a softmax over the present modalities' gate scores weighs
/// them.
class GatedFusion final : public Fusion {
 public:
  explicit GatedFusion(const FusionRequest& request)
      : widths_(request.widths), width_(request.options.embedding) {
    for (std::size_t m = 0; m < widths_.size(); ++m) {
      const std::string name = "fusion." + request.modalities[m];
      weights_.push_back(request.layout.add({name + ".weight", {width_, widths_[m]}}));
      biases_.push_back(request.layout.add({name + ".bias", {width_}, Init::kZeros}));
      gates_.push_back(request.layout.add({name + ".gate", {1, width_}}));
    }
  }
  Embedding forward(const Tensors& p, const Tensors& features, const Batch& batch) const override {
    const auto options = p[0].options().requires_grad(false);
    const auto mask = presence(batch, options);
    Tensors projected, scores;
    for (std::size_t m = 0; m < widths_.size(); ++m) {
      const auto x = spread(features[m], batch.modalities[m], batch.size, widths_[m], options);
      const auto h = torch::tanh(torch::linear(x, at(p, weights_[m]), at(p, biases_[m])));
      projected.push_back(h);
      scores.push_back(torch::linear(h, at(p, gates_[m])));
    }
    const auto score = torch::cat(scores, 1).masked_fill(mask == 0, -1e30);
    const auto gate = torch::softmax(score, 1).unsqueeze(2);  // [n, modalities, 1]
    return one_part((torch::stack(projected, 1) * gate).sum(1));
  }
  std::vector<std::int64_t> part_widths() const override { return {width_}; }

 private:
  std::vector<std::int64_t> widths_;
  std::int64_t width_;
  std::vector<std::int64_t> weights_, biases_, gates_;
};

/// No joint embedding: one part per modality with a learned weight (softmax of `fusion.weight`).
class LateFusion final : public Fusion {
 public:
  explicit LateFusion(const FusionRequest& request)
      : widths_(request.widths),
        weight_(request.layout.add(
            {"fusion.weight", {static_cast<std::int64_t>(widths_.size())}, Init::kZeros})) {}
  Embedding forward(const Tensors& p, const Tensors& features, const Batch& batch) const override {
    const auto options = p[0].options().requires_grad(false);
    Embedding embedding;
    for (std::size_t m = 0; m < widths_.size(); ++m)
      embedding.parts.push_back(
          spread(features[m], batch.modalities[m], batch.size, widths_[m], options));
    embedding.mask = presence(batch, options);
    embedding.weights = torch::softmax(at(p, weight_), 0);
    return embedding;
  }
  std::vector<std::int64_t> part_widths() const override { return widths_; }

 private:
  std::vector<std::int64_t> widths_;
  std::int64_t weight_;
};

template <class Type>
FusionFactory factory() {
  return [](const FusionRequest& request) { return std::make_unique<const Type>(request); };
}

}  // namespace

std::map<std::string, FusionFactory> builtin_fusions() {
  return {{"concat", factory<ConcatFusion>()},
          {"gated", factory<GatedFusion>()},
          {"late", factory<LateFusion>()}};
}

}  // namespace cuttle
