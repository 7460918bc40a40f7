#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include <cmath>
#include <utility>

#include "adapt/descent.hpp"
#include "adapt/embed.hpp"
#include "adapt/layers.hpp"
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

/// The sum of `count` values with shares of further ones, cluster after cluster: first_i + sum over
/// k > 0 of share_k values_{k,i}. One operation, since element by element it would be dozens.
class SharedSum : public torch::autograd::Function<SharedSum> {
 public:
  static Tensors forward(torch::autograd::AutogradContext* ctx, const torch::Tensor& share,
                         at::TensorList values, std::int64_t count) {
    Tensors saved{share};
    saved.insert(saved.end(), values.begin(), values.end());
    ctx->save_for_backward(std::move(saved));
    ctx->saved_data["count"] = count;
    const auto size = static_cast<std::size_t>(count);
    const auto shares = numbers(share);
    Tensors sums;
    for (std::size_t i = 0; i < size; ++i) {
      auto sum = values[i].add(values[size + i], shares[1]);
      for (std::size_t k = 2; k < shares.size(); ++k) sum.add_(values[k * size + i], shares[k]);
      sums.push_back(std::move(sum));
    }
    return sums;
  }
  static Tensors backward(torch::autograd::AutogradContext* ctx, Tensors cotangents) {
    const auto saved = ctx->get_saved_variables();
    const auto size = static_cast<std::size_t>(ctx->saved_data["count"].toInt());
    const auto shares = numbers(saved[0]);
    auto of_share = torch::zeros_like(saved[0]);
    Tensors gradients{of_share};
    gradients.insert(gradients.end(), cotangents.begin(), cotangents.end());
    for (std::size_t k = 1; k < shares.size(); ++k) {
      const auto own = of_share[static_cast<std::int64_t>(k)];
      for (std::size_t i = 0; i < size; ++i) {
        own.add_(cotangents[i].flatten().dot(saved[1 + k * size + i].flatten()));
        gradients.push_back(cotangents[i] * shares[k]);
      }
    }
    gradients.emplace_back();  // of the count
    return gradients;
  }

 private:
  static std::vector<double> numbers(const torch::Tensor& share) {
    const auto wide = share.to(torch::kCPU, torch::kFloat64).contiguous();
    return {wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel()};
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
    const std::int64_t values = kind_->values() ? request.inputs.outputs : 0;
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
    Tensors theta = p, values;
    for (const auto& [first, other] : others_[0]) values.push_back(p[first]);
    for (const auto& cluster : others_)
      for (const auto& [first, other] : cluster) values.push_back(p[other]);
    const auto sums = SharedSum::apply(share, at::TensorList(values),
                                       static_cast<std::int64_t>(others_[0].size()));
    for (std::size_t i = 0; i < sums.size(); ++i) theta[others_[0][i].first] = sums[i];
    return theta;
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
