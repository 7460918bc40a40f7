#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cuttle/comm/options.hpp"
#include "cuttle/config/section.hpp"
#include "cuttle/data/options.hpp"
#include "cuttle/metrics/options.hpp"
#include "cuttle/model/options.hpp"
#include "cuttle/reduce/options.hpp"
#include "cuttle/sense/options.hpp"
#include "cuttle/step/options.hpp"
#include "cuttle/task/options.hpp"
#include "cuttle/train/options.hpp"

namespace cuttle {

/// Everything that defines a run: one struct per stage, defaults in the structs, keys named as
/// the members. A new member needs its line in src/config/describe.cpp. What is a choice among
/// types is a Section: each type describes its own keys.
struct RunConfig {
  std::string name = "run";  ///< prefix of the run folder
  std::uint64_t seed = 1;
  int threads = 1;  ///< threads per rank inside an operation; part of what the bits depend on
  std::string device = "cpu";  ///< cpu | cuda: where tensors are computed; sums and updates: CPU
  DataOptions data;
  EpisodeOptions episode;
  std::map<std::string, SourceOptions> sources;  ///< by a name of the user's choice; empty: the
                                                 ///< one of `episode`
  AugmentOptions augment;
  ModelOptions model;
  std::map<std::string, ObjectiveOptions> objectives;  ///< by a name of the user's choice
  Section adapt{"maml"};                               ///< the learner
  StepOptions step;
  ReduceOptions reduce;
  TrainOptions train;
  EvaluationOptions evaluation;
  std::map<std::string, SinkOptions> sinks = usual_sinks();  ///< by a name of the user's choice
  CommOptions comm;
};

/// Reads YAML text strictly and applies `key.path=value` overrides; `catalog`: the types that can
/// be named. What the text gives to a type that an override replaces goes with it. All problems are
/// collected into one UserError: file, line, key, what is wrong, nearest valid key. `origin` is the
/// file name for messages.
RunConfig parse_config(const std::string& yaml, const std::string& origin,
                       const std::vector<std::string>& overrides, const Catalog& catalog);
/// The same for a text that dump_config wrote, of an older version perhaps: keys that belong to
/// types that were not chosen had no effect and are passed by.
RunConfig parse_saved(const std::string& yaml, const std::string& origin,
                      const std::vector<std::string>& overrides, const Catalog& catalog);
/// parse_config or parse_saved of a file's content (at most 1 MiB).
RunConfig load_config(const std::string& path, const std::vector<std::string>& overrides,
                      const Catalog& catalog);
RunConfig load_saved(const std::string& path, const std::vector<std::string>& overrides,
                     const Catalog& catalog);

/// Whether a new run takes parameters of others: train.init_from, or frozen_from of an encoder.
bool starts_from_another(const RunConfig& config);

/// The resolved config as YAML that parse_config reads back to the same values; `documented`: with
/// a comment per key.
std::string dump_config(const RunConfig& config, const Catalog& catalog, bool documented = false);

/// A key whose value differs between a run and its resumption; values as dump_config writes them.
struct ConfigChange {
  std::string key, was, is;
  bool allowed = false;  ///< it cannot change bits: more steps, paths, deadlines, retention
  std::string reason;    ///< why it is refused and what to do instead; empty when allowed
};
/// What a resume of a run may change, in file order: keys, and sections as a whole.
std::vector<std::string> keys_that_may_change(const RunConfig& config, const Catalog& catalog);
/// Keys whose values differ, in file order.
std::vector<ConfigChange> compare_configs(const RunConfig& was, const RunConfig& is,
                                          const Catalog& catalog);

}  // namespace cuttle
