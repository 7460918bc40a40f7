#include <fmt/ranges.h>
#include <torch/types.h>

#include <algorithm>
#include <string>

#include "cuttle/core/error.hpp"
#include "model/fusions/senses.hpp"
#include "model/rows.hpp"

namespace cuttle {
namespace {

struct FilmOptions : EmbeddingKeys {
  std::string film_by;
  void keys(Keys& keys) {
    EmbeddingKeys::keys(keys);
    keys.add("film_by", film_by, anything(),
             "the sense that scales and shifts the others; empty: the first");
  }
};

/// One sense, c, conditions the others: h_m = W_m x_m + b_m becomes
///   g_m * h_m + s_m,  g_m = 1 + G_m x_c + d_m,  s_m = S_m x_c + e_m
/// (Perez et al. 2018, "FiLM: visual reasoning with a general conditioning layer", equation 2), and
/// stands beside h_c. Without c a sample's others are as they are (g = 1, s = 0); of another that
/// it lacks, s_m is left.
class FilmFusion final : public Fusion {
 public:
  using Options = FilmOptions;
  FilmFusion(const FusionRequest& request, const Options& options)
      : width_(options.embedding), project_(request, request.widths, width_) {
    const auto& names = request.modalities;
    const auto found = std::find(names.begin(), names.end(), options.film_by);
    CUTTLE_VALIDATE(found != names.end() || options.film_by.empty(),
                    "model.film_by: the model has no sense {} (it has {}); name one of these",
                    options.film_by, fmt::join(names, ", "));
    if (found != names.end()) by_ = static_cast<std::size_t>(found - names.begin());
    for (std::size_t m = 0; m < names.size(); ++m)
      if (m != by_)
        film_.emplace_back(request.layout, "fusion." + names[m] + ".film",
                           std::vector<std::int64_t>{2 * width_, request.widths[by_]});
  }

  Embedding forward(const Tensors& p, const Senses& senses, const Context&) const override {
    Tensors columns;
    auto film = film_.begin();
    for (std::size_t m = 0; m < senses.pooled.size(); ++m) {
      const auto h = project_.of(p, m, senses.pooled[m]) * has_sense(senses, m);
      if (m == by_) {
        columns.push_back(h);
        continue;
      }
      const auto by = affine(p, *film++, senses.pooled[by_]) * has_sense(senses, by_);
      columns.push_back((1.0 + by.narrow(1, 0, width_)) * h + by.narrow(1, width_, width_));
    }
    return one_part(torch::cat(columns, 1));
  }
  std::vector<std::int64_t> part_widths() const override {
    return {width_ * static_cast<std::int64_t>(film_.size() + 1)};
  }

 private:
  std::int64_t width_;
  SenseLayers project_;
  std::size_t by_ = 0;
  std::vector<Affine> film_;  ///< of the others, in their order
};

}  // namespace

FusionType row_of_film() {
  return type_of<FilmFusion, FusionType>("one sense scales and shifts the others",
                                         "Perez et al. 2018");
}

}  // namespace cuttle
