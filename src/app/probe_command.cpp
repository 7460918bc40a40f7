#include <fmt/ranges.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/commands.hpp"
#include "app/evaluation_data.hpp"
#include "app/intervals.hpp"
#include "app/probe/floor_of.hpp"
#include "app/shard_paths.hpp"
#include "cuttle/core/files.hpp"
#include "cuttle/core/log.hpp"
#include "cuttle/train/environment.hpp"

namespace cuttle {
namespace {

using nlohmann::ordered_json;

/// How a candidate did, or the best ones of all senses together.
struct Scored {
  Candidate candidate;
  Interval accuracy, lead;  ///< over the best candidate of the sense, paired
  std::vector<float> episodes;
};
struct ProbedSense {
  ModalitySpec spec;
  std::vector<Scored> ranked;  ///< the best first
};

RunConfig usual_config(const ProbeArguments& arguments) {
  RunConfig config;
  config.seed = arguments.seed;
  config.data.shards = with_shards_of_folders(arguments.shards);
  config.data.feature_bank = arguments.bank;
  config.data.in_memory = true;
  config.episode.way = arguments.way;
  config.episode.shot = arguments.shot;
  config.episode.query = arguments.query;
  config.episode.groups = arguments.groups_apart ? "apart" : "free";
  config.episode.complete = arguments.complete;
  config.evaluation.episodes = arguments.episodes;
  return config;
}

/// As YAML has it between braces.
std::string in_yaml(const std::string& path) {
  const bool plain = path.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "0123456789_./+-") == path.npos;
  return plain ? path : nlohmann::json(path).dump();
}

/// Files of weights by the kind of sense that they are for.
std::multimap<std::string, Candidate> pretrained(const std::vector<std::string>& patterns) {
  std::multimap<std::string, Candidate> all;
  for (const auto& pattern : patterns) {
    const auto paths = expand_paths(pattern);
    CUTTLE_VALIDATE(!paths.empty(),
                    "--weights: there is no {} (a file that cuttle-data weights wrote, or a "
                    "pattern); name one",
                    pattern);
    for (const auto& path : paths) {
      const WeightsKind kind = weights_kind(path);
      all.emplace(kind.sense,
                  Candidate{fmt::format("{{type: {}, weights: {}}}", kind.encoder, in_yaml(path))});
    }
  }
  return all;
}

/// Keys as a config has them between braces; those of nested sections ("SECTION.KEY") in braces of
/// their own.
std::string in_braces(const std::map<std::string, std::string>& keys) {
  std::vector<std::string> parts;
  for (auto it = keys.begin(); it != keys.end();) {
    const std::size_t dot = it->first.find('.');
    if (dot == it->first.npos) {
      parts.push_back(it->first + ": " + it->second);
      ++it;
      continue;
    }
    const std::string section = it->first.substr(0, dot);
    std::map<std::string, std::string> inside;
    for (; it != keys.end() && it->first.compare(0, dot + 1, section + ".") == 0; ++it)
      inside[it->first.substr(dot + 1)] = it->second;
    parts.push_back(section + ": " + in_braces(inside));
  }
  return fmt::format("{{{}}}", fmt::join(parts, ", "));
}

/// A run's encoder of the sense: what it is called, and all that a config needs to have it.
Candidate encoder_of(const LoadedRun& run, const std::string& name, const std::string& sense) {
  Candidate candidate{fmt::format("{{frozen_from: {}}}", in_yaml(name)), &run};
  const auto trained = run.config.model.encoders.find(sense);
  if (trained == run.config.model.encoders.end()) return candidate;
  auto keys = trained->second.network.values;
  keys["type"] = trained->second.network.type;
  keys["frozen_from"] = in_yaml(name);
  if (!trained->second.fitted.empty())
    keys["fitted"] = fmt::format("[{}]", fmt::join(trained->second.fitted, ", "));
  candidate.config = in_braces(keys);
  return candidate;
}

/// Run folders, or checkpoints, that these patterns name.
std::vector<std::string> runs_of(const std::vector<std::string>& patterns) {
  std::vector<std::string> runs;
  for (const auto& pattern : patterns) {
    const auto paths = expand_paths(pattern);
    CUTTLE_VALIDATE(!paths.empty(),
                    "--run: there is no {} (a run folder or a checkpoint, or a pattern); name one",
                    pattern);
    runs.insert(runs.end(), paths.begin(), paths.end());
  }
  return runs;
}

/// A shell that is not told otherwise makes several words of a pattern, and the first of them alone
/// belongs to --weights.
void check_shards(const std::vector<std::string>& paths) {
  for (const auto& path : paths)
    CUTTLE_VALIDATE(
        std::filesystem::path(path).extension() != ".safetensors",
        "{}: is taken for a shard (--weights takes one word, and the shell made several "
        "of a pattern); put the pattern in quotes, or write --weights before each file",
        path);
  for (const auto& path : paths)
    CUTTLE_VALIDATE(
        !std::filesystem::is_directory(std::filesystem::path(path) / "checkpoints"),
        "{}: is taken for shards, and is a run (--run takes one word, and the shell may have made "
        "several of a pattern); put the pattern in quotes, or write --run before each run",
        path);
}

/// Those that cannot be read are told and left out.
void load_runs(const std::vector<std::string>& names, const Extensions& extensions, int local_rank,
               std::vector<LoadedRun>& runs, std::vector<std::string>& loaded) {
  for (const auto& name : names) {
    try {
      runs.push_back(load_run(name, true, {}, extensions, local_rank));
      loaded.push_back(name);
    } catch (const UserError& problem) {
      log_warning("{}: not probed: {}", name, problem.what());
    }
  }
}

/// Of the encoders that may look at it: those of pictures see the frames of a video.
const char* kind_of_weights(const ModalitySpec& spec) {
  return to_string(spec.kind == ModalityKind::kVideo ? ModalityKind::kImage : spec.kind);
}

std::vector<Candidate> candidates_of(const ModalitySpec& spec,
                                     const std::multimap<std::string, Candidate>& weights,
                                     const std::vector<LoadedRun>& runs,
                                     const std::vector<std::string>& names) {
  const bool number = spec.kind == ModalityKind::kVector || spec.kind == ModalityKind::kSeries;
  const bool filled = spec.holes && spec.categories.empty();
  std::vector<Candidate> all{{filled ? "{type: raw, fitted: [impute]}" : "{type: raw}"}};
  // Columns of unlike units: the largest alone would decide.
  if (number && spec.categories.empty())
    all.push_back({filled ? "{type: raw, fitted: [impute, standardise]}"
                          : "{type: raw, fitted: [standardise]}"});
  const bool video = spec.kind == ModalityKind::kVideo;
  const auto [first, last] = weights.equal_range(kind_of_weights(spec));
  for (auto it = first; it != last; ++it)
    all.push_back(
        video ? Candidate{fmt::format("{{type: frames, frame: {}, over_time: {{type: average}}}}",
                                      it->second.said)}
              : it->second);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const ModalitySpec* found = find_modality(runs[i].inputs.modalities, spec.name);
    if (found == nullptr) continue;
    const ModalitySpec trained = found->recorded();
    if (trained.kind == spec.kind && trained.shape == spec.shape &&
        trained.sample_rate == spec.sample_rate)
      all.push_back(encoder_of(runs[i], names[i], spec.name));
    else
      log_warning(
          "{}: not probed, its {} have another kind, shape or sample rate than these data's",
          names[i], spec.name);
  }
  return all;
}

