#include <torch/types.h>

#include "task/rows.hpp"
#include "task/sources/from_shards.hpp"

namespace cuttle {
namespace {

struct EpisodesOptions {
  std::string sampling_weights;
  void keys(Keys& keys) {
    keys.add("sampling_weights", sampling_weights, anything(),
             "in training, a CSV file by whose weights classes are drawn (cuttle map --toward "
             "writes such); empty: all alike",
             Resume::kChange);  // its content may not
  }
};

/// N-way K-shot, or samples of one class with their values.
class Episodes final : public PlannedEpisodes<EpisodePlanner> {
 public:
  using Options = EpisodesOptions;
  Episodes(const SourceRequest& request, const Options& options)
      : PlannedEpisodes(request, EpisodePlanner(*request.data, request.split, request.episode,
                                                weights_of(request, options))) {}

 private:
  static SamplingWeights weights_of(const SourceRequest& request, const Options& options) {
    const bool training = request.split == Split::kTrain && !request.evaluation;
    if (!training || options.sampling_weights.empty()) return {};
    return read_sampling_weights(options.sampling_weights);
  }
};

}  // namespace

SourceType row_of_episodes() {
  auto row =
      type_of<Episodes, SourceType>("episodes of the shards' classes", "Vinyals et al. 2016");
  row.files_fingerprint = [](const Section& section) {
    const auto path = options_of<EpisodesOptions>(section).sampling_weights;
    return path.empty() ? path : sampling_weights_sha256(path);
  };
  return row;
}

}  // namespace cuttle
