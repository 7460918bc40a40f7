#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "cuttle/core/error.hpp"
#include "task/plan/draws.hpp"
#include "task/rows.hpp"
#include "task/sources/from_shards.hpp"

namespace cuttle {
namespace {

struct ClusteredOptions {
  std::int64_t clusters = 50, partitions = 10;
  void keys(Keys& keys) {
    keys.add("clusters", clusters, between(2, 100000), "that samples are put into");
    keys.add("partitions", partitions, between(1, 1000),
             "ways to do so, each by other weights of the features");
  }
};

constexpr std::int64_t kAtOnce = 256;  ///< samples that are read and prepared together
constexpr std::int64_t kPixels = 16;   ///< features of a picture: its means over so many rows
constexpr std::int64_t kSteps = 20;    ///< of k-means, if it has not settled before

/// Numbers [m, d] of one sense's samples: features of a frozen encoder; of a picture, its pixels;
/// of what has steps, mean and deviation over them (of texts: how often each byte is there; of
/// graphs: over the nodes).
torch::Tensor features_of(const ModalityInput& input, ModalityKind kind) {
  auto x = input.values;
  if (input.encoded || (x.dim() == 2 && x.is_floating_point())) return x;
  if (!x.is_floating_point()) {
    const auto counts = torch::zeros({x.size(0), 257});
    const auto real =
        input.mask.defined() ? input.mask.to(torch::kFloat32) : torch::ones({x.size(0), x.size(1)});
    return counts.scatter_add(1, x.to(torch::kInt64).clamp(0, 256), real) /
           real.sum(1, true).clamp_min(1);
  }
  if (x.dim() == 4)
    return torch::adaptive_avg_pool2d(x,
                                      {std::min(kPixels, x.size(2)), std::min(kPixels, x.size(3))})
        .flatten(1);
  x = x.flatten(1, -2);
  auto real =
      input.mask.defined() ? input.mask.unsqueeze(1) : torch::ones({x.size(0), 1, x.size(2)});
  if (kind == ModalityKind::kGraph) real = x.narrow(1, x.size(1) - 3, 1);  // see graph_input
  const auto count = real.sum(2).clamp_min(1);
  const auto mean = (x * real).sum(2) / count;
  const auto spread = ((x - mean.unsqueeze(2)).square() * real).sum(2) / count;
  return torch::cat({mean, spread.sqrt()}, 1);
}

/// The nearest of `centres` [k, d] for every row, and how far it is (squared).
std::pair<torch::Tensor, torch::Tensor> nearest(const torch::Tensor& x,
                                                const torch::Tensor& centres) {
  const auto distances =
      centres.square().sum(1) - 2 * x.matmul(centres.t()) + x.square().sum(1, true);
  const auto [least, which] = distances.min(1);
  return {which, least.clamp_min(0)};
}

/// k-means (Lloyd 1982) from the spread start of k-means++ (Arthur and Vassilvitskii 2007): the
/// cluster of each row of x [n, d].
torch::Tensor cluster(const torch::Tensor& x, std::int64_t k, Random& random) {
  const std::int64_t n = x.size(0);
  Tensors chosen{x[static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(n)))]};
  auto far = nearest(x, chosen[0].unsqueeze(0)).second;
  while (static_cast<std::int64_t>(chosen.size()) < k) {
    const auto until = far.to(torch::kFloat64).cumsum(0);
    const double left = random.uniform() * until[n - 1].item<double>();
    const auto place = torch::searchsorted(until, torch::full({1}, left, torch::kFloat64), false,
                                           /*right=*/true);
    chosen.push_back(x[std::min(place.item<std::int64_t>(), n - 1)]);
    far = torch::minimum(far, nearest(x, chosen.back().unsqueeze(0)).second);
  }
  auto centres = torch::stack(chosen);
  torch::Tensor of;
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const auto now = nearest(x, centres).first;
    if (of.defined() && now.equal(of)) break;
    of = now;
    const auto counts = torch::bincount(of, {}, k).unsqueeze(1);
    const auto sums = torch::zeros_like(centres).index_add(0, of, x);
    centres = torch::where(counts.gt(0), sums / counts.clamp_min(1), centres);
  }
  return of;
}

/// Classes made of what is alike, for learning without labels (CACTUs: Hsu, Levine, Finn 2019): the
/// samples of the split, whatever their class, are clustered by simple features of every sense, or
/// those of frozen encoders, in several partitions, each by other random weights of the features
/// (section 4.2); a task is of one partition's clusters. episode.groups is for the episodes that
/// evaluate.
class Clustered final : public TaskSource {
 public:
  using Options = ClusteredOptions;
  Clustered(const SourceRequest& request, const Options& options)
      : data_(*request.data),
        episode_(request.episode),
        model_(request.model),
        kept_(request.kept),
        dropout_(request.modality_dropout),
        augment_(request.augment) {
    check_episodes(data_, episode_);
    CUTTLE_VALIDATE(!episode_.of_values,
                    "episode.target: value does not go with the source clustered (its classes are "
                    "clusters of samples); use class, or another source");
    const auto samples = samples_to_draw(data_, request.split, episode_);
    CUTTLE_VALIDATE(static_cast<std::int64_t>(samples.size()) >= options.clusters,
                    "clusters: is {}, and split {} has {} samples; use fewer", options.clusters,
                    to_string(request.split), samples.size());
    const torch::NoGradGuard no_grad;
    const auto features = read_features(samples);
    for (std::int64_t p = 0; p < options.partitions; ++p)
      add_partition(features, samples, p, options);
    std::size_t kept = 0;
    for (const Partition& partition : partitions_) kept += partition.size();
    if (const auto all = static_cast<std::size_t>(options.partitions * options.clusters);
        kept < all)
      left_out_ = fmt::format(
          "{} of {} clusters can be used, of {} of {} partitions; the others have fewer than {} "
          "samples (episode.shot + episode.query), or too few beside them",
          kept, all, partitions_.size(), options.partitions, episode_.shot + episode_.query);
    CUTTLE_VALIDATE(!partitions_.empty(),
                    "clusters: no partition of split {} into {} has {} clusters of {} samples "
                    "(episode.way, episode.shot + episode.query); use fewer clusters, or smaller "
                    "episodes",
                    to_string(request.split), options.clusters, episode_.way,
                    episode_.shot + episode_.query);
  }

