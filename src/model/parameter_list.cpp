#include "cuttle/model/parameter_list.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "cuttle/core/error.hpp"
#include "cuttle/core/hash.hpp"
#include "cuttle/core/random.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kAlignment = 16;

std::int64_t product(const std::vector<std::int64_t>& shape, std::size_t first = 0) {
  std::int64_t n = 1;
  for (std::size_t i = first; i < shape.size(); ++i) n *= shape[i];
  return n;
}

/// One draw of a parameter's initial distribution.
double draw(const ParameterSpec& spec, Random& random) {
  switch (spec.init) {
    case Init::kZeros:
      return 0.0;
    case Init::kOnes:
      return 1.0;
    case Init::kConstant:
      return spec.start;
    case Init::kNormal:
      return random.normal();
    case Init::kFanIn:
      break;
  }
  const double bound = 1.0 / std::sqrt(static_cast<double>(product(spec.shape, 1)));
  return bound * (2.0 * random.uniform() - 1.0);
}

/// The stream of a parameter's initial values: 80 bits of its name's hash stand for it, so that no
/// other part of a run changes where it starts.
RandomKey start_of(const std::string& name, std::uint64_t seed) {
  const std::string hex = sha256(name);
  return {seed, Stream::kInit, std::stoull(hex.substr(0, 12), nullptr, 16),
          static_cast<std::uint32_t>(std::stoul(hex.substr(12, 8), nullptr, 16))};
}

}  // namespace

bool OuterRule::operator==(const OuterRule& other) const {
  return std::tie(rate, decay, low, high, momentum) ==
         std::tie(other.rate, other.decay, other.low, other.high, other.momentum);
}

ParameterSpec rows_of(std::string name, std::vector<std::int64_t> shape, Init init,
                      ParameterRole role) {
  ParameterSpec spec{std::move(name), std::move(shape), init, role};
  spec.first_rows = true;
  return spec;
}

std::int64_t ParameterLayout::add(ParameterSpec spec) {
  for (const auto& other : specs_)
    CUTTLE_REQUIRE(other.name != spec.name, "parameter {} is declared twice", spec.name);
  if (frozen_) spec.section = ParameterSection::kFrozen;
  parameters_ += product(spec.shape);
  specs_.push_back(std::move(spec));
  place();
  return count() - 1;
}

void ParameterLayout::freeze() {
  for (auto& spec : specs_) {
    spec.held = spec.held || spec.section != ParameterSection::kFrozen;
    spec.section = ParameterSection::kFrozen;
  }
  place();
}

void ParameterLayout::place() {
  offsets_.resize(specs_.size());
  flat_size_ = 0;
  for (const auto section :
       {ParameterSection::kFrozen, ParameterSection::kStatistics, ParameterSection::kLearned}) {
    if (section == ParameterSection::kStatistics) reduced_offset_ = flat_size_;
    if (section == ParameterSection::kLearned) learned_offset_ = flat_size_;
    for (std::size_t i = 0; i < specs_.size(); ++i) {
      if (specs_[i].section != section) continue;
      offsets_[i] = flat_size_;
      flat_size_ += room_of(static_cast<std::int64_t>(i));
    }
  }
}

/// Elements in the flat buffer, the gap behind it included.
std::int64_t ParameterLayout::room_of(std::int64_t i) const {
  const bool counted = spec(i).section == ParameterSection::kStatistics;  // observed_at()
  return (elements(i) + (counted ? 1 : 0) + kAlignment - 1) / kAlignment * kAlignment;
}

/// What an adapted model needs, in the order of the flat buffer.
std::vector<std::int64_t> ParameterLayout::kept_places() const {
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < count(); ++i)
    if (!spec(i).training_only) places.push_back(i);
  std::sort(places.begin(), places.end(),
            [&](std::int64_t a, std::int64_t b) { return offset(a) < offset(b); });
  return places;
}

std::int64_t ParameterLayout::elements(std::int64_t i) const {
  return product(spec(i).shape);
}

