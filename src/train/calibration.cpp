#include "cuttle/train/calibration.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "cuttle/core/error.hpp"
#include "train/outside.hpp"
#include "train/query_outputs.hpp"

namespace cuttle {
namespace {

/// Queries of many episodes.
struct Asked {
  Tensors logits, labels;  ///< of those whose class is in the support
  std::vector<float> known, other;
};

/// How many samples each of `way` classes of the episodes has where those of a support set have
/// `shots`: the smallest and the largest of these among them, as far as the episodes have samples.
std::vector<std::int64_t> shots_of(std::vector<std::int64_t> shots, std::int64_t way,
                                   std::int64_t most) {
  if (shots.empty()) return std::vector<std::int64_t>(static_cast<std::size_t>(way), most);
  std::sort(shots.begin(), shots.end());
  std::vector<std::int64_t> chosen;
  for (std::int64_t c = 0; c < way; ++c) {
    const auto at = way == 1 ? 0 : c * (static_cast<std::int64_t>(shots.size()) - 1) / (way - 1);
    chosen.push_back(std::min(most, shots[static_cast<std::size_t>(at)]));
  }
  return chosen;
}

/// Adapts to so many samples of the first classes of a task, and asks about all queries.
void ask(const Task& task, std::vector<std::int64_t> shots, const Learner& learner,
         const ParameterList& parameters, Asked& asked) {
  const auto way = static_cast<std::int64_t>(shots.size());
  shots.resize(static_cast<std::size_t>(task.support.way), 0);
  Batch support = first_of_classes(task.support, shots);
  support.way = way;
  const auto device = learner.model().device();
  const auto adapted = learner.adapt(parameters, support.on(device), task.key);
  Batch query = task.query;
  query.way = way;
  const Batch there = query.on(device);
  const auto answers = adapted->answer(there);
  const auto logits = answers.outputs.to(torch::kCPU);
  std::vector<float> distances;
  if (!answers.embedding.parts.empty())
    distances = Novelty(adapted->answer(support.on(device)).embedding, support.labels, way)
                    .distances(answers.embedding);
  const auto seen = have_senses(query);
  for (std::int64_t i = 0; i < query.size; ++i) {
    if (!seen[static_cast<std::size_t>(i)]) continue;  // it gets no answer in use either
    const bool known = query.labels[i].item<std::int64_t>() < way;
    if (!distances.empty())
      (known ? asked.known : asked.other).push_back(distances[static_cast<std::size_t>(i)]);
    if (!known) continue;
    asked.logits.push_back(logits[i]);
    asked.labels.push_back(query.labels[i]);
  }
}

/// The same of labels: adapts to the whole support, and asks about every label of every query, as
/// of two classes.
void ask_labels(const Task& task, const Learner& learner, const ParameterList& parameters,
                Asked& asked) {
  const auto logits = query_outputs(learner, parameters, task);
  const auto targets = task.query.targets.to(torch::kInt64);
  const auto seen = have_senses(task.query);
  for (std::int64_t i = 0; i < task.query.size; ++i) {
    if (!seen[static_cast<std::size_t>(i)]) continue;
    asked.logits.push_back(torch::stack({torch::zeros_like(logits[i]), logits[i]}, 1));
    asked.labels.push_back(targets[i]);
  }
}

torch::Tensor entry(const std::map<std::string, torch::Tensor>& state, const std::string& name) {
  const auto found = state.find(name);
  CUTTLE_REQUIRE(found != state.end(), "the adapted model has no entry '{}'", name);
  return found->second;
}

/// Squared distances [n, m] of rows, never below 0.
torch::Tensor squared_distances(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.square().sum(1, true) - 2 * a.matmul(b.t()) + b.square().sum(1).unsqueeze(0))
      .clamp_min(0);
}

}  // namespace

Novelty::Novelty(const Embedding& support, const torch::Tensor& labels, std::int64_t way) {
  const torch::NoGradGuard no_grad;
  const auto members = torch::one_hot(labels.to(torch::kCPU), way).to(torch::kFloat64).t();
  const auto mask = support.mask.to(torch::kCPU, torch::kFloat64);
  const auto counts = members.matmul(mask);
  has_ = counts.gt(0).to(torch::kFloat64);
  squared_ = torch::ones({mask.size(1)}, torch::kFloat64);
  for (std::size_t p = 0; p < support.parts.size(); ++p) {
    const auto column = static_cast<std::int64_t>(p);
    const auto share = members * mask.select(1, column);
    const auto count = counts.narrow(1, column, 1);
    means_.push_back(share.matmul(support.parts[p].to(torch::kCPU, torch::kFloat64)) /
                     count.clamp_min(1));
    const auto both = has_.narrow(1, column, 1) * has_.narrow(1, column, 1).t();
    const double pairs = both.sum().item<double>() - has_.select(1, column).sum().item<double>();
    const double sum = (squared_distances(means_[p], means_[p]) * both).sum().item<double>();
    if (pairs > 0 && sum > 0) squared_[column] = sum / pairs;
  }
}