  EpisodeSize size(const RandomKey& key) const override { return size_of_episode(episode_, key); }
  std::string left_out() const override { return left_out_; }
  Task make(const RandomKey& key) const override {
    Random random(key);
    EpisodePlan plan;
    plan.key = key;
    const auto shots = draw_shots(episode_, random);
    const auto& partition = partitions_[random.below(partitions_.size())];
    const auto chosen = random.sample(static_cast<std::int64_t>(partition.size()),
                                      static_cast<std::int64_t>(shots.size()));
    for (std::size_t label = 0; label < shots.size(); ++label) {
      draw_support_and_query(partition[static_cast<std::size_t>(chosen[label])], shots[label],
                             episode_.query, random, plan);
      label_class(static_cast<std::int32_t>(label), plan);
    }
    Episode episode = materialise(data_, plan);
    episode.classes.clear();  // clusters are no classes of the data set
    augment_episode(episode, data_, augment_);
    return drop_senses(make_task(model_, episode, kept_), dropout_);
  }

 private:
  using Partition = std::vector<std::vector<std::int64_t>>;

  /// Standardised, each sense's columns weighing as much as another's; what is missing is at the
  /// mean. [n, d].
  torch::Tensor read_features(const std::vector<std::int64_t>& samples) const {
    const auto n = static_cast<std::int64_t>(samples.size());
    Tensors sums(model_.modalities().size()), present(model_.modalities().size());
    for (std::int64_t first = 0; first < n; first += kAtOnce) {
      const auto begin = samples.begin() + first;
      const std::vector<std::int64_t> some(begin, begin + std::min(kAtOnce, n - first));
      RawBatch raw = read_batch(data_, some);
      raw.labels.assign(some.size(), 0);
      const Batch batch = model_.prepare(raw, 1, kept_);
      for (std::size_t m = 0; m < sums.size(); ++m) {
        const ModalityInput& input = batch.modalities[m];
        if (!input.values.defined() || input.rows.numel() == 0) continue;
        const auto rows =
            features_of(input, model_.modalities()[m].kind).to(torch::kCPU, torch::kFloat32);
        if (!sums[m].defined()) {
          sums[m] = torch::zeros({n, rows.size(1)});
          present[m] = torch::zeros({n, 1});
        }
        const auto places = input.rows.to(torch::kCPU) + first;
        sums[m].index_copy_(0, places, rows);
        present[m].index_fill_(0, places, 1.0);
      }
    }
    Tensors columns;
    for (std::size_t m = 0; m < sums.size(); ++m) {
      if (!sums[m].defined()) continue;
      const auto count = present[m].sum();
      const auto mean = sums[m].sum(0, true) / count;
      const auto centred = (sums[m] - mean) * present[m];
      const auto deviation = (centred.square().sum(0, true) / count).sqrt();
      columns.push_back(centred / deviation.clamp_min(1e-6) /
                        std::sqrt(static_cast<double>(mean.size(1))));
    }
    return torch::cat(columns, 1);
  }

  /// By random weights of the columns, none in the first one; kept where tasks can be drawn.
  void add_partition(const torch::Tensor& features, const std::vector<std::int64_t>& samples,
                     std::int64_t number, const Options& options) {
    Random random({0, Stream::kModel, 0, static_cast<std::uint32_t>(number)});
    auto weights = torch::ones({features.size(1)});
    if (number > 0)
      for (std::int64_t c = 0; c < weights.size(0); ++c)
        weights[c] = static_cast<float>(random.uniform());
    const auto of = cluster(features * weights, options.clusters, random);
    const std::int64_t* which = of.data_ptr<std::int64_t>();
    Partition clusters(static_cast<std::size_t>(options.clusters));
    for (std::size_t i = 0; i < samples.size(); ++i)
      clusters[static_cast<std::size_t>(which[i])].push_back(samples[i]);
    const auto least = static_cast<std::size_t>(episode_.shot + episode_.query);
    clusters.erase(std::remove_if(clusters.begin(), clusters.end(),
                                  [&](const auto& members) { return members.size() < least; }),
                   clusters.end());
    if (static_cast<std::int64_t>(clusters.size()) >= episode_.way)
      partitions_.push_back(std::move(clusters));
  }

  const Dataset& data_;
  EpisodeOptions episode_;
  const Model& model_;
  SampleCache* kept_;
  double dropout_;
  AugmentOptions augment_;
  std::vector<Partition> partitions_;
  std::string left_out_;
};

}  // namespace

SourceType row_of_clustered() {
  return evaluated_on_episodes(type_of<Clustered, SourceType>(
      "training: classes are clusters of samples that are alike (no labels); validation and test: "
      "episodes",
      "CACTUs: Hsu, Levine, Finn 2019"));
}

}  // namespace cuttle