void warn_of_unused(const std::vector<ProbedSense>& senses,
                    const std::multimap<std::string, Candidate>& weights,
                    const std::vector<LoadedRun>& runs, const std::vector<std::string>& names) {
  const auto any = [&](const auto& holds) {
    return std::any_of(senses.begin(), senses.end(), [&](const auto& s) { return holds(s.spec); });
  };
  for (const auto& [kind, candidate] : weights)
    if (!any([&, kind = kind](const auto& spec) { return kind_of_weights(spec) == kind; }))
      log_warning("{}: not probed, the data have no sense of the kind {}", candidate.said, kind);
  for (std::size_t i = 0; i < runs.size(); ++i)
    if (!any([&](const auto& spec) {
          return find_modality(runs[i].inputs.modalities, spec.name) != nullptr;
        }))
      log_warning("{}: not probed, the data have none of its senses", names[i]);
}

/// Of all episodes, here minus there. Collective.
Interval lead_of(Communicator& comm, const std::vector<float>& here,
                 const std::vector<float>& there) {
  std::vector<std::vector<float>> rows;
  if (comm.rank() == 0)
    for (std::size_t i = 0; i < here.size(); ++i) rows.push_back({here[i] - there[i]});
  return mean_intervals(comm, "leads", rows, 1)[0];
}

ordered_json to_json(const Scored& scored) {
  return {{"encoder", scored.candidate.said},
          {"accuracy", to_json(scored.accuracy)},
          {"minus_best", to_json(scored.lead)}};
}