Novelty::Novelty(const std::map<std::string, torch::Tensor>& state)
    : has_(entry(state, "novelty.has").to(torch::kFloat64)),
      squared_(entry(state, "novelty.squared").to(torch::kFloat64)) {
  for (std::int64_t p = 0; p < has_.size(1); ++p)
    means_.push_back(entry(state, "novelty.means." + std::to_string(p)).to(torch::kFloat64));
}

std::map<std::string, torch::Tensor> Novelty::state() const {
  std::map<std::string, torch::Tensor> state{{"novelty.has", has_.to(torch::kFloat32)},
                                             {"novelty.squared", squared_.to(torch::kFloat32)}};
  for (std::size_t p = 0; p < means_.size(); ++p)
    state["novelty.means." + std::to_string(p)] = means_[p].to(torch::kFloat32);
  return state;
}

std::vector<float> Novelty::distances(const Embedding& samples) const {
  const torch::NoGradGuard no_grad;
  CUTTLE_REQUIRE(samples.parts.size() == means_.size(),
                 "the adapted model's entry 'novelty.has' is of {} parts where the model has {}",
                 means_.size(), samples.parts.size());
  const auto mask = samples.mask.to(torch::kCPU, torch::kFloat64);
  auto sum = torch::zeros({mask.size(0), has_.size(0)}, torch::kFloat64);
  for (std::size_t p = 0; p < means_.size(); ++p) {
    const auto column = static_cast<std::int64_t>(p);
    const auto both = mask.narrow(1, column, 1) * has_.narrow(1, column, 1).t();
    const auto part = samples.parts[p].to(torch::kCPU, torch::kFloat64);
    sum += both * squared_distances(part, means_[p]) / squared_[column];
  }
  const auto shared = mask.matmul(has_.t());
  const double far = std::numeric_limits<double>::infinity();
  const auto nearest = torch::where(shared.gt(0), sum / shared, torch::full_like(sum, far));
  const auto distance =
      std::get<0>(nearest.nan_to_num(far).min(1)).sqrt().to(torch::kFloat32).contiguous();
  return {distance.data_ptr<float>(), distance.data_ptr<float>() + distance.numel()};
}

double Calibration::known(float distance) const {
  const auto farther =
      distances.end() - std::lower_bound(distances.begin(), distances.end(), distance);
  return static_cast<double>(1 + farther) / static_cast<double>(1 + distances.size());
}

Calibration calibrate(const TaskSource& source, const Learner& learner,
                      const ParameterList& parameters, const EvaluationPlan& plan,
                      const std::vector<std::int64_t>& shots,
                      const std::function<void(std::int64_t)>& progress) {
  const bool labels = learner.kind().labels();
  const std::int64_t way = plan.episode.way >= 3 ? plan.episode.way - 1 : plan.episode.way;
  const ParameterList there = parameters.on(learner.model().device());
  const auto counts = shots_of(shots, way, plan.episode.shot);
  Asked asked;
  for (std::int64_t e = 0; e < plan.episodes; ++e) {
    Task task = source.make(evaluation_key(plan, e));
    if (!plan.modalities.empty()) {
      task.support = keep_modalities(task.support, plan.modalities);
      task.query = keep_modalities(task.query, plan.modalities);
    }
    labels ? ask_labels(task, learner, there, asked) : ask(task, counts, learner, there, asked);
    if (progress) progress(e + 1);
  }
  CUTTLE_VALIDATE(!asked.logits.empty(), "no validation query has any of the model's senses");
  Calibration result;
  result.temperature =
      labels ? fit_temperature(torch::cat(asked.logits), torch::cat(asked.labels))
             : fit_temperature(torch::stack(asked.logits), torch::stack(asked.labels));
  std::sort(asked.known.begin(), asked.known.end());
  result.separation = asked.other.empty() ? std::numeric_limits<double>::quiet_NaN()
                                          : chance_above(asked.known, asked.other);
  result.distances = std::move(asked.known);
  result.way = way;
  result.shot = plan.episode.shot;
  result.episodes = plan.episodes;
  return result;
}

double fit_temperature(const torch::Tensor& logits, const torch::Tensor& labels) {
  const torch::NoGradGuard no_grad;
  const auto z = logits.to(torch::kFloat64);
  const auto right = z.argmax(1).eq(labels).sum().item<double>();
  const double wanted = (right + 1) / static_cast<double>(z.size(0) + 2);
  double low = std::log(1e-6), high = std::log(1e6);  // of 1/temperature; the mean grows with it
  constexpr int kHalvings = 60;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + high) / 2;
    const auto sure = std::get<0>(torch::softmax(z * std::exp(middle), 1).max(1));
    (sure.mean().item<double>() < wanted ? low : high) = middle;
  }
  return std::exp(-(low + high) / 2);
}

}  // namespace cuttle
