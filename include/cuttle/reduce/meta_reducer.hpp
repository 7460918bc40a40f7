#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cuttle/comm/communicator.hpp"
#include "cuttle/core/span.hpp"
#include "cuttle/reduce/options.hpp"

namespace cuttle {

/// What all ranks know after a reduction; equal on all of them, bit for bit.
struct Reduced {
  /// False: no good task, or a step that the policy skips; gradient and scalars are empty.
  bool apply = false;
  std::int64_t tasks = 0;       ///< good tasks over all ranks
  std::int64_t skipped = 0;     ///< tasks that were not finite
  std::string skipped_note;     ///< their ranks and names (the first few), for the log
  std::vector<float> gradient;  ///< mean over the good tasks
  std::vector<double> scalars;  ///< means of what came beside the gradients
  std::int64_t request = 0;     ///< highest request of any rank
};

/// Means of task gradients over ranks, with the vote on health before. One object per run; per step
/// every rank calls add() for each of its tasks (none is fine), or fail(), and then reduce(), which
/// all ranks leave with the same result or the same exception. Not thread-safe. Holds the step's
/// gradients until reduce(), and keeps their memory for the next step; beside them 16 to 32 MB at
/// most, however large the model.
///
/// A gradient's mean is the exact sum over the exact number of tasks, rounded once (to nearest,
/// ties to even), whatever the values, their order, and the number of ranks. Scalars' means are
/// double(exact sum) / tasks.
class MetaReducer {
 public:
  /// Throws UserError if options.on_nonfinite is not one of its words. The communicator must
  /// outlive the reducer.
  MetaReducer(Communicator& comm, std::size_t gradient_size, const ReduceOptions& options);
  ~MetaReducer();

  /// One task's gradient (gradient_size floats) and scalars (loss first, accuracy...; equally many
  /// in all tasks of the step on all ranks). Copies them. Checks that they are finite; what then
  /// happens is the policy's.
  void add(Span<const float> gradient, Span<const float> scalars, std::string_view task_name);

  /// This rank cannot go on with the step: reduce() will throw on all ranks, a UserError if every
  /// cause was one.
  void fail(const std::exception& cause);

  /// Collective. `request`: what this rank wants of the run (core/signals.hpp); the highest wins.
  /// Afterwards, also when it throws, the reducer is empty and ready for the next step.
  Reduced reduce(std::int64_t request);

 private:
  enum class NonFinite { kFail, kSkipTask, kSkipStep };
  struct Ballot;
  struct Workspace;

  static NonFinite parse_policy(const std::string& word);
  bool copy(Span<const float> gradient, Span<const float> scalars, std::vector<float>& row);
  Ballot take_ballot(std::int64_t request);
  Reduced vote(const Ballot& mine, std::int64_t* most_tasks);
  Reduced count(const std::vector<Ballot>& ballots) const;

  Communicator& comm_;
  std::size_t gradient_size_;
  NonFinite policy_;
  std::unique_ptr<Workspace> work_;
  std::vector<std::vector<float>> rows_;  // gradient and scalars per task; buffers of all steps
  std::size_t good_ = 0;                  // rows in use: the good tasks
  std::int64_t bad_ = 0;
  std::int64_t scalar_count_ = -1;  // unknown until the first task
  std::string bad_note_;
  std::string failure_;
  bool user_failure_ = false;
};

}  // namespace cuttle
