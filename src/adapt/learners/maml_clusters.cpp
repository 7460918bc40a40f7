#include <torch/types.h>

#include <cmath>
#include <utility>

#include "adapt/descent.hpp"
#include "adapt/embed.hpp"
#include "adapt/layers.hpp"
#include "adapt/learners/cluster_shares.hpp"
#include "adapt/rows.hpp"
#include "cuttle/adapt/task_embedding.hpp"

namespace cuttle {
namespace {

struct MamlClustersOptions : DescentOptions {
  std::int64_t clusters = 4, width = 32;
  void keys(Keys& keys) {
    keys.add("clusters", clusters, between(1, 256), "initialisations; 1: maml");
    keys.add("width", width, between(1, 4096),
             "numbers that a task is mapped to, where clusters have centres");
    DescentOptions::keys(keys);
  }
};

/// MAML from several initialisations, one for each cluster of tasks, softly assigned. A task is the
/// mean and spread of its support's embedding under the first initialisation (task_statistics), of
/// unit scale, mapped to `width` numbers z. With learned centres c_k
///   p_k = softmax_k(-sharpness |z - c_k|^2 / width),
/// as clusters are assigned in HSML (Yao, Wei, Huang, Li 2019, in the authors' code with a fixed
/// sharpness), and the inner loop starts from
///   theta_0 = sum_k p_k theta_k:
/// whole initialisations by cluster as in TSA-MAML (Zhou, Zou, Yuan, Feng, Xiong, Hoi 2021), which
/// assigns each task to one of them and finds these by k-means; here all are learned together, by
/// the gradient that goes on from theta_0. Stored are theta_1, which is the model, and what the
/// others add to it, so that with one cluster nothing is left but MAML.
class MamlClusters final : public DescentLearner {
 public:
  using Options = MamlClustersOptions;
  MamlClusters(const LearnerRequest& request, const Options& options)
      : MamlClusters(request, options, fast_set(request, options)) {}

  TaskResult meta_gradient(const ParameterList& parameters, const Task& task) const override {
    if (options_.clusters > 1 && model_->perceptron().size() > 1 && kind_->classes() && engine() &&
        engine()->takes(parameters.tensors(), task.support, &task.query))
      return with_type_of(parameters.flat(),
                          [&](auto type) { return by_rows<decltype(type)>(parameters, task); });
    return DescentLearner::meta_gradient(parameters, task);
  }

 private:
  MamlClusters(const LearnerRequest& request, const Options& options, const FastSet& fast)
      : DescentLearner(
            request, options,
            {make_sgd_update(options.inner_lr), fast, true, options.keep, {options.inner_lr}}),
        options_(options) {
    if (options.clusters == 1) return;
    auto& layout = request.layout;
    std::int64_t numbers = 0;
    const auto add = [&](const std::string& name, std::int64_t width) {
      blocks_.emplace_back(name, width);
      numbers += width;
    };
    const std::int64_t values = kind_->values() ? request.inputs.target_width : 0;
    if (values > 0) add("values", 2 * values);
    const auto widths = model_->fusion().part_widths();
    for (std::size_t part = 0; part < widths.size(); ++part) {
      add("part " + std::to_string(part), 2 * widths[part]);
      if (values > 0) add("values by part " + std::to_string(part), values * widths[part]);
    }
    map_ = own_array(layout, "map.weight", {options.width, numbers});
    centres_ = own_array(layout, "centres", {options.clusters, options.width}, Init::kNormal);
    sharpness_ = own_number(layout, "sharpness", std::log(kSharpness));
    for (const std::int64_t place : {map_, centres_, sharpness_}) layout.leave_to_training(place);
    for (std::int64_t k = 1; k < options.clusters; ++k) {
      std::vector<std::pair<std::size_t, std::size_t>> others;
      for (const std::int64_t i : fast) {
        ParameterSpec spec = layout.spec(i);
        spec.name = "learner.cluster." + std::to_string(k) + "." + spec.name;
        spec.init = Init::kZeros;
        spec.role = ParameterRole::kLearner;
        spec.training_only = true;  // an adapted model is the sum
        others.emplace_back(static_cast<std::size_t>(i),
                            static_cast<std::size_t>(layout.add(std::move(spec))));
      }
      others_.push_back(std::move(others));
    }
  }

