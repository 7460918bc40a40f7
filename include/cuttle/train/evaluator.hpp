#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cuttle/adapt/learner.hpp"
#include "cuttle/comm/communicator.hpp"
#include "cuttle/config/run_config.hpp"
#include "cuttle/metrics/confusion_matrix.hpp"
#include "cuttle/reduce/interval.hpp"
#include "cuttle/task/task.hpp"

namespace cuttle {

/// How many queries of an episode are answered at once; it matters to transductive models.
enum class QueriesAtOnce { kAll, kClass, kOne };

/// Samples of classes that an episode has not, to be told from its queries. Immutable; references
/// must outlive it.
class OutsideSamples {
 public:
  /// `outside`: whose samples of the split may be drawn. `episodes`: the data set and the split of
  /// the episodes, whose classes are known by name; `way`: of the largest one. `kept`: of
  /// `outside`, as in Model::prepare. UserError where an episode may have all classes.
  OutsideSamples(const Dataset& outside, Split split, const Dataset& episodes, Split of_episodes,
                 std::int64_t way, const Model& model, SampleCache* kept);

  /// As many as the task has queries, or all that there are; a pure function of the task's key.
  Batch draw(const Task& task) const;
  /// That may be drawn, those of the episodes' own classes among them.
  std::int64_t size() const { return static_cast<std::int64_t>(samples_.size()); }

 private:
  const Dataset& data_;
  const Model& model_;
  SampleCache* kept_;
  std::vector<std::int64_t> samples_;  ///< class by class
  std::vector<std::int32_t> classes_;  ///< theirs, by the episodes' ids; -1: none of these
};

/// Which episodes are evaluated, and with what of them.
struct EvaluationPlan {
  std::uint64_t seed = 1;
  Split split = Split::kTest;
  EpisodeOptions episode;  ///< way, shot, query, groups
  std::int64_t episodes = 600;
  std::vector<bool> modalities;  ///< by modality: use it; empty: all
  double missing_rate =
      0.0;  ///< hides present modalities at this rate, seeded (never all of a sample)
  QueriesAtOnce at_once = QueriesAtOnce::kAll;
  /// Classes have unequal shares of an episode's queries, drawn from Dirichlet(2, ..., 2) (Veilleux
  /// et al. 2021); the class with the largest share keeps all of its own.
  bool unbalanced = false;
  bool trace = false;        ///< also loss and accuracy before and after every inner step
  bool confusion = false;    ///< also the whole confusion matrix
  double temperature = 1.0;  ///< of the report's calibrated_error
  /// What is kept of an episode, by its number and the outputs for its query (of values in their
  /// own units), on whichever rank has it; empty: nothing.
  std::function<std::string(std::int64_t, const torch::Tensor&)> told = {};
  /// Also how well these are told from the queries by their distance (Novelty); null: none. Asked
  /// one by one with kOne, else together; answers must not depend on each other.
  const OutsideSamples* outside = nullptr;
  bool skip_nonfinite = false;  ///< leave episodes out whose numbers are not finite; false: throw
};

/// How samples of no class of an episode are told from its queries: means over episodes.
struct OutsideReport {
  Interval auroc;  ///< chance that one is farther than a query, equals counting half
  /// Share of them that are no farther than the nearest 95 % of the queries (at least so many).
  Interval false_positives;
  Interval accuracy;  ///< share of the queries that are among these 95 % and answered rightly
};

/// The same on all ranks, bit for bit, at every world size.
struct EvaluationReport {
  Interval loss;
  std::vector<Interval> metrics;  ///< as TaskKind::metrics
  std::vector<Interval> figures;  ///< as TaskKind::figures, then of each target its own
  Interval score;                 ///< what the kind ranks by: one of these
  /// Over the classes asked for, in their order; nothing where tasks have none.
  std::optional<ClassCounts> counts;
  std::optional<ConfusionMatrix> confusion;  ///< the same, if the plan asks for it
  std::vector<StepDiagnostics> trace;        ///< means over episodes
  std::optional<OutsideReport> outside;      ///< if the plan asks for it
  std::vector<float> episode_scores;         ///< the score by episode, for paired comparisons;
                                             ///< NaN: it has none
  std::string told;                          ///< what the plan's `told` says, episode after episode
  /// Expected calibration error of the classes' probabilities, in [0, 1]: how far these are from
  /// how often they are right, or of those of labels from how often these are there; of the logits
  /// as they are, and of those divided by the plan's temperature. 0 where no probabilities are
  /// told.
  double calibration_error = 0, calibrated_error = 0;
  double hidden_rate = 0;  ///< of the senses that samples have and the plan looks at: hidden, which
                           ///< is less than its missing_rate, as a sample's last one stays
  std::int64_t blind = 0;  ///< episodes whose support or query had no sense at all
  std::int64_t skipped = 0;  ///< episodes that were not finite; NaN means: all of them were
};

/// "5-way 1-shot, 15 queries per class", "regression from 10 samples, 10 queries", or "3 episodes
/// to adapt to, 3 to score".
std::string describe_episodes(const TaskKind& kind, const EpisodeOptions& episode);

/// Warns if every episode of classes, ten or more, scored exactly chance: the model tells no two
/// samples apart.
void warn_of_chance(const EvaluationReport& report, const TaskKind& kind,
                    const EpisodeOptions& episode);

/// `episodes` episodes of a split (0: as the config's evaluation section says), by the config's
/// seed and protocol; all senses, nothing hidden, no trace.
EvaluationPlan evaluation_plan(const RunConfig& config, Split split, std::int64_t episodes);

/// Names episode `number` of a plan's fixed list.
RandomKey evaluation_key(const EvaluationPlan& plan, std::int64_t number);

/// Adapts to the support of each task of the fixed list and predicts its query. Tasks are spread
/// over ranks; all ranks call it and get the same report, or throw together. `source`: of the
/// plan's split and episodes. `classes`: global ids, ascending, whose samples are counted; empty:
/// nothing is. UserError before the first task if the plan's confusion matrix would be too large.
/// `progress(done)` is called on every rank as its own tasks finish.
EvaluationReport evaluate(Communicator& comm, const TaskSource& source,
                          const std::vector<std::int32_t>& classes, const Learner& learner,
                          const ParameterList& parameters, const EvaluationPlan& plan,
                          const std::function<void(std::int64_t)>& progress = {});

/// A trained model and the data as it sees them: its own modalities of the same shards.
struct Contender {
  const Dataset& data;
  const Learner& learner;
  const ParameterList& parameters;
  std::string name;  ///< as messages call it
};

/// Accuracies over the same episodes, with 95 % intervals; the same bits at every world size.
struct ComparisonReport {
  std::vector<Interval> accuracy;  ///< by contender
  std::vector<Interval> lead;  ///< the first contender's accuracy minus that of contender i + 1,
                               ///< episode by episode
  Interval averaged;           ///< of the mean logits of all contenders but the first
  Interval lead_over_averaged;
};

/// Evaluates two or more contenders on the plan's episode list (its modalities, missing rate and
/// trace are not used). All ranks call it and get the same report, or throw together: UserError
/// when two contenders would draw different samples for an episode. `progress`: as of evaluate.
ComparisonReport compare(Communicator& comm, const std::vector<Contender>& contenders,
                         const EvaluationPlan& plan,
                         const std::function<void(std::int64_t)>& progress = {});

}  // namespace cuttle
