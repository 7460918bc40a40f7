#include "model/pretrained/weights.hpp"

#include <torch/types.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fmt/ranges.h>

#include "cuttle/core/error.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/hash.hpp"
#include "cuttle/core/json_guard.hpp"
#include "cuttle/core/safetensors.hpp"
#include "model/pretrained/held_files.hpp"

namespace cuttle {
namespace {

constexpr const char* kTokenizer = "tokenizer.bytes";

torch::Dtype dtype_of(const NamedArray& array) {
  return array.dtype == "F32" ? torch::kFloat32 : torch::kUInt8;
}

/// Takes the bytes over.
torch::Tensor tensor_of(NamedArray&& array) {
  auto bytes = std::make_unique<std::vector<std::uint8_t>>(std::move(array.bytes));
  void* data = bytes->data();
  return torch::from_blob(
      data, array.shape, [kept = bytes.release()](void*) { delete kept; },
      torch::TensorOptions(dtype_of(array)));
}

}  // namespace

void PretrainedOptions::keys(Keys& keys) {
  keys.add("weights", weights, anything(),
           "file of trained values: cuttle-data weights SOURCE --out FILE",
           Resume::kChange);  // its content may not (check_held_files)
  keys.add("trained", trained, between(-1, 1000),
           "how many of the last blocks learn along; 0: none, features are kept; -1: all");
}

Weights::Weights(const EncoderRequest& request, const PretrainedOptions& options,
                 const std::string& architecture)
    : key_("model.encoders." + request.spec.name + ".weights"),
      path_(expand_variables(options.weights)),
      prefix_(request.prefix + "."),
      layout_(request.layout),
      device_(request.device),
      trained_(options.trained) {
  CUTTLE_VALIDATE(!path_.empty(),
                  "{}: {} has no weights (it starts from trained ones); name a file that "
                  "cuttle-data weights wrote",
                  key_, architecture);
  CUTTLE_VALIDATE(std::filesystem::is_regular_file(path_),
                  "{}: {} is no file; make it with cuttle-data weights SOURCE --out {}, or give "
                  "the path where it is now",
                  key_, path_, path_);
  std::string digest;
  ArrayFile file = read_safetensors(path_, &digest);
  const std::string inside = name_inside(kWeightsKey, request.spec.name);
  const bool adapted = file.metadata.count(inside + kDigestInside) > 0;
  const auto record = file.metadata.find(adapted ? inside : kWeightsRecord);
  if (record == file.metadata.end())
    refuse(
        "says not what it is the weights of (a safetensors file of another program?); make it "
        "with cuttle-data weights SOURCE --out FILE");
  record_ = parse_json_object(record->second, 8, key_ + ": " + path_);
  if (record_.value("format", 0) != 1 ||
      !record_.value("architecture", nlohmann::json()).is_string())
    refuse("has a record that this version cannot read; make it again with cuttle-data weights");
  const std::string is = record_["architecture"].get<std::string>();
  CUTTLE_VALIDATE(is == architecture, "{}: {} holds weights of {} and not of {}; use type: {}",
                  key_, path_, is, architecture, is);
  sha256_ = adapted ? file.metadata.at(inside + kDigestInside) : digest;
  for (auto& array : file.arrays) {
    if (adapted && array.name.rfind(inside + "/", 0) != 0) continue;
    if (adapted) array.name.erase(0, inside.size() + 1);
    const bool tokenizer = array.name == kTokenizer;
    if (array.dtype != (tokenizer ? "U8" : "F32"))
      refuse(
          fmt::format("has {} as {}, which is not what cuttle-data weights writes; make it again",
                      array.name, array.dtype));
    const std::string name = array.name;
    tensors_[name] = tensor_of(std::move(array));
  }
}

void Weights::refuse(const std::string& problem) const {
  throw UserError(source() + " " + problem);
}

bool Weights::has(const char* part, const char* name) const {
  const auto found = record_.find(part);
  return found != record_.end() && found->is_object() && found->contains(name);
}

const nlohmann::json& Weights::entry(const char* part, const char* name) const {
  if (!has(part, name))
    refuse(
        fmt::format("does not say its {}.{} (damaged, or of another version); make it again with "
                    "cuttle-data weights",
                    part, name));
  return record_[part][name];
}

std::int64_t Weights::number(const char* part, const char* name) const {
  const auto& value = entry(part, name);
  const std::int64_t number = value.is_number_integer() ? value.get<std::int64_t>() : 0;
  if (number < 1 || number > (std::int64_t{1} << 31))
    refuse(fmt::format("says {}.{}: {}, which is no size", part, name, value.dump()));
  return number;
}

std::vector<std::int64_t> Weights::sizes_in(const nlohmann::json& list, std::size_t count,
                                            const char* says, const char* wanted) const {
  std::vector<std::int64_t> sizes;
  for (const auto& number : list)
    if (number.is_number_integer()) sizes.push_back(number.get<std::int64_t>());
  const bool fits =
      sizes.size() == count && list.size() == count &&
      std::all_of(sizes.begin(), sizes.end(), [](auto size) { return size >= 1 && size <= 4096; });
  CUTTLE_VALIDATE(fits, "{}: {} {}, and {}; make the file again with cuttle-data weights", key_,
                  says, list.dump(), wanted);
  return sizes;
}

double Weights::real(const char* part, const char* name) const {
  const auto& value = entry(part, name);
  if (!value.is_number())
    refuse(fmt::format("says {}.{}: {}, which is no number", part, name, value.dump()));
  return value.get<double>();
}

std::string Weights::text(const char* part, const char* name) const {
  const auto& value = entry(part, name);
  if (!value.is_string())
    refuse(fmt::format("says {}.{}: {}, which is no word", part, name, value.dump()));
  return value.get<std::string>();
}

bool Weights::flag(const char* part, const char* name) const {
  const auto& value = entry(part, name);
  if (!value.is_boolean())
    refuse(
        fmt::format("says {}.{}: {}, which is neither true nor false", part, name, value.dump()));
  return value.get<bool>();
}

std::string Weights::tokenizer() {
  const auto found = tensors_.find(kTokenizer);
  if (found == tensors_.end())
    refuse(
        "has no tokenizer (texts cannot be read as they were in training); make it again from a "
        "source that has one");
  const auto bytes = found->second;
  return {static_cast<const char*>(bytes.data_ptr()), static_cast<std::size_t>(bytes.numel())};
}

bool Weights::learns(std::int64_t block, std::int64_t count) const {
  CUTTLE_VALIDATE(trained_ <= count,
                  "{}: trained is {}, but there are {} blocks; use that, or -1 for all",
                  key_.substr(0, key_.rfind('.')), trained_, count);
  return trained_ < 0 || block >= count - trained_;
}

Given Weights::take(const std::string& name, const std::vector<std::int64_t>& shape, bool learns) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    refuse(fmt::format("has no {} (not all of the model is there); make it again from the whole",
                       name));
  const torch::Tensor tensor = found->second;
  if (tensor.sizes() != torch::IntArrayRef(shape))
    refuse(fmt::format("has {} as [{}], and its sizes ask for [{}]; make it again from the whole",
                       name, fmt::join(tensor.sizes(), ", "), fmt::join(shape, ", ")));
  if (!learns) return {tensor.to(device_)};
  ParameterSpec spec{prefix_ + name, shape};
  spec.given = tensor;
  return {{}, layout_.add(std::move(spec))};
}

GivenAffine Weights::affine(const std::string& name, const std::vector<std::int64_t>& shape,
                            bool learns) {
  return {take(name + ".weight", shape, learns), take(name + ".bias", {shape[0]}, learns)};
}

WeightsKind weights_kind(const std::string& path) {
  const ArrayFile file = read_safetensors(path);
  const auto record = file.metadata.find(kWeightsRecord);
  const auto told = record == file.metadata.end() ? nlohmann::json::object()
                                                  : parse_json_object(record->second, 8, path);
  const auto word = [&](const char* name) {
    const auto found = told.find(name);
    CUTTLE_VALIDATE(found != told.end() && found->is_string(),
                    "{}: says not what it is the weights of (no {}); make it with cuttle-data "
                    "weights SOURCE --out FILE",
                    path, name);
    return found->get<std::string>();
  };
  return {word("architecture"), word("sense")};
}

}  // namespace cuttle
