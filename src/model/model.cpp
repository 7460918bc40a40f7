#include "cuttle/model/model.hpp"

#include <torch/types.h>

#include <algorithm>

#include <fmt/ranges.h>

#include "cuttle/core/error.hpp"
#include "cuttle/kernels/conv_block.hpp"
#include "cuttle/model/sample_cache.hpp"

namespace cuttle {
namespace {

/// Rows of the present samples, spread over all n; absent samples get zeros.
torch::Tensor over_all(const torch::Tensor& values, const torch::Tensor& rows, std::int64_t n,
                       std::vector<std::int64_t> shape, const torch::TensorOptions& options) {
  shape.insert(shape.begin(), n);
  if (!values.defined()) return torch::zeros(shape, options);
  if (values.size(0) == n) return values;
  return torch::zeros(shape, options).index_copy(0, rows, values);
}

/// Of what is made of features: as the parameters are or, where a model has none, the features.
torch::TensorOptions options_of_features(const Tensors& parameters,
                                         const std::vector<Feature>& features,
                                         torch::Device device) {
  if (!parameters.empty()) return parameters[0].options().requires_grad(false);
  for (const Feature& feature : features)
    if (feature.pooled.defined()) return feature.pooled.options();
  return torch::TensorOptions(torch::kFloat32).device(device);
}

void check_numbers(const ModalitySpec& spec, const std::string& type, const Encoder& encoder) {
  const std::string key = "model.encoders." + spec.name;
  CUTTLE_VALIDATE(spec.categories.empty() || encoder.takes_categories(),
                  "{}.type: {} takes numbers, and columns of {} hold numbers of categories (which "
                  "are no amounts); use `columns`, which learns what each of them means, or "
                  "convert the data without --codes",
                  key, type, spec.name);
  CUTTLE_VALIDATE(
      !spec.holes || encoder.takes_holes(),
      "{}: {} has holes (NaN: empty cells), of which {} would make nothing but NaN; {}, "
      "or fill them by {}.fitted, such as [impute]",
      key, spec.name, type,
      spec.kind == ModalityKind::kSeries
          ? "say irregular: true, of which series_conv, gru and transformer learn "
            "when values came"
          : "use type: columns, which learns what a hole means",
      key);
}

}  // namespace

Senses Model::spread(const Tensors& parameters, const std::vector<Feature>& features,
                     const Batch& batch) const {
  const auto options = options_of_features(parameters, features, device_);
  Senses senses;
  senses.complete =
      std::all_of(batch.modalities.begin(), batch.modalities.end(),
                  [&](const auto& input) { return input.rows.numel() == batch.size; });
  senses.present = torch::full({batch.size, static_cast<std::int64_t>(batch.modalities.size())},
                               senses.complete ? 1.0 : 0.0, options);
  for (std::size_t m = 0; m < features.size(); ++m) {
    const auto& rows = batch.modalities[m].rows;
    const auto& [pooled, tokens, mask] = features[m];
    if (rows.numel() > 0 && !senses.complete)
      senses.present.select(1, static_cast<std::int64_t>(m)).index_fill_(0, rows, 1.0);
    senses.pooled.push_back(over_all(pooled, rows, batch.size, {encoders_[m]->width()}, options));
    if (!fusion_->wants_tokens()) continue;
    const std::int64_t steps = tokens.defined() ? tokens.size(1) : 1;
    senses.tokens.push_back(
        over_all(tokens, rows, batch.size, {steps, encoders_[m]->token_width()}, options));
    const auto real =
        tokens.defined() && !mask.defined() ? torch::ones({tokens.size(0), steps}, options) : mask;
    senses.token_mask.push_back(over_all(real, rows, batch.size, {steps}, options));
  }
  return senses;
}

Model::Model(const ModelOptions& options, std::vector<ModalitySpec> modalities, std::int64_t way,
             std::int64_t inner_steps, const ModelRegistry& registry, torch::Device device)
    : device_(device),
      layout_(std::make_shared<ParameterLayout>()),
      modalities_(std::move(modalities)),
      lite_(options.lite),
      dropout_(options.dropout) {
  ProblemList problems;
  for (const auto& entry : options.encoders)
    problems.attempt([&] {
      CUTTLE_VALIDATE(
          find_modality(modalities_, entry.first) != nullptr,
          "model.encoders.{}: the data has no such modality in use (it has {}); remove the key or "
          "add the modality to data.modalities",
          entry.first, fmt::join(names_of(modalities_), ", "));
    });
  problems.attempt([&] { make_encoders(options, inner_steps, registry); });
  problems.throw_if_any();
  make_fusion_and_heads(options, way, registry);
  find_perceptron();
}

void Model::make_encoders(const ModelOptions& options, std::int64_t inner_steps,
                          const ModelRegistry& registry) {
  std::vector<EncoderOptions> chosen;
  for (const auto& spec : modalities_) {
    const auto found = options.encoders.find(spec.name);
    chosen.push_back(found == options.encoders.end() ? EncoderOptions{} : found->second);
    frozen_.push_back(!chosen.back().frozen_from.empty());
  }
  encoders_.resize(modalities_.size());
  ProblemList problems;
  for (const bool frozen : {true, false}) {
    layout_->set_frozen(frozen);
    for (std::size_t m = 0; m < modalities_.size(); ++m) {
      if (frozen_[m] != frozen) continue;
      const auto& name = modalities_[m].name;
      const auto& network = chosen[m].network;
      problems.attempt([&] {
        encoders_[m] =
            find_type(registry.encoders, "model.encoders." + name + ".type", network.type)
                .make({modalities_[m], network, *layout_, "encoder." + name, inner_steps, registry,
                       device_});
        check_numbers(modalities_[m], network.type, *encoders_[m]);
      });
    }
  }
  problems.throw_if_any();
  for (std::size_t m = 0; m < encoders_.size(); ++m)
    if (encoders_[m]->fixed()) frozen_[m] = true;
  for (const auto& encoder : encoders_)
    for (const auto& block : encoder->blocks()) uses_support_ |= block->uses_support();
}

void Model::make_fusion_and_heads(const ModelOptions& options, std::int64_t way,
                                  const ModelRegistry& registry) {
  FusionRequest request{options.fusion, {}, {}, {}, *layout_};
  for (std::size_t m = 0; m < modalities_.size(); ++m) {
    request.modalities.push_back(modalities_[m].name);
    request.widths.push_back(encoders_[m]->width());
    request.token_widths.push_back(encoders_[m]->token_width());
  }
  fusion_ = find_type(registry.fusions, "model.fusion", options.fusion.type).make(request);
  const std::string& completion = options.completion.type;
  completion_ = find_type(registry.completions, "model.completion", completion)
                    .make({options.completion, request.modalities, request.widths, *layout_});
  const bool alone = modalities_.size() < 2;
  CUTTLE_VALIDATE(
      !completion_ || !(alone || fusion_->wants_tokens()),
      "model.completion: {} says what a sample's other senses tell of one, as one vector "
      "({}); use none",
      completion, alone ? "and there is one sense alone" : options.fusion.type + " reads tokens");
  uses_support_ |= completion_ && completion_->uses_support();
  head_rows_ = way;
  const auto parts = fusion_->part_widths();
  const auto& type = find_type(registry.heads, "model.head", options.head.type);
  for (std::size_t part = 0; way > 0 && part < parts.size(); ++part) {
    const std::string name = parts.size() == 1 ? "head" : "head." + std::to_string(part);
    heads_.push_back(type.make({options.head, *layout_, name, parts[part], way}));
  }
}

void Model::find_perceptron() {
  const bool alone = encoders_.size() == 1 && heads_.size() == 1 && !frozen_[0] && !drops();
  if (!alone || !fusion_->passes_through() || !encoders_[0]->whole_tasks()) return;
  std::vector<LinearLayer> layers;
  for (const auto& block : encoders_[0]->blocks()) {
    if (block->linear() == nullptr) return;
    layers.push_back(*block->linear());
  }
  if (heads_[0]->linear() == nullptr) return;
  layers.push_back(*heads_[0]->linear());
  perceptron_ = std::move(layers);
}

std::string Model::first_order_only() const {
  for (std::size_t m = 0; m < encoders_.size(); ++m)
    for (const auto& block : encoders_[m]->blocks())
      if (!frozen_[m] && !block->second_order()) return modalities_[m].name + ": " + block->kind();
  return fusion_->second_order() ? "" : "the fusion";
}

std::string Model::fused_blocks() const {
  std::vector<std::string> parts;
  for (std::size_t m = 0; m < encoders_.size(); ++m) {
    const auto& blocks = encoders_[m]->blocks();
    const auto fused = std::count_if(blocks.begin(), blocks.end(), [&](const auto& block) {
      return device_.is_cpu() &&
             (block->fused() || encoders_[m]->stacked() || !perceptron_.empty());
    });
    parts.push_back(fmt::format("{} {} of {}", modalities_[m].name, fused, blocks.size()));
  }
  return fmt::format(
      "{} ({})", fmt::join(parts, ", "),
      device_.is_cpu() ? to_string(kernels::instruction_set()) : device_.str().c_str());
}

std::string Model::frozen_encoders() const {
  std::vector<std::string> parts;
  for (std::size_t m = 0; m < encoders_.size(); ++m)
    if (frozen_[m])
      parts.push_back(modalities_[m].name +
                      (encoders_[m]->samples_apart() ? " once a sample" : " in every batch"));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string Model::held_files() const {
  std::vector<std::string> parts;
  for (std::size_t m = 0; m < encoders_.size(); ++m)
    if (!encoders_[m]->held().empty())
      parts.push_back(modalities_[m].name + " " + encoders_[m]->held());
  return fmt::format("{}", fmt::join(parts, ", "));
}

Batch Model::prepare(const RawBatch& raw, std::int64_t way, SampleCache* kept) const {
  CUTTLE_EXPECT(raw.modalities.size() == modalities_.size());
  Batch batch;
  batch.size = raw.size;
  batch.way = way;
  if (!raw.labels.empty()) {
    batch.labels = torch::tensor(raw.labels, torch::kInt64);
    batch.even = is_even(batch.labels, way);
  }
  if (!raw.targets.empty()) {
    batch.targets = units_.from_own(torch::tensor(raw.targets).view({raw.size, -1}));
    batch.way = batch.targets.size(1);
  }
  for (std::size_t m = 0; m < modalities_.size(); ++m) {
    const auto& source = raw.modalities[m];
    std::vector<std::int64_t> rows;
    for (std::size_t i = 0; i < source.present.size(); ++i)
      if (source.present[i]) rows.push_back(static_cast<std::int64_t>(i));
    ModalityInput input;
    if (!rows.empty())
      input = kept != nullptr && kept->keeps(m) ? kept->input(m, raw, rows)
                                                : encoders_[m]->prepare(source);
    input.rows = torch::tensor(rows, torch::kInt64);
    batch.modalities.push_back(std::move(input));
  }
  return batch;
}

bool Model::samples_apart() const {
  return std::all_of(encoders_.begin(), encoders_.end(), [](const auto& encoder) {
    const Blocks& blocks = encoder->blocks();
    return std::all_of(blocks.begin(), blocks.end(), [](const auto& block) {
      return block->samples_apart() || block->uses_support();
    });
  });
}

bool Model::trains_apart() const {
  return std::all_of(encoders_.begin(), encoders_.end(), [](const auto& encoder) {
    const Blocks& blocks = encoder->blocks();
    return std::all_of(blocks.begin(), blocks.end(),
                       [](const auto& block) { return block->trains_apart(); });
  });
}

Pass Model::look(const Tensors& parameters, const Batch& batch, const Context& context) const {
  Pass pass;
  pass.features.resize(encoders_.size());
  const bool tokens = gives_tokens();
  for (std::size_t m = 0; m < encoders_.size(); ++m) {
    const ModalityInput& input = batch.modalities[m];
    if (!input.values.defined()) continue;
    const torch::AutoGradMode graph(torch::GradMode::is_enabled() && !frozen_[m]);
    Context own = context;
    if (frozen_[m]) own.mode = Mode::kUse;
    if (input.encoded)
      pass.features[m].pooled = input.values;
    else
      pass.features[m] = encoders_[m]->forward(parameters, input, own, tokens);
  }
  pass.senses = spread(parameters, pass.features, batch);
  pass.embedding = fusion_->forward(
      parameters,
      completion_ ? completed(*completion_, parameters, pass.senses, context) : pass.senses,
      context);
  std::int64_t place = 0;
  if (batch.kept.defined())
    for (torch::Tensor& part : pass.embedding.parts) {
      part = part * batch.kept.narrow(1, place, part.size(1));
      place += part.size(1);
    }
  return pass;
}

torch::Tensor Model::dropout(std::int64_t n, const RandomKey& key) const {
  if (!drops()) return {};
  std::int64_t width = 0;
  for (const std::int64_t part : fusion_->part_widths()) width += part;
  auto kept = torch::empty({n, width}, torch::kFloat32);
  const auto grown = static_cast<float>(1 / (1 - dropout_));
  Random random(key);
  float* number = kept.data_ptr<float>();
  for (std::int64_t i = 0; i < kept.numel(); ++i)
    number[i] = random.uniform() < dropout_ ? 0.0f : grown;
  return kept;
}

Statistics Model::look_at(const Tensors& parameters, const Batch& support, Context context) const {
  Statistics seen;
  if (!uses_support_) return seen;
  context.given = nullptr;
  context.record = &seen;
  look(parameters, support, context);
  return seen;
}

torch::Tensor Model::classify(const Tensors& parameters, const Embedding& embedding,
                              std::int64_t way) const {
  CUTTLE_EXPECT(!heads_.empty());
  std::vector<PartLogits> parts;
  for (std::size_t part = 0; part < heads_.size(); ++part)
    parts.push_back({heads_[part]->forward(parameters, embedding.parts[part], way),
                     heads_.size() == 1 && embedding.complete
                         ? torch::Tensor()
                         : embedding.mask.narrow(1, static_cast<std::int64_t>(part), 1)});
  return parts.size() == 1 ? parts[0].logits : fusion_->combine(parts, embedding.weights).logits;
}

}  // namespace cuttle
