#pragma once

#include <torch/types.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace cuttle {

using Tensors = std::vector<torch::Tensor>;

/// Which part of the whole a parameter belongs to; with the name it tells what an inner loop moves:
/// MAML body and head, ANIL the head, BOIL the body.
enum class ParameterRole { kBody, kHead, kLearner, kObjective };

/// Where a parameter's values come from. kFrozen: never changed, mostly another run's. kStatistics:
/// averages over training (running means), moved by what tasks observe. kLearned: gradients.
enum class ParameterSection { kFrozen, kStatistics, kLearned };

/// How the outer update treats a parameter, beside the config's `step` section.
struct OuterRule {
  double rate = 1.0;                                      ///< times the learning rate
  bool decay = true;                                      ///< subject to step.weight_decay
  double low = -std::numeric_limits<double>::infinity();  ///< clamped after the update
  double high = std::numeric_limits<double>::infinity();
  double momentum = 0.1;  ///< of kStatistics: weight of a step's mean observation
  bool operator==(const OuterRule& other) const;
};

/// How a parameter starts. kFanIn: uniform in +-1/sqrt(fan-in), fan-in = product of all sizes but
/// the first.
enum class Init { kZeros, kOnes, kFanIn, kNormal, kConstant };

struct ParameterSpec {
  std::string name;  ///< dotted path, e.g. encoder.image.0.conv.weight
  std::vector<std::int64_t> shape;
  Init init = Init::kFanIn;
  ParameterRole role = ParameterRole::kBody;
  ParameterSection section = ParameterSection::kLearned;
  OuterRule outer = {};
  double start = 0.0;       ///< of Init::kConstant
  bool first_rows = false;  ///< its rows stand for themselves: of an array with more of them (of a
                            ///< model for more classes, say) the first serve
  bool training_only = false;  ///< an adapted model does without it
  torch::Tensor given = {};    ///< float32 values that it starts from, in place of `init`'s
  bool held = false;  ///< frozen by ParameterLayout::freeze, not because it comes from elsewhere
};
/// The spec of such rows.
ParameterSpec rows_of(std::string name, std::vector<std::int64_t> shape, Init init,
                      ParameterRole role = ParameterRole::kBody);

/// Frozen parameters that are another run's: those named `prefix` + NAME here are its NAME. So that
/// they mean what they meant there, a run with other data, senses or keys `model.*` is refused.
struct CopiedRun {
  std::string key, run;  ///< the config's key, and the run folder or checkpoint that it names
  std::string prefix;
  std::vector<std::string> alike;  ///< further keys of the config that must be as they are there
};

/// Names, shapes and places of all parameters in one flat buffer: frozen ones first, then
/// statistics, then learned ones, each in the order of their declaration. Each starts at a multiple
/// of 16 elements (64 bytes in float32); the gaps hold zeros. Every part of a run declares its own
/// while the run is put together; then shared and immutable.
class ParameterLayout {
 public:
  /// Index of the new parameter. A name that exists already is a defect (Error). Places of others
  /// may move.
  std::int64_t add(ParameterSpec spec);
  /// While `frozen`, what is added is of section kFrozen, whatever its spec says.
  void set_frozen(bool frozen) { frozen_ = frozen; }
  /// What was added so far stays as it starts: what was not of section kFrozen becomes so, and
  /// held.
  void freeze();
  /// Says that an adapted model does without this parameter.
  void leave_to_training(std::int64_t i) {
    specs_[static_cast<std::size_t>(i)].training_only = true;
  }
  /// Says where parameters that were added come from.
  void copy(CopiedRun run) { copied_.push_back(std::move(run)); }
  const std::vector<CopiedRun>& copied() const { return copied_; }

  std::int64_t count() const { return static_cast<std::int64_t>(specs_.size()); }
  std::int64_t flat_size() const { return flat_size_; }    ///< elements, gaps included
  std::int64_t parameters() const { return parameters_; }  ///< elements, gaps excluded
  const ParameterSpec& spec(std::int64_t i) const { return specs_[static_cast<std::size_t>(i)]; }
  std::int64_t offset(std::int64_t i) const { return offsets_[static_cast<std::size_t>(i)]; }
  std::int64_t elements(std::int64_t i) const;
  bool is_learned(std::int64_t i) const { return spec(i).section == ParameterSection::kLearned; }
  /// The part of a flat buffer [flat_size] that is trained, sharing its memory.
  torch::Tensor learned(const torch::Tensor& flat) const;
  std::int64_t learned_size() const { return flat_size_ - learned_offset_; }  ///< gaps included
  /// The part that tasks say something of: statistics, then what is trained; sharing memory.
  torch::Tensor reduced(const torch::Tensor& flat) const;
  std::int64_t reduced_size() const { return flat_size_ - reduced_offset_; }
  /// Of a parameter of kStatistics: where a task's result says 1 if it observed it (else 0), behind
  /// the observation.
  std::int64_t observed_at(std::int64_t i) const { return offset(i) + elements(i); }
  std::int64_t statistics_size() const { return learned_offset_ - reduced_offset_; }
  /// Indices of the parameters with this role.
  std::vector<std::int64_t> with_role(ParameterRole role) const;

  /// Views of `flat` [flat_size], one per parameter, sharing its memory.
  Tensors views(const torch::Tensor& flat) const;
  /// The inverse: one new flat buffer; undefined tensors and gaps become zeros.
  torch::Tensor flatten(const Tensors& values) const;

  /// What an adapted model keeps: a flat buffer in the same order, without what training alone
  /// needs.
  torch::Tensor kept(const Tensors& values) const;
  std::int64_t kept_size() const;
  /// The inverse, sharing memory; what was left out is undefined.
  Tensors from_kept(const torch::Tensor& flat) const;

 private:
  std::vector<ParameterSpec> specs_;
  std::vector<std::int64_t> offsets_;
  std::vector<CopiedRun> copied_;
  std::int64_t flat_size_ = 0;
  std::int64_t parameters_ = 0;
  std::int64_t reduced_offset_ = 0, learned_offset_ = 0;
  bool frozen_ = false;

  void place();
  std::int64_t room_of(std::int64_t i) const;
  std::vector<std::int64_t> kept_places() const;
};

/// The values of all parameters. Copying shares memory; clone() does not.
class ParameterList {
 public:
  ParameterList(std::shared_ptr<const ParameterLayout> layout, torch::Tensor flat);
  /// Initial values: each parameter's from a stream that seed and name stand for, so the same on
  /// every rank and whatever other parts the run has.
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
