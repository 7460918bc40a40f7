#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cuttle/core/random.hpp"
#include "cuttle/data/dataset.hpp"
#include "cuttle/data/raw_batch.hpp"
#include "cuttle/task/options.hpp"

namespace cuttle {

/// Which samples an episode is made of. Labels are positions in `classes` (0 .. way-1).
struct EpisodePlan {
  RandomKey key;  ///< names the episode; the task's own randomness derives from it
  std::vector<std::int32_t> classes;                       ///< global class ids, in label order
  std::vector<std::int64_t> support, query;                ///< sample indices, class by class
  std::vector<std::int64_t> support_labels, query_labels;  ///< same lengths
  bool values = false;  ///< the samples' target values are what is learned (`target: value`)
};

/// How large an episode is.
struct EpisodeSize {
  std::int64_t way = 0, shot = 0;       ///< of uneven shots the largest
  std::int64_t support = 0, query = 0;  ///< samples
};

/// How likely classes are drawn, beside each other, by name; 0: never. Empty: all alike.
using SamplingWeights = std::map<std::string, double>;

/// Of a CSV file whose first line names its columns, "class" and "weight" among them. UserError
/// naming what of it is no weight of a class.
SamplingWeights read_sampling_weights(const std::string& path);

/// The bytes of such a file as a hash, which tells whether two are the same.
std::string sampling_weights_sha256(const std::string& path);

/// The weights of a split's classes, in their order. UserError unless the weights are of these
/// classes, all of them and no others, and one is above 0.
std::vector<double> weights_of_classes(const SamplingWeights& weights, const Dataset& data,
                                       Split split);

/// Plans episodes of one split: a pure function of (options, weights, data index, key). Classes are
/// drawn without replacement, all equally likely or by weights; so are, equally likely, with
/// "groups: free" the samples of a class. Samples that lack every modality in use are never drawn.
///
/// "groups: apart": one random order of the groups is drawn for the episode. Each class walks its
/// groups in that order and gives as many of them to its support as it has shots, each unless its
/// query would then run short; all others go to its query. So classes that have the same groups
/// have the same support groups, and support and query share no group in the whole episode. Support
/// and query take one sample of each of their groups, in the episode's order, before a second one
/// of any.
///
/// Classes with too few samples (or groups) for the protocol are left out at construction.
/// Immutable, usable from any thread; keeps no reference to the data set.
class EpisodePlanner {
 public:
  /// UserError when the options are impossible, the weights not of the split's classes, or when
  /// fewer than `way` of these can be used: says how many there are and why the others were left
  /// out.
  EpisodePlanner(const Dataset& data, Split split, const EpisodeOptions& options,
                 const SamplingWeights& weights = {});

  EpisodePlan plan(const RandomKey& key) const;
  /// What plan(key) will have, without planning it.
  EpisodeSize size(const RandomKey& key) const;
  std::int64_t usable_classes() const { return static_cast<std::int64_t>(pools_.size()); }
  /// Which of the split's classes no episode has, and why; empty: each can be drawn.
  const std::string& left_out() const { return left_out_; }

 private:
  /// The samples of a class that are in one group.
  struct GroupPool {
    std::int32_t group_id = 0;
    std::vector<std::int64_t> samples;
  };
  /// What an episode may draw of a class; with "groups: free" all samples are in one pool.
  struct ClassPool {
    std::int32_t class_id = -1;
    std::vector<GroupPool> groups;
  };
  using GroupRanks =
      std::vector<std::pair<std::int32_t, std::int64_t>>;  // group id, place in the episode's order

  ClassPool pool_of(const Dataset& data, std::int32_t class_id) const;
  bool enough(const ClassPool& pool, std::int64_t shot) const;
  GroupRanks rank_groups(const std::vector<std::int64_t>& chosen, Random& random) const;
  void draw_apart(const ClassPool& pool, const GroupRanks& ranks, std::int64_t shot, Random& random,
                  EpisodePlan& plan) const;

  EpisodeOptions options_;
  bool apart_ = false;
  std::vector<ClassPool> pools_;  // of the classes that can be used
  std::vector<double> weights_;   // theirs; empty: all alike
  std::string left_out_;
};

/// A task as data, read from shards.
struct Episode {
  RandomKey key;
  std::int64_t way = 0;
  std::vector<std::int32_t> classes;
  RawBatch support, query;
};

/// Reads all samples of a plan.
Episode materialise(const Dataset& data, const EpisodePlan& plan);

}  // namespace cuttle
