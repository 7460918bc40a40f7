#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "cuttle/model/model.hpp"

namespace cuttle {

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
  /// Whether features of a modality are kept, and not rows.
  bool keeps_features(std::size_t modality) const {
    return model_.frozen(modality) && model_.encoder(modality).samples_apart() &&
           !model_.gives_tokens();
  }
  const Model& model() const { return model_; }
  /// The features that are kept of these samples, which all have the modality: [n, width] on the
  /// CPU, the same bits whoever asks.
  torch::Tensor features(std::size_t modality, const RawModality& raw) const;
  /// Keeps row i of `features` as those of samples[i] of the data set, or of this augmented copy
  /// of it.
  void take(std::size_t modality, const std::vector<std::int64_t>& samples,
            const torch::Tensor& features, std::int64_t copy = 0);
  /// On the CPU, for a modality that it keeps: the input of these samples of `batch`, which all
  /// have it; features where these are kept. Changed ones are made, and not kept.
  ModalityInput input(std::size_t modality, const RawBatch& batch,
                      const std::vector<std::int64_t>& rows);

 private:
  torch::Tensor make(std::size_t modality, const std::uint8_t* bytes, std::int64_t size) const;

  const Model& model_;
  Tensors parameters_;
  bool input_rows_;
  std::mutex mutex_;  ///< guards what follows
  /// By modality; sample and copy.
  std::vector<std::map<std::pair<std::int64_t, std::int64_t>, torch::Tensor>> kept_;
};

}  // namespace cuttle
