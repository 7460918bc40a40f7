#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "cuttle/model/encoder.hpp"
#include "cuttle/model/fusion.hpp"

namespace cuttle {

/// The names a config can use; other programs add theirs before running the app.
struct ModelRegistry {
  std::map<std::string, EncoderFactory> encoders = builtin_encoders();
  std::map<std::string, FusionFactory> fusions = builtin_fusions();
};

class SampleCache;

/// Encoders -> fusion -> embedding -> head, as pure functions of the parameters. Immutable after
/// construction.
class Model {
 public:
  /// `way`: rows of the head (the largest way, or the values of a target), 0: no head;
  /// `inner_steps`: the most that will be taken. UserError naming the key for an unknown type, a
  /// type that cannot take the modality's kind, or options for a modality that is not there.
  /// `device`: where it is meant to be computed.
  Model(const ModelOptions& options, std::vector<ModalitySpec> modalities, std::int64_t way,
        std::int64_t inner_steps, const ModelRegistry& registry,
        torch::Device device = torch::kCPU);

  const std::shared_ptr<const ParameterLayout>& layout() const { return layout_; }
  const std::vector<ModalitySpec>& modalities() const { return modalities_; }
  /// Where parameters and batches must be (Batch::on) when it is computed.
  torch::Device device() const { return device_; }
  const Encoder& encoder(std::size_t modality) const { return *encoders_[modality]; }
  /// Empty when every block has a double backward; else the name of the first that has none.
  std::string first_order_only() const;

  /// The layers, the head last, of a model that is nothing but a multilayer perceptron of one
  /// modality, unless its encoder says `fused: false`; else empty. An engine may then compute whole
  /// tasks.
  const std::vector<LinearLayer>& perceptron() const { return perceptron_; }
  /// Its parameters are before the learned ones (ParameterLayout::begin_learned) and embed() keeps
  /// no graph of it.
  bool frozen(std::size_t modality) const { return frozen_[modality]; }
  /// As in "text once a sample, image in every batch"; empty: none is frozen.
  std::string frozen_encoders() const;
  /// Which blocks own kernels compute, as in "image 4 of 5, text 2 of 4 (avx2)".
  std::string fused_blocks() const;

  /// Raw samples to tensors on the CPU. `way` as in the task. `kept`: takes from there, and puts
  /// there, what is dear to make.
  Batch prepare(const RawBatch& raw, std::int64_t way, SampleCache* kept = nullptr) const;
  Embedding embed(const Tensors& parameters, const Batch& batch, const Context& context) const;
  /// [n, way]: the head's logits, over parts by weight. way <= the head's rows.
  torch::Tensor classify(const Tensors& parameters, const Embedding& embedding,
                         std::int64_t way) const;
  torch::Tensor forward(const Tensors& parameters, const Batch& batch,
                        const Context& context) const {
    return classify(parameters, embed(parameters, batch, context), batch.way);
  }

 private:
  torch::Device device_;
  std::shared_ptr<const ParameterLayout> layout_;
  std::vector<ModalitySpec> modalities_;
  std::vector<std::unique_ptr<const Encoder>> encoders_;
  std::vector<bool> frozen_;
  std::unique_ptr<const Fusion> fusion_;
  std::vector<std::int64_t> head_weights_, head_biases_;  ///< a pair per part
  std::vector<LinearLayer> perceptron_;

  void find_perceptron(std::int64_t way);
};

/// What is dear to make of single samples, made when a sample is first met and kept from then on:
/// features under the frozen encoders that look at each sample alone, and, if wanted, the input
/// rows that encoders call dear. Each is made of its sample alone, so that it does not depend on
/// what was met before. Usable from several threads.
class SampleCache {
 public:
  /// For samples of one data set. `parameters`: the frozen encoders' values, which nobody changes;
  /// the model must outlive it. `input_rows`: keep these too (they take less room than the raw
  /// samples).
  SampleCache(const Model& model, const ParameterList& parameters, bool input_rows)
      : model_(model),
        parameters_(parameters.on(model.device()).tensors()),
        input_rows_(input_rows),
        kept_(model.modalities().size()) {}

  bool keeps(std::size_t modality) const {
    return keeps_features(modality) || (input_rows_ && model_.encoder(modality).dear_rows());
  }
  /// On the CPU, for a modality that it keeps: the input of these samples of `batch`, which all
  /// have it; features where these are kept.
  ModalityInput input(std::size_t modality, const RawBatch& batch,
                      const std::vector<std::int64_t>& rows);

 private:
  bool keeps_features(std::size_t modality) const {
    return model_.frozen(modality) && model_.encoder(modality).samples_apart();
  }
  torch::Tensor make(std::size_t modality, const RawModality& raw, std::size_t row) const;

  const Model& model_;
  Tensors parameters_;
  bool input_rows_;
  std::mutex mutex_;                                                   ///< guards what follows
  std::vector<std::unordered_map<std::int64_t, torch::Tensor>> kept_;  ///< by modality and sample
};

}  // namespace cuttle
