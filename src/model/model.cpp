#include "cuttle/model/model.hpp"

#include <torch/torch.h>

#include <algorithm>

#include <fmt/ranges.h>

#include "cuttle/core/error.hpp"
#include "model/kernels/conv_block.hpp"

namespace cuttle {
namespace {

template <class Factory>
std::vector<std::string> names_of(const std::map<std::string, Factory>& factories) {
  std::vector<std::string> names;
  for (const auto& entry : factories) names.push_back(entry.first);
  return names;
}

/// The factory under `name`, or a UserError that lists what there is.
template <class Factory>
const Factory& find_factory(const std::map<std::string, Factory>& factories, const std::string& key,
                            const std::string& name) {
  const auto found = factories.find(name);
  CUTTLE_VALIDATE(found != factories.end(), "{}: '{}' is unknown; there are {}", key, name,
                  fmt::join(names_of(factories), ", "));
  return found->second;
}

std::unique_ptr<const Encoder> make_encoder(const ModalitySpec& spec, EncoderOptions options,
                                            ParameterLayout& layout, std::int64_t inner_steps,
                                            const ModelRegistry& registry) {
  if (options.type.empty()) options.type = default_encoder(spec.kind);
  const auto& make =
      find_factory(registry.encoders, "model.encoders." + spec.name + ".type", options.type);
  return make({spec, options, layout, "encoder." + spec.name, inner_steps});
}

const char* to_string(kernels::InstructionSet set) {
  switch (set) {
    case kernels::InstructionSet::kAvx512:
      return "avx512";
    case kernels::InstructionSet::kAvx2:
      return "avx2";
    case kernels::InstructionSet::kGeneric:
      break;
  }
  return "generic";
}

}  // namespace

Model::Model(const ModelOptions& options, std::vector<ModalitySpec> modalities, std::int64_t way,
             std::int64_t inner_steps, const ModelRegistry& registry, torch::Device device)
    : device_(device), modalities_(std::move(modalities)) {
  auto layout = std::make_shared<ParameterLayout>();
  const auto options_of = [&](const ModalitySpec& spec) {
    const auto found = options.encoders.find(spec.name);
    return found == options.encoders.end() ? EncoderOptions{} : found->second;
  };
  std::vector<std::string> names;
  for (const auto& spec : modalities_) {
    names.push_back(spec.name);
    frozen_.push_back(!options_of(spec).frozen_from.empty());
  }
  for (const auto& entry : options.encoders)
    CUTTLE_VALIDATE(
        std::find(names.begin(), names.end(), entry.first) != names.end(),
        "model.encoders.{}: the data has no such modality in use (it has {}); remove the key or "
        "add the modality to data.modalities",
        entry.first, fmt::join(names, ", "));
  encoders_.resize(modalities_.size());
  for (const bool frozen : {true, false}) {
    if (!frozen) layout->begin_learned();
    for (std::size_t m = 0; m < modalities_.size(); ++m)
      if (frozen_[m] == frozen)
        encoders_[m] = make_encoder(modalities_[m], options_of(modalities_[m]), *layout,
                                    inner_steps, registry);
  }
  std::vector<std::int64_t> widths;
  for (const auto& encoder : encoders_) widths.push_back(encoder->width());
  const auto& make = find_factory(registry.fusions, "model.fusion", options.fusion);
  fusion_ = make({options, names, widths, *layout});
  const auto parts = fusion_->part_widths();
  for (std::size_t part = 0; way > 0 && part < parts.size(); ++part) {
    const std::string name = parts.size() == 1 ? "head" : "head." + std::to_string(part);
    head_weights_.push_back(
        layout->add({name + ".weight", {way, parts[part]}, Init::kFanIn, ParameterRole::kHead}));
    head_biases_.push_back(
        layout->add({name + ".bias", {way}, Init::kZeros, ParameterRole::kHead}));
  }
  layout_ = std::move(layout);
  if (encoders_.size() == 1 && options_of(modalities_[0]).fused) find_perceptron(way);
}

void Model::find_perceptron(std::int64_t way) {
  if (way == 0 || frozen_[0] || !fusion_->passes_through()) return;
  std::vector<LinearLayer> layers;
  for (const auto& block : encoders_[0]->blocks()) {
    if (block->linear() == nullptr) return;
    layers.push_back(*block->linear());
  }
  layers.push_back({head_weights_[0], head_biases_[0], encoders_[0]->width(), way, false});
  perceptron_ = std::move(layers);
}

std::string Model::first_order_only() const {
  for (std::size_t m = 0; m < encoders_.size(); ++m)
    for (const auto& block : encoders_[m]->blocks())
      if (!frozen_[m] && !block->second_order()) return modalities_[m].name + ": " + block->kind();
  return {};
}

std::string Model::fused_blocks() const {
  std::vector<std::string> parts;
  for (std::size_t m = 0; m < encoders_.size(); ++m) {
    const auto& blocks = encoders_[m]->blocks();
    const auto fused = std::count_if(blocks.begin(), blocks.end(), [&](const auto& block) {
      return device_.is_cpu() && (block->fused() || !perceptron_.empty());
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

Batch Model::prepare(const RawBatch& raw, std::int64_t way, SampleCache* kept) const {
  CUTTLE_EXPECT(raw.modalities.size() == modalities_.size());
  Batch batch;
  batch.size = raw.size;
  batch.way = way;
  if (!raw.labels.empty()) batch.labels = torch::tensor(raw.labels, torch::kInt64);
  if (!raw.targets.empty()) {
    batch.targets = torch::tensor(raw.targets, torch::kFloat32).view({raw.size, -1});
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

Embedding Model::embed(const Tensors& parameters, const Batch& batch,
                       const Context& context) const {
  Tensors features(encoders_.size());
  for (std::size_t m = 0; m < encoders_.size(); ++m) {
    const ModalityInput& input = batch.modalities[m];
    if (!input.values.defined()) continue;
    const torch::AutoGradMode graph(torch::GradMode::is_enabled() && !frozen_[m]);
    features[m] = input.encoded ? input.values : encoders_[m]->forward(parameters, input, context);
  }
  return fusion_->forward(parameters, features, batch);
}

torch::Tensor Model::classify(const Tensors& parameters, const Embedding& embedding,
                              std::int64_t way) const {
  CUTTLE_EXPECT(!head_weights_.empty());
  torch::Tensor sum, total;
  for (std::size_t part = 0; part < head_weights_.size(); ++part) {
    const auto& weight = parameters[static_cast<std::size_t>(head_weights_[part])];
    const auto& bias = parameters[static_cast<std::size_t>(head_biases_[part])];
    const auto logits =
        torch::linear(embedding.parts[part], weight.narrow(0, 0, way), bias.narrow(0, 0, way));
    if (head_weights_.size() == 1) return logits;
    const auto p = static_cast<std::int64_t>(part);
    const auto share = embedding.mask.narrow(1, p, 1) * embedding.weights.narrow(0, p, 1);
    sum = part == 0 ? share * logits : sum + share * logits;
    total = part == 0 ? share : total + share;
  }
  return sum / total.clamp_min(1e-12);
}

}  // namespace cuttle