  static constexpr double kSharpness = 4;  ///< at the start

  bool starts_by_task() const override { return options_.clusters > 1; }
  Tensors start_of(const Tensors& p, const Batch& support, const Context& context) const override {
    if (options_.clusters == 1) return p;
    const auto share = shares(p, support, context);
    Tensors theta = p;
    for (std::size_t k = 0; k < others_.size(); ++k) {
      const auto own = share[static_cast<std::int64_t>(k) + 1];
      for (const auto& [first, other] : others_[k]) theta[first] = theta[first] + own * p[other];
    }
    return theta;
  }
  /// The same without a graph, of classes and a perceptron.
  template <class T>
  TaskResult by_rows(const ParameterList& parameters, const Task& task) const {
    const ParameterLayout& layout = *model_->layout();
    const T* flat = parameters.flat().template data_ptr<T>();
    auto encoder = model_->perceptron();
    encoder.pop_back();
    const Samples<T> support(task.support, *kind_);
    const ClusterShares<T> clusters(encoder,
                                    {options_.clusters, options_.width, map_, centres_, sharpness_},
                                    support, layout, flat);
    const auto place_of = [&](std::size_t i) {
      return layout.offset(static_cast<std::int64_t>(i));
    };
    const auto each = [&](const auto& body) {
      for (std::size_t k = 0; k < others_.size(); ++k)
        for (const auto& [first, other] : others_[k])
          body(k + 1, first, other, layout.elements(static_cast<std::int64_t>(first)));
    };
    Tensors theta = parameters.tensors();
    for (const auto& [first, other] : others_[0]) theta[first] = theta[first].clone();
    each([&](std::size_t k, std::size_t first, std::size_t other, std::int64_t count) {
      add_scaled(count, clusters.shares()[k], flat + place_of(other),
                 theta[first].template data_ptr<T>());
    });
    auto result = engine()->meta_gradient(theta, task, options_.inner_steps);
    T* gradient = result.gradient.template data_ptr<T>();
    std::vector<T> of_shares(others_.size() + 1);
    each([&](std::size_t k, std::size_t first, std::size_t other, std::int64_t count) {
      const T* lambda = gradient + place_of(first);
      of_shares[k] += dot(count, lambda, flat + place_of(other));
      add_scaled(count, clusters.shares()[k], lambda, gradient + place_of(other));
    });
    clusters.back(std::move(of_shares), gradient);
    return result;
  }
  double cost(const EpisodeSize& size) const override {
    constexpr double kGradient = 3;  // in forward passes: of the start
    return DescentLearner::cost(size) +
           (starts_by_task() ? kGradient * static_cast<double>(size.support) : 0.0);
  }

  /// How much of a task is each cluster's, [clusters].
  torch::Tensor shares(const Tensors& p, const Batch& support, const Context& context) const {
    Statistics given;
    const auto point =
        task_statistics(embed_support(*model_, p, support, context, given, 0), {}, support);
    Tensors numbers;
    for (const auto& [name, width] : blocks_) {
      const auto found = point.find(name);
      numbers.push_back(found == point.end() ? torch::zeros({width}, p[0].options())
                                             : of_unit_scale(found->second));
    }
    const auto z = of_unit_scale(parameter_at(p, map_).mv(torch::cat(numbers)));
    const auto far = (z - parameter_at(p, centres_)).square().mean(1);
    return torch::softmax(-parameter_at(p, sharpness_).exp() * far, 0);
  }
  static torch::Tensor of_unit_scale(const torch::Tensor& x) {
    return x * (x.square().mean() + 1e-12).rsqrt();
  }

  Options options_;
  /// What a task is mapped from, as task_statistics names it, and how many numbers each has.
  std::vector<std::pair<std::string, std::int64_t>> blocks_;
  std::int64_t map_ = -1, centres_ = -1, sharpness_ = -1;
  /// By cluster after the first: what moves, and the place of what is added to it.
  std::vector<std::vector<std::pair<std::size_t, std::size_t>>> others_;
};

}  // namespace

LearnerType row_of_maml_clusters() {
  return learner_type<MamlClusters>(
      "maml from several initialisations, one for each cluster of tasks, softly assigned",
      "Yao et al. 2019; Zhou et al. 2021");
}

}  // namespace cuttle
