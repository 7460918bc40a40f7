#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace cuttle {

using Tensors = std::vector<torch::Tensor>;

/// Which part of the model a parameter belongs to: ANIL adapts the head alone.
enum class ParameterRole { kBody, kHead };

/// How a parameter starts. kFanIn: uniform in +-1/sqrt(fan-in), fan-in = product of all sizes but
/// the first.
enum class Init { kZeros, kOnes, kFanIn, kNormal };

struct ParameterSpec {
  std::string name;  ///< dotted path, e.g. encoder.image.0.conv.weight
  std::vector<std::int64_t> shape;
  Init init = Init::kFanIn;
  ParameterRole role = ParameterRole::kBody;
};

/// Names, shapes and places of all parameters in one flat buffer. Each starts at a multiple of 16
/// elements (64 bytes in float32); the gaps hold zeros. Built once while the model declares itself,
/// then shared and immutable.
class ParameterLayout {
 public:
  /// Index of the new parameter. A name that exists already is a defect (Error).
  std::int64_t add(ParameterSpec spec);

  std::int64_t count() const { return static_cast<std::int64_t>(specs_.size()); }
  std::int64_t flat_size() const { return flat_size_; }    ///< elements, gaps included
  std::int64_t parameters() const { return parameters_; }  ///< elements, gaps excluded
  const ParameterSpec& spec(std::int64_t i) const { return specs_[static_cast<std::size_t>(i)]; }
  std::int64_t offset(std::int64_t i) const { return offsets_[static_cast<std::size_t>(i)]; }
  std::int64_t elements(std::int64_t i) const;
  /// Ends the part that is never trained: what was added before has gradient zero and no place in
  /// reductions and updates. Once at most, while the model declares itself.
  void begin_learned() { learned_offset_ = flat_size_; }
  bool is_learned(std::int64_t i) const { return offset(i) >= learned_offset_; }
  /// The part of a flat buffer [flat_size] that is trained, sharing its memory.
  torch::Tensor learned(const torch::Tensor& flat) const;
  std::int64_t learned_size() const { return flat_size_ - learned_offset_; }  ///< gaps included
  /// Indices of the parameters with this role.
  std::vector<std::int64_t> with_role(ParameterRole role) const;

  /// Views of `flat` [flat_size], one per parameter, sharing its memory.
  Tensors views(const torch::Tensor& flat) const;
  /// The inverse: one new flat buffer; undefined tensors and gaps become zeros.
  torch::Tensor flatten(const Tensors& values) const;

 private:
  std::vector<ParameterSpec> specs_;
  std::vector<std::int64_t> offsets_;
  std::int64_t flat_size_ = 0;
  std::int64_t parameters_ = 0;
  std::int64_t learned_offset_ = 0;
};

/// The values of all parameters. Copying shares memory; clone() does not.
class ParameterList {
 public:
  ParameterList(std::shared_ptr<const ParameterLayout> layout, torch::Tensor flat);
  /// Initial values: parameter i from the stream (seed, kInit, 0, i), so the same on every rank.
  static ParameterList initial(std::shared_ptr<const ParameterLayout> layout, std::uint64_t seed,
                               torch::Dtype dtype = torch::kFloat32);

  const ParameterLayout& layout() const { return *layout_; }
  const std::shared_ptr<const ParameterLayout>& shared_layout() const { return layout_; }
  const torch::Tensor& flat() const { return flat_; }
  const Tensors& tensors() const { return views_; }
  ParameterList clone() const { return {layout_, flat_.clone()}; }
  ParameterList on(torch::Device device) const { return {layout_, flat_.to(device)}; }
  /// SHA-256 over the values in order, gaps left out: equal bits, equal hash.
  std::string sha256() const;

 private:
  std::shared_ptr<const ParameterLayout> layout_;
  torch::Tensor flat_;
  Tensors views_;
};

}  // namespace cuttle
