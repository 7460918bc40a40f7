#include "cuttle/train/evaluator.hpp"

#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <tuple>

#include "cuttle/core/error.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/task/schedule.hpp"
#include "cuttle/train/assembly.hpp"
#include "cuttle/train/calibration.hpp"
#include "train/outside.hpp"
#include "train/query_outputs.hpp"
#include "train/reliability.hpp"

namespace cuttle {
namespace {

/// What one rank found in its tasks.
struct Findings {
  std::vector<std::vector<float>> rows;     ///< loss, metrics, then as many columns per trace line
  std::vector<std::vector<float>> terms;    ///< of figures, by row
  std::vector<std::vector<float>> outside;  ///< as OutsideReport, by row
  std::optional<ClassCounts> counts;
  std::optional<ConfusionMatrix> confusion;
  Reliability raw, calibrated;
  std::string told;
  std::int64_t skipped = 0;              ///< tasks left out
  std::int64_t blind = 0;                ///< tasks without any sense
  std::int64_t present = 0, hidden = 0;  ///< senses of samples
};

Findings no_findings(const std::vector<std::int32_t>& classes, bool confusion) {
  Findings found;
  if (classes.empty()) return found;
  const auto count = static_cast<std::int64_t>(classes.size());
  found.counts.emplace(count);
  if (confusion) found.confusion.emplace(count);
  return found;
}

/// Senses that the samples have.
std::int64_t senses_in(const Task& task) {
  std::int64_t count = 0;
  for (const Batch* batch : {&task.support, &task.query})
    for (const ModalityInput& input : batch->modalities) count += input.rows.numel();
  return count;
}

/// What the plan hides of a task.
void hide(const EvaluationPlan& plan, Task& task, Findings& found) {
  if (task.query.environment) {
    CUTTLE_VALIDATE(plan.modalities.empty() && plan.missing_rate == 0,
                    "--modalities and --missing-rate hide senses of samples, and these tasks are "
                    "acted in; leave them out");
    return;
  }
  if (!plan.modalities.empty()) {
    task.support = keep_modalities(task.support, plan.modalities);
    task.query = keep_modalities(task.query, plan.modalities);
  }
  const std::int64_t present = senses_in(task);
  task.support = drop_modalities(task.support, plan.missing_rate,
                                 task.key.with(Draw::kEvaluatedSupportSenses));
  task.query =
      drop_modalities(task.query, plan.missing_rate, task.key.with(Draw::kEvaluatedQuerySenses));
  found.present += present;
  found.hidden += present - senses_in(task);
  if (plan.unbalanced) task.query = unbalanced_query(task);
}

/// Whether support or query has no sense left.
bool is_blind(const Task& task) {
  const auto sees = [](const Batch& batch) {
    return std::any_of(batch.modalities.begin(), batch.modalities.end(),
                       [](const ModalityInput& input) { return input.rows.numel() > 0; });
  };
  if (task.query.environment) return false;
  return !sees(task.query) || (task.support.size > 0 && !sees(task.support));
}

/// `classes`: ascending; a class is counted at its place among them.
void count_classes(const Task& task, const torch::Tensor& predicted,
                   const std::vector<std::int32_t>& classes, Findings& found) {
  const auto place_of = [&](const torch::Tensor& label) {
    const auto id = task.classes[static_cast<std::size_t>(label.item<std::int64_t>())];
    return std::lower_bound(classes.begin(), classes.end(), id) - classes.begin();
  };
  for (std::int64_t i = 0; i < predicted.numel(); ++i) {
    const auto truth = place_of(task.query.labels[i]), taken_for = place_of(predicted[i]);
    found.counts->add(truth, taken_for);
    if (found.confusion) found.confusion->add(truth, taken_for);
  }
}

/// How sure the answers are at a temperature, and whether they are right; of labels, how probable
/// each is, and whether it is there.
void judge_probabilities(const Task& task, const torch::Tensor& logits, double temperature,
                         bool labels, Reliability& found) {
  const auto z = logits.to(torch::kFloat64) / temperature;
  torch::Tensor probability, right;
  if (labels) {
    probability = torch::sigmoid(z).flatten();
    right = task.query.targets.gt(0.5).flatten();
  } else {
    torch::Tensor answer;
    std::tie(probability, answer) = torch::softmax(z, 1).max(1);
    right = answer.eq(task.query.labels);
  }
  for (std::int64_t i = 0; i < right.numel(); ++i)
    found.add(probability[i].item<double>(), right[i].item<bool>());
}

/// Whether all of an episode's numbers are finite. Error, unless the plan leaves such episodes out.
bool check_finite(const std::vector<float>& row, std::int64_t episode, const TaskKind& kind,
                  const EvaluationPlan& plan) {
  const auto bad =
      std::find_if_not(row.begin(), row.end(), [](float v) { return std::isfinite(v); });
  if (bad == row.end() || plan.skip_nonfinite) return bad == row.end();
  const auto names = kind.metrics();
  const auto column = static_cast<std::size_t>(bad - row.begin());
  throw Error(fmt::format(
      "{} episode {}: its {} is {} (it would make the mean meaningless); look for samples that "
      "overflow, or lower the learning rates",
      to_string(plan.split), episode,
      column == 0              ? "loss"
      : column <= names.size() ? names[column - 1]
                               : "trace",
      *bad));
}

/// Of a task's query; also finds how the plan's outside samples are told from it.
torch::Tensor outputs_beside_outside(const Task& task, const Learner& learner,
                                     const ParameterList& parameters, const EvaluationPlan& plan,
                                     Findings& found) {
  const Task there = task.on(learner.model().device());
  const auto adapted = learner.adapt(parameters, there.support, there.key);
  const auto support = adapted->answer(there.support).embedding;
  CUTTLE_VALIDATE(!support.parts.empty(),
                  "--outside: this learner's answers rest on no embeddings (what is outside is "
                  "told by its distance); leave it out");
  Batch outside = plan.outside->draw(task);
  if (!plan.modalities.empty()) outside = keep_modalities(outside, plan.modalities);
  outside = drop_modalities(outside, plan.missing_rate, task.key.with(Draw::kOutsideSenses))
                .on(learner.model().device());
  const Novelty novelty(support, task.support.labels, task.support.way);
  const Answered own = answers_to(*adapted, there.query, plan.at_once, &novelty);
  const bool apart = plan.at_once == QueriesAtOnce::kOne;
  const Answered others =
      answers_to(*adapted, outside, apart ? QueriesAtOnce::kOne : QueriesAtOnce::kAll, &novelty);
  const auto right = own.outputs.argmax(1).eq(task.query.labels);
  const auto figures = judge_outside(own.distances, right, others.distances);
  found.outside.emplace_back(figures.begin(), figures.end());
  return own.outputs;
}

/// Task number `episode` of the plan.
void evaluate_task(const Task& task, std::int64_t episode, const Learner& learner,
                   const ParameterList& parameters, const EvaluationPlan& plan,
                   const std::vector<std::int32_t>& classes, Findings& found) {
  const auto outputs = plan.outside ? outputs_beside_outside(task, learner, parameters, plan, found)
                                    : query_outputs(learner, parameters, task, plan.at_once);
  std::vector<float> row{learner.kind().loss(outputs, task.query).item<float>()};
  const auto append = [&](const std::vector<double>& values) {
    for (const double value : values) row.push_back(static_cast<float>(value));
  };
  const TargetUnits& units = learner.model().units();
  // In float64 on the way back: values far from 0 would lose what differs between them.
  const auto precise = [&](const torch::Tensor& values) {
    return units.empty() ? values : values.to(torch::kFloat64);
  };
  const auto own = learner.kind().in_own_units(precise(outputs), units);
  Batch query = task.query;
  query.targets = units.to_own(precise(query.targets));
  append(learner.kind().measure(own, query));
  if (plan.trace)
    for (const auto& line : learner.trace(parameters, task.on(learner.model().device()))) {
      append({line.support_loss});
      append(line.support_metrics);
      append({line.query_loss});
      append(line.query_metrics);
    }
  if (!check_finite(row, episode, learner.kind(), plan)) {
    ++found.skipped;
    return;
  }
  if (found.counts) count_classes(task, outputs.argmax(1), classes, found);
  if (tells_probabilities(learner.kind())) {
    const bool labels = learner.kind().labels();
    judge_probabilities(task, outputs, 1.0, labels, found.raw);
    if (plan.temperature != 1)
      judge_probabilities(task, outputs, plan.temperature, labels, found.calibrated);
  }
  if (plan.told) found.told += plan.told(episode, own);
  found.rows.push_back(std::move(row));
  found.terms.emplace_back();
  for (const auto& [sum, of] : learner.kind().terms(own, query))
    for (const double term : {sum, of}) found.terms.back().push_back(static_cast<float>(term));
}

/// The means of trace columns, `metrics` of them beside each loss.
std::vector<StepDiagnostics> trace_of(const std::vector<Interval>& means, std::size_t metrics) {
  std::vector<StepDiagnostics> trace;
  for (std::size_t c = 1 + metrics; c < means.size(); c += 2 + 2 * metrics) {
    StepDiagnostics line;
    line.step = static_cast<std::int64_t>(trace.size());
    line.support_loss = means[c].mean;
    line.query_loss = means[c + 1 + metrics].mean;
    for (std::size_t m = 1; m <= metrics; ++m) {
      line.support_metrics.push_back(means[c + m].mean);
      line.query_metrics.push_back(means[c + 1 + metrics + m].mean);
    }
    trace.push_back(std::move(line));
  }
  return trace;
}

/// Of every rank's rows, also of ranks without any; `least` where nobody has one. `differ`: what is
/// said where rows are not of one size.
std::size_t common_columns(Communicator& comm, const std::vector<std::vector<float>>& rows,
                           std::size_t least, const char* differ) {
  auto most = static_cast<std::int64_t>(least), fewest = std::numeric_limits<std::int64_t>::max();
  for (const auto& row : rows) {
    most = std::max(most, static_cast<std::int64_t>(row.size()));
    fewest = std::min(fewest, static_cast<std::int64_t>(row.size()));
  }
  const auto all = comm.all_reduce("evaluation columns", {most, -fewest}, ReduceOp::kMax).wait();
  CUTTLE_VALIDATE(-all[1] >= all[0], "{}", differ);
  return static_cast<std::size_t>(all[0]);
}

/// What an episode's terms alone make of a figure; NaN: it has none.
float figure_of(const Figure& figure, const float* terms) {
  const float quotient =
      terms[1] == 0 ? std::numeric_limits<float>::quiet_NaN() : terms[0] / terms[1];
  return figure.root ? std::sqrt(quotient) : quotient;
}

/// The kind's score in each of this rank's episodes.
std::vector<float> scores_of(const Findings& mine, const TaskKind& kind) {
  const std::size_t column = kind.score_column(), of_rows = 1 + kind.metrics().size();
  const auto figures = kind.figures();
  std::vector<float> scores;
  for (std::size_t e = 0; e < mine.rows.size(); ++e)
    scores.push_back(column < of_rows ? mine.rows[e][column]
                                      : figure_of(figures[column - of_rows],
                                                  &mine.terms[e][2 * (column - of_rows)]));
  return scores;
}

/// The figures over all episodes, then each target's own.
std::vector<Interval> figures_of(Communicator& comm, const Findings& mine, const TaskKind& kind) {
  const auto names = kind.figures(), by_target = kind.figures_by_target();
  if (names.empty()) return {};
  const std::size_t columns =
      common_columns(comm, mine.terms, 2 * names.size(),
                     "episodes have different numbers of targets (their figures have no mean); "
                     "evaluate one source at a time");
  auto figures = ratio_intervals(comm, "figures", mine.terms, columns / 2);
  for (std::size_t f = 0; f < figures.size(); ++f) {
    const Figure& told =
        f < names.size() ? names[f] : by_target[(f - names.size()) % by_target.size()];
    if (!told.root) continue;
    figures[f].mean = std::sqrt(figures[f].mean);
    figures[f].half_width /= 2 * figures[f].mean;  // the root's slope
  }
  return figures;
}

/// One number of each episode of all ranks, episode after episode.
std::vector<float> gather(Communicator& comm, const std::vector<float>& mine) {
  std::string bytes(reinterpret_cast<const char*>(mine.data()), mine.size() * sizeof(float));
  std::vector<float> all;
  for (const auto& part : comm.all_gather("episode scores", std::move(bytes)).wait()) {
    const std::size_t first = all.size();
    all.resize(first + part.size() / sizeof(float));
    std::copy(part.begin(), part.end(), reinterpret_cast<char*>(all.data() + first));
  }
  return all;
}

}  // namespace

void warn_of_chance(const EvaluationReport& report, const TaskKind& kind,
                    const EpisodeOptions& episode) {
  constexpr std::size_t kEnough = 10;  // fewer may be at chance by chance
  const auto chance = static_cast<float>(1.0 / static_cast<double>(episode.way));
  const auto& scores = report.episode_scores;
  if (!kind.classes() || scores.size() < kEnough ||
      !std::all_of(scores.begin(), scores.end(),
                   [&](float score) { return std::abs(score - chance) < 1e-6f; }))
    return;
  log_warning(
      "every episode scored exactly chance: the model gives all samples the same answer (its "
      "senses may be missing from these data, a norm: instance see samples of one position, of "
      "which it leaves nothing, or step.l1 and weight_decay have made its parameters 0); check "
      "the data with cuttle inspect, take another norm, or lower these");
}

std::string describe_episodes(const TaskKind& kind, const EpisodeOptions& episode) {
  if (kind.values())
    return fmt::format("{} from {} samples, {} queries", kind.says(), episode.shot, episode.query);
  if (!kind.classes())
    return fmt::format("{} episodes to adapt to, {} to score", episode.shot, episode.query);
  return fmt::format("{}-way {}-shot, {} queries per class", episode.way, episode.shot,
                     episode.query);
}

EvaluationPlan evaluation_plan(const RunConfig& config, Split split, std::int64_t episodes) {
  EvaluationPlan plan;
  plan.seed = config.evaluation.seed != 0 ? config.evaluation.seed : config.seed;
  plan.split = split;
  plan.episode = evaluation_episodes(config);
  plan.episodes = episodes > 0 ? episodes : config.evaluation.episodes;
  return plan;
}

RandomKey evaluation_key(const EvaluationPlan& plan, std::int64_t number) {
  const Stream stream = plan.split == Split::kTrain        ? Stream::kTrain
                        : plan.split == Split::kValidation ? Stream::kValidation
                                                           : Stream::kTest;
  return {plan.seed, stream, 0, static_cast<std::uint32_t>(number)};
}

EvaluationReport evaluate(Communicator& comm, const TaskSource& source,
                          const std::vector<std::int32_t>& classes, const Learner& learner,
                          const ParameterList& parameters, const EvaluationPlan& plan,
                          const std::function<void(std::int64_t)>& progress) {
  Findings mine = no_findings(classes, plan.confusion);
  together(comm, "evaluation", [&] {
    const ParameterList there = parameters.on(learner.model().device());
    std::int64_t done = 0;
    for (const auto& slot : micro_batches_of(plan.episodes, 1, comm.rank(), comm.size())) {
      Task task = source.make(evaluation_key(plan, slot.first_slot));
      hide(plan, task, mine);
      mine.blind += is_blind(task);
      evaluate_task(task, slot.first_slot, learner, there, plan, classes, mine);
      if (progress) progress(++done);
    }
  });
  const std::size_t metrics = learner.kind().metrics().size();
  const std::size_t columns =
      common_columns(comm, mine.rows, 1 + metrics,
                     "--diagnostics: episodes differ in size, and so in how many lines they have "
                     "(there is no mean of them); evaluate episodes of one size");
  const auto means = mean_intervals(comm, "evaluation", mine.rows, columns);
  if (mine.counts) mine.counts->sum_over(comm);
  if (mine.confusion) mine.confusion->sum_over(comm);
  mine.raw.sum_over(comm);
  if (plan.temperature != 1) mine.calibrated.sum_over(comm);
  EvaluationReport report;
  report.loss = means[0];
  report.calibration_error = mine.raw.error();
  report.calibrated_error = (plan.temperature != 1 ? mine.calibrated : mine.raw).error();
  report.metrics.assign(means.begin() + 1,
                        means.begin() + 1 + static_cast<std::ptrdiff_t>(metrics));
  report.figures = figures_of(comm, mine, learner.kind());
  const std::size_t score = learner.kind().score_column();
  report.score = score <= metrics ? means[score] : report.figures[score - metrics - 1];
  report.counts = std::move(mine.counts);
  report.confusion = std::move(mine.confusion);
  report.trace = trace_of(means, metrics);
  if (plan.outside) {
    const auto of = mean_intervals(comm, "outside samples", mine.outside, 3);
    report.outside = {of[0], of[1], of[2]};
  }
  report.skipped = comm.all_reduce("episodes left out", {mine.skipped}, ReduceOp::kSum).wait()[0];
  report.blind = comm.all_reduce("episodes without senses", {mine.blind}, ReduceOp::kSum).wait()[0];
  const auto senses =
      comm.all_reduce("senses hidden", {mine.present, mine.hidden}, ReduceOp::kSum).wait();
  if (senses[0] > 0)
    report.hidden_rate = static_cast<double>(senses[1]) / static_cast<double>(senses[0]);
  report.episode_scores = gather(comm, scores_of(mine, learner.kind()));
  if (plan.told)
    for (const auto& part :
         comm.all_gather("what is told of episodes", std::move(mine.told)).wait())
      report.told.append(part.begin(), part.end());
  return report;
}

}  // namespace cuttle
