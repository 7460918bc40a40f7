#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuttle/model/completion.hpp"
#include "cuttle/model/encoder.hpp"
#include "cuttle/model/fusion.hpp"
#include "cuttle/model/head.hpp"
#include "cuttle/model/options.hpp"

namespace cuttle {

/// The types that a model is made of; other programs add theirs before running the app.
struct ModelRegistry {
  std::map<std::string, EncoderType> encoders = builtin_encoders();
  std::map<std::string, NormType> norms = builtin_norms();
  std::map<std::string, FusionType> fusions = builtin_fusions();
  std::map<std::string, CompletionType> completions = builtin_completions();
  std::map<std::string, HeadType> heads = builtin_heads();
};

class SampleCache;

/// What one pass gives; objectives look at all of it.
struct Pass {
  std::vector<Feature> features;  ///< by sense, of the rows that have it
  Senses senses;                  ///< the same, spread over all rows, as samples have them
  Embedding embedding;
  torch::Tensor outputs;  ///< [n, way], where somebody asked the head
  /// What answers embeddings where that is no head of the model's.
  std::function<torch::Tensor(const Embedding&)> classify = {};
  torch::Tensor loss;  ///< of a pass that made it: the inner loop's, or on kernels, whose outputs
                       ///< have no graph, the kind's
};

/// Encoders -> fusion -> embedding -> head, as pure functions of the parameters. Immutable after
/// construction, but for parameters that other parts of the run declare beside its own.
class Model {
 public:
  /// `way`: rows of the head (the largest way, or the values of a target), 0: no head;
  /// `inner_steps`: of training. UserError naming the key for an unknown type, a
  /// type that cannot take the modality's kind, or options for a modality that is not there.
  /// `device`: where it is meant to be computed.
  Model(const ModelOptions& options, std::vector<ModalitySpec> modalities, std::int64_t way,
        std::int64_t inner_steps, const ModelRegistry& registry,
        torch::Device device = torch::kCPU);

  std::shared_ptr<const ParameterLayout> layout() const { return layout_; }
  /// Where learners and objectives declare their own, before any values exist.
  ParameterLayout& declare() { return *layout_; }
  /// Somebody beside the fusion looks at tokens; before the first pass.
  void give_tokens() { gives_tokens_ = true; }
  /// Units that prepare() gives targets in; before the first one.
  void set_units(TargetUnits units) { units_ = std::move(units); }
  const TargetUnits& units() const { return units_; }
  bool gives_tokens() const { return gives_tokens_ || fusion_->wants_tokens(); }
  const std::vector<ModalitySpec>& modalities() const { return modalities_; }
  /// Where parameters and batches must be (Batch::on) when it is computed.
  torch::Device device() const { return device_; }
  const Encoder& encoder(std::size_t modality) const { return *encoders_[modality]; }
  const Fusion& fusion() const { return *fusion_; }
  /// Null: senses that a sample lacks are left to the fusion.
  const Completion* completion() const { return completion_.get(); }
  /// Rows of its head; 0: it has none.
  std::int64_t head_rows() const { return head_rows_; }
  /// Empty when every part has a double backward; else the name of the first that has none.
  std::string first_order_only() const;
  /// Whether a norm takes its statistics from the support set: queries then need look_at().
  bool uses_support() const { return uses_support_; }
  /// Whether, in use, what is made of a sample depends on no other of its batch, though it may on
  /// the support set.
  bool samples_apart() const;
  /// Whether in training, too, it depends on no other sample but through the support's statistics.
  bool trains_apart() const;
  /// What the embeddings of n samples are multiplied by in training, [n, width of all parts]: 0
  /// with the chance ModelOptions::dropout, else 1 / (1 - it) (Srivastava et al. 2014); one draw
  /// for all passes over a task (Gal and Ghahramani 2016). A pure function of the key; undefined
  /// without dropout.
  torch::Tensor dropout(std::int64_t n, const RandomKey& key) const;
  bool drops() const { return dropout_ > 0; }
  /// ModelOptions::lite.
  std::int64_t lite() const { return lite_; }

  /// The layers, the head last, of a model that is nothing but a multilayer perceptron of one
  /// modality, unless its encoder says `fused: false`; else empty. An engine may then compute whole
  /// tasks.
  const std::vector<LinearLayer>& perceptron() const { return perceptron_; }
  /// Its parameters, if it has any, are before the learned ones, and embed() keeps no graph of it.
  bool frozen(std::size_t modality) const { return frozen_[modality]; }
  /// As in "text once a sample, image in every batch"; empty: none is frozen.
  std::string frozen_encoders() const;
  /// Files whose values encoders hold, as in "text SHA-256, image SHA-256"; empty: none does.
  std::string held_files() const;
  /// Which blocks own kernels compute, as in "image 4 of 5, text 2 of 4 (avx2)".
  std::string fused_blocks() const;

  /// Raw samples to tensors on the CPU. `way` as in the task. `kept`: takes from there, and puts
  /// there, what is dear to make.
  Batch prepare(const RawBatch& raw, std::int64_t way, SampleCache* kept = nullptr) const;
  /// Everything but the head's answers.
  Pass look(const Tensors& parameters, const Batch& batch, const Context& context) const;
  Embedding embed(const Tensors& parameters, const Batch& batch, const Context& context) const {
    return look(parameters, batch, context).embedding;
  }
  /// What a support set gives to its queries (Context::given), with the graph; nothing unless
  /// uses_support().
  Statistics look_at(const Tensors& parameters, const Batch& support, Context context) const;
  /// [n, way]: the head's logits, over parts by weight. way <= the head's rows.
  torch::Tensor classify(const Tensors& parameters, const Embedding& embedding,
                         std::int64_t way) const;
  torch::Tensor forward(const Tensors& parameters, const Batch& batch,
                        const Context& context) const {
    return classify(parameters, embed(parameters, batch, context), batch.way);
  }

 private:
  torch::Device device_;
  std::shared_ptr<ParameterLayout> layout_;
  std::vector<ModalitySpec> modalities_;
  std::vector<std::unique_ptr<const Encoder>> encoders_;
  std::vector<bool> frozen_;
  std::unique_ptr<const Completion> completion_;
  std::unique_ptr<const Fusion> fusion_;
  std::vector<std::unique_ptr<const Head>> heads_;  ///< one per part
  std::int64_t head_rows_ = 0;
  bool uses_support_ = false, gives_tokens_ = false;
  std::int64_t lite_ = 0;
  double dropout_ = 0;
  TargetUnits units_;
  std::vector<LinearLayer> perceptron_;

  void make_encoders(const ModelOptions& options, std::int64_t inner_steps,
                     const ModelRegistry& registry);
  void make_fusion_and_heads(const ModelOptions& options, std::int64_t way,
                             const ModelRegistry& registry);
  void find_perceptron();
  Senses spread(const Tensors& parameters, const std::vector<Feature>& features,
                const Batch& batch) const;
};

}  // namespace cuttle