std::vector<std::int64_t> ParameterLayout::with_role(ParameterRole role) const {
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < count(); ++i)
    if (spec(i).role == role) indices.push_back(i);
  return indices;
}

torch::Tensor ParameterLayout::learned(const torch::Tensor& flat) const {
  return flat.narrow(0, learned_offset_, learned_size());
}

torch::Tensor ParameterLayout::reduced(const torch::Tensor& flat) const {
  return flat.narrow(0, reduced_offset_, reduced_size());
}

Tensors ParameterLayout::views(const torch::Tensor& flat) const {
  CUTTLE_EXPECT(flat.dim() == 1 && flat.numel() == flat_size_);
  Tensors views;
  views.reserve(specs_.size());
  for (std::int64_t i = 0; i < count(); ++i)
    views.push_back(flat.narrow(0, offset(i), elements(i)).view(spec(i).shape));
  return views;
}

torch::Tensor ParameterLayout::flatten(const Tensors& values) const {
  CUTTLE_EXPECT(static_cast<std::int64_t>(values.size()) == count());
  torch::TensorOptions options = torch::kFloat32;
  for (const auto& value : values)
    if (value.defined()) options = value.options();
  const torch::NoGradGuard no_grad;
  auto flat = torch::zeros({flat_size_}, options.requires_grad(false));
  for (std::int64_t i = 0; i < count(); ++i) {
    const auto& value = values[static_cast<std::size_t>(i)];
    if (value.defined()) flat.narrow(0, offset(i), elements(i)).view(spec(i).shape).copy_(value);
  }
  return flat;
}

std::int64_t ParameterLayout::kept_size() const {
  std::int64_t size = 0;
  for (const std::int64_t i : kept_places()) size += room_of(i);
  return size;
}

torch::Tensor ParameterLayout::kept(const Tensors& values) const {
  const auto flat = flatten(values);
  if (kept_size() == flat_size_) return flat;
  Tensors pieces;
  for (const std::int64_t i : kept_places())
    pieces.push_back(flat.narrow(0, offset(i), room_of(i)));
  return torch::cat(pieces);
}

Tensors ParameterLayout::from_kept(const torch::Tensor& flat) const {
  CUTTLE_EXPECT(flat.dim() == 1 && flat.numel() == kept_size());
  Tensors views(specs_.size());
  std::int64_t at = 0;
  for (const std::int64_t i : kept_places()) {
    views[static_cast<std::size_t>(i)] = flat.narrow(0, at, elements(i)).view(spec(i).shape);
    at += room_of(i);
  }
  return views;
}

ParameterList::ParameterList(std::shared_ptr<const ParameterLayout> layout, torch::Tensor flat)
    : layout_(std::move(layout)), flat_(std::move(flat)), views_(layout_->views(flat_)) {}

ParameterList ParameterList::initial(std::shared_ptr<const ParameterLayout> layout,
                                     std::uint64_t seed, torch::Dtype dtype) {
  auto flat = torch::zeros({layout->flat_size()}, torch::kFloat64);
  double* values = flat.data_ptr<double>();
  const Tensors places = layout->views(flat);
  for (std::int64_t i = 0; i < layout->count(); ++i) {
    if (const auto& given = layout->spec(i).given; given.defined()) {
      places[static_cast<std::size_t>(i)].copy_(given);
      continue;
    }
    Random random(start_of(layout->spec(i).name, seed));
    for (std::int64_t j = 0; j < layout->elements(i); ++j)
      values[layout->offset(i) + j] = draw(layout->spec(i), random);
  }
  return {std::move(layout), flat.to(dtype)};
}

std::string ParameterList::sha256() const {
  Sha256 hash;
  const auto values = flat_.contiguous();
  const auto* bytes = static_cast<const char*>(values.data_ptr());
  const auto size = static_cast<std::int64_t>(values.element_size());
  for (std::int64_t i = 0; i < layout_->count(); ++i)
    hash.update(bytes + layout_->offset(i) * size,
                static_cast<std::size_t>(layout_->elements(i) * size));
  return hash.hex();
}

}  // namespace cuttle
