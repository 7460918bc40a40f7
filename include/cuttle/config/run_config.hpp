#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuttle/adapt/options.hpp"
#include "cuttle/comm/options.hpp"
#include "cuttle/data/options.hpp"
#include "cuttle/episode/options.hpp"
#include "cuttle/model/options.hpp"
#include "cuttle/reduce/options.hpp"
#include "cuttle/step/options.hpp"
#include "cuttle/train/options.hpp"

namespace cuttle {

/// Everything that defines a run: one struct per stage, defaults in the structs, keys named as
/// the members. A new member needs its line in src/config/describe.cpp.
struct RunConfig {
  std::string name = "run";  ///< prefix of the run folder
  std::uint64_t seed = 1;
  int threads = 1;  ///< threads per rank inside an operation; part of what the bits depend on
  std::string device = "cpu";  ///< cpu | cuda: where tensors are computed; sums and updates: CPU
  DataOptions data;
  EpisodeOptions episode;
  ModelOptions model;
  AdaptOptions adapt;
  StepOptions step;
  ReduceOptions reduce;
  TrainOptions train;
  EvaluationOptions evaluation;
  CommOptions comm;
};

/// Reads YAML text strictly and applies `key.path=value` overrides. All problems are collected into
/// one UserError: file, line, key, what is wrong, nearest valid key. `origin` is the file name for
/// messages.
RunConfig parse_config(const std::string& yaml, const std::string& origin,
                       const std::vector<std::string>& overrides);
/// parse_config of a file's content (at most 1 MiB).
RunConfig load_config(const std::string& path, const std::vector<std::string>& overrides);

/// The resolved config as YAML that parse_config reads back to the same values; `documented`: with
/// a comment per key.
std::string dump_config(const RunConfig& config, bool documented = false);

/// A key whose value differs between a run and its resumption; values as dump_config writes them.
struct ConfigChange {
  std::string key, was, is;
  bool allowed = false;  ///< it cannot change bits: more steps, paths, deadlines, retention
  std::string reason;    ///< why it is refused and what to do instead; empty when allowed
};
/// Keys whose values differ, in file order.
std::vector<ConfigChange> compare_configs(const RunConfig& was, const RunConfig& is);

}  // namespace cuttle
