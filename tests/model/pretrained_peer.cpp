// What an encoder with weights makes of samples, for comparison with other programs:
//   pretrained_peer TYPE WEIGHTS INPUT OUTPUT [input | derivatives [TRAINED]]
// INPUT: arrays of one kind, U8 [bytes] of texts, U8 [height, width, channels] of pictures (all of
// one shape) or I16 [samples] of sounds at 16 kHz. OUTPUT: what the encoder prepared as NAME.input
// (I64 ids of texts, F32 else) and, but for `input`, their features under the same names and their
// tokens as NAME.tokens. With `derivatives`, of the sum of the squares of all samples' features:
// the gradient with respect to every parameter of the last TRAINED blocks as NAME, and its Hessian
// times (cos 0, cos 1, ..) of each as NAME.moved; where TRAINED is not said, of all, and in F64
// (what is held is F32).
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include <cstdio>
#include <vector>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/safetensors.hpp"
#include "cuttle/model/model.hpp"

namespace cuttle {
namespace {

const std::string kAll = "-1";

ModalitySpec spec_of(const NamedArray& array) {
  ModalitySpec spec;
  spec.name = "sense";
  spec.kind = ModalityKind::kText;
  if (array.dtype == "I16") {
    spec.kind = ModalityKind::kAudio;
    spec.sample_rate = 16000;
  } else if (array.shape.size() == 3) {
    spec.kind = ModalityKind::kImage;
    spec.shape = array.shape;
  }
  return spec;
}

NamedArray array_of(const std::string& name, const torch::Tensor& tensor) {
  const auto dense = tensor.contiguous();
  const auto count = static_cast<std::size_t>(dense.numel());
  if (dense.scalar_type() == torch::kInt64)
    return pack_array<std::int64_t>(name, dense.sizes().vec(),
                                    {dense.data_ptr<std::int64_t>(), count});
  if (dense.scalar_type() == torch::kFloat64)
    return pack_array<double>(name, dense.sizes().vec(), {dense.data_ptr<double>(), count});
  return pack_array<float>(name, dense.sizes().vec(), {dense.data_ptr<float>(), count});
}

/// The encoder, with `trained` of its blocks in the layout.
std::unique_ptr<const Encoder> encoder_of(const std::string& type, const std::string& weights,
                                          const NamedArray& sample, const std::string& trained,
                                          ParameterLayout& layout) {
  const ModelRegistry registry;
  const ModalitySpec spec = spec_of(sample);
  const Section section{type, {{"weights", weights}, {"trained", trained}}};
  return find_type(registry.encoders, "type", type)
      .make({spec, section, layout, "encoder.sense", 0, registry});
}

RawModality raw_of(const NamedArray& sample) {
  return {sample.bytes, {0, static_cast<std::int64_t>(sample.bytes.size())}, {1}};
}

void encode(const std::string& type, const std::string& weights,
            const std::vector<NamedArray>& samples, const std::string& to, bool features_too) {
  ParameterLayout layout;
  const auto encoder = encoder_of(type, weights, samples.at(0), "0", layout);
  std::vector<NamedArray> made;
  const torch::NoGradGuard no_grad;
  for (const auto& sample : samples) {
    const auto input = encoder->prepare(raw_of(sample));
    made.push_back(array_of(sample.name + ".input", input.values));
    if (!features_too) continue;
    const auto feature = encoder->forward({}, input, {}, true);
    made.push_back(array_of(sample.name, feature.pooled));
    made.push_back(array_of(sample.name + ".tokens", feature.tokens));
  }
  write_file_atomically(to, encode_safetensors(made));
}

void differentiate(const std::string& type, const std::string& weights,
                   const std::vector<NamedArray>& samples, const std::string& to,
                   const std::string& trained) {
  const auto dtype = trained == kAll ? torch::kFloat64 : torch::kFloat32;
  const auto layout = std::make_shared<ParameterLayout>();
  const auto encoder = encoder_of(type, weights, samples.at(0), trained, *layout);
  const auto start = ParameterList::initial(layout, 0, dtype);
  Tensors leaves;
  for (const auto& value : start.tensors()) leaves.push_back(value.clone().requires_grad_(true));
  auto loss = torch::zeros({}, dtype);
  for (const auto& sample : samples) {
    auto input = encoder->prepare(raw_of(sample));
    if (input.values.is_floating_point()) input.values = input.values.to(dtype);
    loss = loss + encoder->forward(leaves, input, {}).pooled.square().sum();
  }
  const auto gradient = torch::autograd::grad({loss}, leaves, {}, true, true);
  auto along = torch::zeros({}, dtype);
  for (const auto& part : gradient)
    along = along + (part.flatten() * torch::arange(part.numel(), dtype).cos()).sum();
  const auto moved = torch::autograd::grad({along}, leaves, {}, false, false, true);
  std::vector<NamedArray> made;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const std::string name = layout->spec(static_cast<std::int64_t>(i))
                                 .name.substr(std::string("encoder.sense.").size());
    made.push_back(array_of(name, gradient[i].detach()));
    made.push_back(
        array_of(name + ".moved", moved[i].defined() ? moved[i] : torch::zeros_like(leaves[i])));
  }
  write_file_atomically(to, encode_safetensors(made));
}

}  // namespace
}  // namespace cuttle

int main(int count, char** words) {
  if (count < 5 || count > 7) return 2;
  const std::string what = count > 5 ? words[5] : "features";
  try {
    const auto samples = cuttle::read_safetensors(words[3]).arrays;
    if (what == "derivatives")
      cuttle::differentiate(words[1], words[2], samples, words[4],
                            count == 7 ? words[6] : cuttle::kAll);
    else
      cuttle::encode(words[1], words[2], samples, words[4], what == "features");
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
  return 0;
}
