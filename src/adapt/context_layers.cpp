#include "adapt/context_layers.hpp"

#include <torch/types.h>

#include <algorithm>
#include <map>
#include <utility>

#include "cuttle/core/error.hpp"
#include "cuttle/core/nearest_name.hpp"

namespace cuttle {
namespace {

/// Places of a layer's weight and of the bias beside it.
using Places = std::pair<std::int64_t, std::int64_t>;

/// Layers of the model's body that could have a context, by name. Not a convolution that a norm
/// follows: what is done before the norm, it undoes.
std::map<std::string, Places> possible_layers(const ParameterLayout& layout) {
  std::map<std::string, std::int64_t> places;
  for (std::int64_t i = 0; i < layout.count(); ++i)
    if (layout.spec(i).role == ParameterRole::kBody && layout.is_learned(i))
      places[layout.spec(i).name] = i;
  const std::string kWeight = "weight", kConvolution = ".conv";
  std::map<std::string, Places> layers;
  for (const auto& [name, weight] : places) {
    if (name.size() <= kWeight.size()) continue;
    const std::string stem = name.substr(0, name.size() - kWeight.size());
    const auto bias = places.find(stem + "bias");
    if (name != stem + kWeight || bias == places.end()) continue;
    const std::string layer = stem.substr(0, stem.size() - 1);  // of .weight or _weight
    const std::size_t block = layer.size() - std::min(layer.size(), kConvolution.size());
    if (layer.substr(block) == kConvolution &&
        places.count(layer.substr(0, block) + ".norm.weight") > 0)
      continue;
    layers[layer] = {weight, bias->second};
  }
  return layers;
}

bool is_named(const std::string& layer, const std::vector<std::string>& words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& word) { return count_edits(word, layer, '*') == 0; });
}

/// Every word of the config must name one.
void check_words(const std::map<std::string, Places>& possible,
                 const std::vector<std::string>& words) {
  std::vector<std::string> names;
  for (const auto& entry : possible) names.push_back(entry.first);
  CUTTLE_VALIDATE(!possible.empty() && !words.empty(),
                  "adapt.context_at: the context enters no layer (a task could not move the "
                  "model); {}",
                  possible.empty() ? "use an encoder that is trained and has layers with biases"
                                   : "name layers, or '*' for all");
  for (const auto& word : words)
    CUTTLE_VALIDATE(std::any_of(names.begin(), names.end(),
                                [&](const auto& name) { return is_named(name, {word}); }),
                    "adapt.context_at: '{}' is no layer that a context can enter (it needs a "
                    "weight and a bias, both learned, before the head); did you mean '{}'?",
                    word, nearest_name(word, names, '*'));
}

}  // namespace

void ContextOptions::keys(Keys& keys) {
  keys.add("context", context, between(1, 65536),
           "numbers that a task moves, from zero; nothing else");
  keys.add("context_by", context_by, one_of({"film", "concat"}),
           "film: they scale and shift a layer's outputs; concat: they are inputs of it");
  keys.add("context_at", context_at, anything(),
           "layers that they enter, by name with *, as in encoder.image.2.norm");
}

ContextLayers::ContextLayers(ParameterLayout& layout, const ContextOptions& options)
    : film_(options.context_by == "film") {
  const auto possible = possible_layers(layout);
  check_words(possible, options.context_at);
  for (const auto& [name, places] : possible) {
    if (!is_named(name, options.context_at)) continue;
    const std::int64_t width = layout.spec(places.second).shape.back();
    const std::int64_t own = layout.add({"learner.context." + name,
                                         {film_ ? 2 * width : width, options.context},
                                         Init::kFanIn,
                                         ParameterRole::kLearner});
    layers_.push_back({places.first, places.second, own});
  }
}

Tensors ContextLayers::modulated(Tensors theta, const torch::Tensor& phi) const {
  const auto at = [&](std::int64_t place) -> auto& {
    return theta[static_cast<std::size_t>(place)];
  };
  for (const auto& layer : layers_) {
    auto &weight = at(layer.weight), &bias = at(layer.bias);
    const auto change = at(layer.own).matmul(phi);
    const std::int64_t width = bias.size(-1);
    if (film_) {
      const auto scale = 1 + change.narrow(0, 0, width);
      std::vector<std::int64_t> rows(static_cast<std::size_t>(weight.dim()), 1);
      rows[0] = width;
      const bool norm = weight.dim() == bias.dim();
      weight = weight * (norm ? scale : scale.view(rows));
      bias = bias * scale;
    }
    bias = bias + change.narrow(0, change.size(0) - width, width);
  }
  return theta;
}

}  // namespace cuttle
