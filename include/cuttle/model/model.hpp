#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cuttle/model/encoder.hpp"
#include "cuttle/model/fusion.hpp"

namespace cuttle {

/// The names a config can use; other programs add theirs before running the app.
struct ModelRegistry {
  std::map<std::string, EncoderFactory> encoders = builtin_encoders();
  std::map<std::string, FusionFactory> fusions = builtin_fusions();
};

/// Encoders -> fusion -> embedding -> head, as pure functions of the parameters. Immutable after
/// construction.
class Model {
 public:
  /// `way`: rows of the head (the largest way, or the values of a target), 0: no head;
  /// `inner_steps`: the most that will be taken. UserError naming the key for an unknown type, a
  /// type that cannot take the modality's kind, or options for a modality that is not there.
  Model(const ModelOptions& options, std::vector<ModalitySpec> modalities, std::int64_t way,
        std::int64_t inner_steps, const ModelRegistry& registry);

  const std::shared_ptr<const ParameterLayout>& layout() const { return layout_; }
  const std::vector<ModalitySpec>& modalities() const { return modalities_; }
  const Encoder& encoder(std::size_t modality) const { return *encoders_[modality]; }
  /// Empty when every block has a double backward; else the name of the first that has none.
  std::string first_order_only() const;

  /// The layers, the head last, of a model that is nothing but a multilayer perceptron of one
  /// modality, unless its encoder says `fused: false`; else empty. An engine may then compute whole
  /// tasks.
  const std::vector<LinearLayer>& perceptron() const { return perceptron_; }
  /// Which blocks own kernels compute, as in "image 4 of 5, text 2 of 4 (avx2)".
  std::string fused_blocks() const;

  /// Raw samples to tensors. `way` as in the task.
  Batch prepare(const RawBatch& raw, std::int64_t way) const;
  Embedding embed(const Tensors& parameters, const Batch& batch, const Context& context) const;
  /// [n, way]: the head's logits, over parts by weight. way <= the head's rows.
  torch::Tensor classify(const Tensors& parameters, const Embedding& embedding,
                         std::int64_t way) const;
  torch::Tensor forward(const Tensors& parameters, const Batch& batch,
                        const Context& context) const {
    return classify(parameters, embed(parameters, batch, context), batch.way);
  }

 private:
  std::shared_ptr<const ParameterLayout> layout_;
  std::vector<ModalitySpec> modalities_;
  std::vector<std::unique_ptr<const Encoder>> encoders_;
  std::unique_ptr<const Fusion> fusion_;
  std::vector<std::int64_t> head_weights_, head_biases_;  ///< a pair per part
  std::vector<LinearLayer> perceptron_;

  void find_perceptron(std::int64_t way);
};

}  // namespace cuttle
