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

/// The steps of a run's sense, as a config has them beside frozen_from; "" where it has none.
std::string fitted_of(const RunConfig& config, const std::string& sense) {
  const auto encoder = config.model.encoders.find(sense);
  if (encoder == config.model.encoders.end() || encoder->second.fitted.empty()) return "";
  return fmt::format(", fitted: [{}]", fmt::join(encoder->second.fitted, ", "));
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
  for (std::size_t i = 0; i < runs.size(); ++i)
    if (find_modality(runs[i].inputs.modalities, spec.name) != nullptr)
      all.push_back({fmt::format("{{frozen_from: {}{}}}", in_yaml(names[i]),
                                 fitted_of(runs[i].config, spec.name)),
                     &runs[i]});
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
  for (const auto& sense : senses)
    std::cout << fmt::format("    {}: {}\n", sense.spec.name, sense.ranked.front().candidate.said);
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
    std::multimap<std::string, Candidate> weights;
    bool centre_of_training = false;
    together(comm, "opening the data", [&] {
      prepare_process(usual, session.local_rank());
      const auto data = Dataset::open(usual.data);
      centre_of_training =
          static_cast<std::int64_t>(data->classes_of(Split::kTrain).size()) >= arguments.way;
      for (const auto& spec : data->modalities()) senses.push_back({spec, {}});
      weights = pretrained(arguments.weights);
      for (const auto& run : run_names)
        runs.push_back(load_run(run, true, {}, extensions, session.local_rank()));
    });
    warn_of_unused(senses, weights, runs, run_names);
    BySense best;
    for (auto& [spec, ranked] : senses) {
      std::vector<std::string> problems;
      for (auto& candidate : candidates_of(spec, weights, runs, run_names)) {
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
