#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cuttle/config/section.hpp"
#include "cuttle/model/encoder.hpp"
#include "model/places.hpp"

// Values that others trained, from files that `cuttle-data weights` wrote (data_tools/FORMAT.md).
namespace cuttle {

/// The keys of an encoder that has them.
struct PretrainedOptions {
  std::string weights;
  std::int64_t trained = 0;
  void keys(Keys& keys);
};

/// A tensor of such an encoder: held as the file has it, or a parameter that starts there.
struct Given {
  torch::Tensor held;
  std::int64_t place = -1;

  const torch::Tensor& in(const Tensors& parameters) const {
    return place < 0 ? held : at(parameters, place);
  }
};
struct GivenAffine {
  Given weight, bias;
};

/// An open file of weights, and where what an encoder takes from it goes.
class Weights {
 public:
  /// UserError naming the key of the config, the file and what to do, if there is none or it is of
  /// another architecture.
  Weights(const EncoderRequest& request, const PretrainedOptions& options,
          const std::string& architecture);

  const std::string& sha256() const { return sha256_; }
  /// The key of the config and the file, as messages begin.
  std::string source() const { return key_ + ": " + path_; }
  /// Whether no block learns along.
  bool stays() const { return trained_ == 0; }
  /// The record: what sizes, preprocessing, tokenizer and output it has. UserError if the entry is
  /// missing or of another type.
  std::int64_t number(const char* part, const char* name) const;
  double real(const char* part, const char* name) const;
  std::string text(const char* part, const char* name) const;
  bool flag(const char* part, const char* name) const;
  const nlohmann::json& entry(const char* part, const char* name) const;
  bool has(const char* part, const char* name) const;
  /// The `count` sizes from 1 to 4096 that a list of the record has. UserError "SAYS [..], and
  /// WANTED" if it has others.
  std::vector<std::int64_t> sizes_in(const nlohmann::json& list, std::size_t count,
                                     const char* says, const char* wanted) const;
  /// The bytes of the tokenizer's file.
  std::string tokenizer();

  /// Blocks number from 0 to count - 1: which of them learn along. UserError if options ask for
  /// more.
  bool learns(std::int64_t block, std::int64_t count) const;
  /// A float tensor of this shape; a learned one becomes the parameter PREFIX.NAME.
  Given take(const std::string& name, const std::vector<std::int64_t>& shape, bool learns);
  /// NAME.weight and NAME.bias, one for each row of the weight.
  GivenAffine affine(const std::string& name, const std::vector<std::int64_t>& shape, bool learns);
  /// As the file has it, for good.
  torch::Tensor hold(const std::string& name, const std::vector<std::int64_t>& shape) {
    return take(name, shape, false).held;
  }

 private:
  [[noreturn]] void refuse(const std::string& problem) const;

  std::string key_, path_, prefix_, sha256_;
  ParameterLayout& layout_;
  torch::Device device_;
  std::int64_t trained_;
  nlohmann::json record_;
  std::map<std::string, torch::Tensor> tensors_;
};

/// An encoder that starts from a file of weights.
class PretrainedEncoder : public Encoder {
 protected:
  /// After all blocks are there.
  void holds(const Weights& weights) {
    held_ = weights.sha256();
    fixed_ = weights.stays();
  }
};

}  // namespace cuttle