void print_text(const ProbeArguments& arguments, Split split, bool centre_of_training,
                const std::vector<ProbedSense>& senses, const std::optional<Interval>& of_all) {
  std::cout << fmt::format(
      "{} of {}; {}-way {}-shot, {} queries per class\n"
      "nearest class mean by cosine, less the mean of {}; nothing learned; %, 95 % intervals\n",
      say_episodes(arguments.episodes, split), fmt::join(arguments.shards, ", "), arguments.way,
      arguments.shot, arguments.query, centre_of_training ? "training samples" : "the support set");
  for (const auto& sense : senses) {
    std::cout << fmt::format("\n{} ({})\n       accuracy   minus the best, paired\n",
                             sense.spec.name, to_string(sense.spec.kind));
    for (const auto& scored : sense.ranked)
      std::cout << fmt::format("{}   {:>16}   {}\n", percent(scored.accuracy, false),
                               &scored == &sense.ranked.front() ? "" : percent(scored.lead, true),
                               scored.candidate.said);
  }
  if (of_all)
    std::cout << fmt::format("\nall senses, each with its best encoder\n{}\n",
                             percent(*of_all, false));
  std::cout << "\nin a config:\nmodel:\n  encoders:\n";
  for (const auto& sense : senses) {
    const Candidate& best = sense.ranked.front().candidate;
    std::cout << fmt::format("    {}: {}\n", sense.spec.name,
                             best.config.empty() ? best.said : best.config);
  }
}

}  // namespace

ExitCode probe_command(const ProbeArguments& arguments, MpiSession& session,
                       const Extensions& extensions) {
  check_shards(arguments.shards);
  const RunConfig usual = usual_config(arguments);
  const std::vector<std::string> run_names = runs_of(arguments.runs);
  return with_communicator(session, CommOptions{}, [&](Communicator& comm) {
    const Split split = split_from(arguments.split);
    std::vector<ProbedSense> senses;
    std::vector<LoadedRun> runs;
    std::vector<std::string> loaded;  // their names
    std::multimap<std::string, Candidate> weights;
    bool centre_of_training = false;
    together(comm, "opening the data", [&] {
      prepare_process(usual, session.local_rank());
      const auto data = Dataset::open(usual.data);
      centre_of_training =
          static_cast<std::int64_t>(data->classes_of(Split::kTrain).size()) >= arguments.way;
      for (const auto& spec : data->modalities()) senses.push_back({spec, {}});
      weights = pretrained(arguments.weights);
      load_runs(run_names, extensions, session.local_rank(), runs, loaded);
    });
    warn_of_unused(senses, weights, runs, loaded);
    BySense best;
    for (auto& [spec, ranked] : senses) {
      std::vector<std::string> problems;
      for (auto& candidate : candidates_of(spec, weights, runs, loaded)) {
        try {
          const BySense alone{{spec.name, candidate}};
          auto report = floor_of(comm, floor_config(usual, alone, centre_of_training, extensions),
                                 alone, split, extensions);
          ranked.push_back(
              {std::move(candidate), report.score, {}, std::move(report.episode_scores)});
        } catch (const UserError& problem) {
          problems.push_back(fmt::format("{}: {}", candidate.said, problem.what()));
        }
      }
      for (const auto& problem : problems) log_warning("{}: left out: {}", spec.name, problem);
      if (ranked.empty()) continue;
      std::stable_sort(ranked.begin(), ranked.end(), [](const Scored& a, const Scored& b) {
        return a.accuracy.mean > b.accuracy.mean;
      });
      for (auto& scored : ranked)
        scored.lead = lead_of(comm, scored.episodes, ranked.front().episodes);
      best[spec.name] = ranked.front().candidate;
    }
    senses.erase(std::remove_if(senses.begin(), senses.end(),
                                [](const ProbedSense& sense) { return sense.ranked.empty(); }),
                 senses.end());
    CUTTLE_VALIDATE(
        !senses.empty(),
        "no encoder fits any sense (nothing is left to compare); see the warnings above");
    std::optional<Interval> of_all;
    if (senses.size() > 1)
      of_all = floor_of(comm, floor_config(usual, best, centre_of_training, extensions), best,
                        split, extensions)
                   .score;
    if (comm.rank() != 0) return ExitCode::kDone;
    if (!arguments.json) {
      print_text(arguments, split, centre_of_training, senses, of_all);
      return ExitCode::kDone;
    }
    ordered_json told{
        {"split", to_string(split)},      {"shards", usual.data.shards},
        {"episodes", arguments.episodes}, {"way", arguments.way},
        {"shot", arguments.shot},         {"query", arguments.query},
        {"seed", arguments.seed},         {"centre", centre_of_training ? "training" : "support"}};
    for (const auto& sense : senses)
      for (const auto& scored : sense.ranked)
        told["senses"][sense.spec.name].push_back(to_json(scored));
    if (of_all) told["together"] = to_json(*of_all);
    std::cout << told.dump(2) << std::endl;
    return ExitCode::kDone;
  });
}

}  // namespace cuttle
