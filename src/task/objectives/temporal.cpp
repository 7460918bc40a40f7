#include <torch/types.h>

#include <limits>

#include <fmt/ranges.h>

#include "cuttle/core/error.hpp"
#include "task/objectives/common.hpp"
#include "task/rows.hpp"

namespace cuttle {
namespace {

struct TemporalOptions {
  std::string one, other;
  std::int64_t width = 64, stretches = 12;
  double smoothing = 0.1, temperature = 0.1;
  void keys(Keys& keys) {
    keys.add("one", one, anything(), "a sense with steps in time: video, audio, text or series");
    keys.add("other", other, anything(), "another one");
    keys.add("width", width, between(1, 65536), "columns that steps are projected to");
    keys.add("stretches", stretches, between(2, 256),
             "equal parts of a sample whose mean steps are compared; time goes with their square");
    keys.add("smoothing", smoothing, above(0), "of the least of three ways (0: the least itself)");
    keys.add("temperature", temperature, above(0), "costs of a step are divided by it");
  }
};

/// Soft-DTW (Cuturi & Blondel 2017, algorithm 1) of costs [n, S, S]: R(i, j) = cost(i, j) + the
/// soft minimum of R(i - 1, j), R(i, j - 1) and R(i - 1, j - 1); R(S, S) is returned: [n]. One
/// diagonal of all tables at a time, by row i.
torch::Tensor soft_dtw(const torch::Tensor& costs, double smoothing) {
  const double far_away = 1e4 * (1 + smoothing);  // no path goes there, and nothing becomes NaN
  const std::int64_t n = costs.size(0), size = costs.size(1);
  // Row i moved right by i: column k is then the diagonal i + j = k.
  const auto moved = torch::constant_pad_nd(costs, {0, size}, far_away)
                         .flatten(1)
                         .narrow(1, 0, size * (2 * size - 1));
  const auto by_diagonal = moved.view({n, size, 2 * size - 1});
  const auto far = torch::full({n, 1}, far_away, costs.options());
  const auto from_above = [&](const torch::Tensor& diagonal, const torch::Tensor& first) {
    return torch::cat({first, diagonal.narrow(1, 0, size - 1)}, 1);
  };
  torch::Tensor before = far.expand({n, size}), two_before = before;
  for (std::int64_t k = 0; k < 2 * size - 1; ++k) {
    const auto start = k == 0 ? torch::zeros_like(far) : far;
    const auto ways =
        torch::stack({before, from_above(before, far), from_above(two_before, start)});
    const auto least = -smoothing * torch::logsumexp(ways / -smoothing, 0);
    two_before = before;
    before = by_diagonal.select(2, k) + least;
  }
  return before.select(1, size - 1);
}

/// Steps of two senses of one sample go along with one another in time, more than those of two
/// samples do: soft-DTW of 1 - cosine between the senses' steps, over the length of the longest
/// path, is a sample's distance from each of the batch; InfoNCE over these, as `contrastive` (what
/// is only near would be near if all steps were alike). A sense that gives one token has one step.
class Temporal final : public Objective {
 public:
  using Options = TemporalOptions;
  Temporal(const ObjectiveRequest& request, const Options& options) : options_(options) {
    CUTTLE_VALIDATE(options.one != options.other,
                    "{}: one and other are both '{}'; name two senses with steps in time",
                    request.prefix, options.one);
    const auto& modalities = request.model.modalities();
    for (const auto& [key, name] :
         {std::pair("one", options.one), std::pair("other", options.other)}) {
      const ModalitySpec* spec = find_modality(modalities, name);
      CUTTLE_VALIDATE(spec != nullptr,
                      "{}.{}: there is no sense '{}' (two whose steps are compared have to be "
                      "named); there are {}",
                      request.prefix, key, name, fmt::join(names_of(modalities), ", "));
      const bool timed = spec->kind == ModalityKind::kText || spec->kind == ModalityKind::kAudio ||
                         spec->kind == ModalityKind::kSeries || spec->kind == ModalityKind::kVideo;
      CUTTLE_VALIDATE(timed,
                      "{}.{}: {} is {}, which has no steps in time (there is nothing to go along "
                      "with); name a sense of text, audio, series or video",
                      request.prefix, key, name, to_string(spec->kind));
      const auto m = static_cast<std::size_t>(spec - modalities.data());
      senses_.push_back(m);
      projections_.push_back(
          request.layout.add({request.prefix + "." + name + ".weight",
                              {options.width, request.model.encoder(m).token_width()},
                              Init::kFanIn,
                              ParameterRole::kObjective}));
    }
  }
  bool wants_tokens() const override { return true; }

  torch::Tensor loss(const Tensors& p, const Pass& pass, const Batch& batch,
                     const Context&) const override {
    const auto rows = rows_with(pass.senses, senses_[0], senses_[1]);
    const std::int64_t n = rows.numel(), s = options_.stretches;
    if (n < 2) return torch::zeros({}, pass.senses.present.options());
    const auto a = steps(p, pass, batch, 0, rows), b = steps(p, pass, batch, 1, rows);
    const auto cosines = a.flatten(0, 1).matmul(b.flatten(0, 1).t()).view({n, s, n, s});
    const auto costs = (1.0 - cosines).transpose(1, 2).reshape({n * n, s, s});
    const auto scores = soft_dtw(costs, options_.smoothing).view({n, n}) /
                        (-options_.temperature * static_cast<double>(2 * s - 1));
    const auto own = torch::arange(n, rows.options());
    return 0.5 *
           (torch::cross_entropy_loss(scores, own) + torch::cross_entropy_loss(scores.t(), own));
  }

 private:
  /// [n, stretches, width], each step of length 1.
  torch::Tensor steps(const Tensors& p, const Pass& pass, const Batch& batch, std::size_t which,
                      const torch::Tensor& rows) const {
    const std::size_t m = senses_[which];
    const Feature& feature = pass.features[m];
    // The features have rows for the samples that have the sense alone.
    const auto place =
        torch::full({batch.size}, -1, rows.options())
            .index_copy(0, batch.modalities[m].rows,
                        torch::arange(batch.modalities[m].rows.numel(), rows.options()))
            .index_select(0, rows);
    const auto tokens = feature.tokens.defined() ? feature.tokens : feature.pooled.unsqueeze(1);
    const auto mask = feature.mask.defined() ? feature.mask.index_select(0, place) : feature.mask;
    const auto seen = torch::linear(tokens.index_select(0, place), of(p, projections_[which]));
    const auto means = stretch_means(seen.transpose(1, 2), mask, options_.stretches);
    return unit_rows(means.transpose(1, 2).flatten(0, 1))
        .view({rows.numel(), options_.stretches, options_.width});
  }

  Options options_;
  std::vector<std::size_t> senses_;
  std::vector<std::int64_t> projections_;
};

}  // namespace

ObjectiveType row_of_temporal() {
  return type_of<Temporal, ObjectiveType>("steps of two senses go along with one another",
                                          "Cuturi & Blondel 2017, van den Oord et al. 2018");
}

}  // namespace cuttle
