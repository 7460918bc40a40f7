#include "app/suggest/suggestion.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "app/suggest/protocol.hpp"
#include "app/suggest/senses.hpp"
#include "app/suggest/targets.hpp"
#include "cuttle/core/error.hpp"

namespace cuttle {
namespace {

constexpr std::uint64_t kFitsInMemory = std::uint64_t{2} << 30;

/// Keys of the learner and of the norm of its encoders, by what was best on validation classes.
struct LearnerChoice {
  std::string learner, why_learner, norm, why_norm;
};

LearnerChoice choose_learner(const std::vector<SenseFacts>& senses, bool values, bool estimates) {
  const std::string measured = " (measured: configs/README.md)";
  if (values && !estimates)
    return {"algorithm: neural_process", "answers from a support set at once, levels too",
            "norm: layer", "by the sample itself"};
  if (values)
    return {"algorithm: r2d2", "a ridge regression per task beats gradient steps" + measured,
            "norm: support", "by the task's own samples"};
  const ModalityKind kind = senses.front().spec.kind;
  const bool text = kind == ModalityKind::kText;
  if (senses.size() == 1 && (text || kind == ModalityKind::kAudio))
    return {"algorithm: r2d2",
            "a ridge regression per task, as good as prototypes here or better" + measured,
            text ? "norm: none" : "norm: layer", "the best with such data" + measured};
  return {"algorithm: protonet", "a mean per class: quick, any number of classes and examples",
          "norm: layer", "the best with prototypes" + measured};
}

/// As YAML takes any text.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

/// The senses that training can learn something of.
std::vector<SenseFacts> senses_of(const Dataset& data) {
  auto senses = sense_facts(data);
  senses.erase(std::remove_if(senses.begin(), senses.end(),
                              [](const SenseFacts& sense) { return sense.present == 0; }),
               senses.end());
  CUTTLE_VALIDATE(!senses.empty(),
                  "no training sample has any sense; look at the shards with "
                  "cuttle inspect");
  return senses;
}

void write_data(Page& page, const std::vector<std::string>& shards, std::uint64_t bytes,
                const Dataset& data, const std::vector<SenseFacts>& senses) {
  page.line(0, "data:");
  std::vector<std::string> names;
  for (const auto& shard : shards) names.push_back(quoted(shard));
  page.line(1, fmt::format("shards: [{}]", fmt::join(names, ", ")),
            fmt::format("{} samples", data.samples().size()));
  if (senses.size() < data.modalities().size()) {
    std::vector<std::string> used;
    for (const auto& sense : senses) used.push_back(sense.spec.name);
    page.line(1, fmt::format("modalities: [{}]", fmt::join(used, ", ")),
              "of the others no training sample has any");
  }
  const bool fits = bytes <= kFitsInMemory;
  page.line(1, fmt::format("in_memory: {}", fits),
            fmt::format("{} MB of files{}", bytes >> 20, fits ? "" : ", read as they are needed"));
}

/// `target`: where values are asked for.
void write_episode(Page& page, const Protocol& protocol, const TargetChoice& target) {
  const EpisodeOptions& episode = protocol.train;
  page.line(0, "episode:");
  if (episode.of_values) page.line(1, "target: " + target.type, target.reason);
  for (const auto& [key, reason] : target.keys) page.line(1, key, reason);
  page.line(1, fmt::format("way: {}", episode.way), protocol.why_way);
  page.line(1, fmt::format("shot: {}", episode.shot), protocol.why_shot);
  page.line(1, fmt::format("query: {}", episode.query), "of each class, to ask about");
  if (!protocol.why_groups.empty()) page.line(1, "groups: apart", protocol.why_groups);
  page.line(1, fmt::format("meta_batch_size: {}", episode.meta_batch_size),
            fmt::format("{} samples a step, over all ranks",
                        episode.meta_batch_size * episode.way * (episode.shot + episode.query)));
}

/// `values`: what is asked for, instead of classes.
void write_model(Page& page, const std::vector<SenseFacts>& senses, const LearnerChoice& learner,
                 bool values) {
  const bool several = senses.size() > 1;
  page.line(0, "model:");
  if (several) {
    const bool missing = std::any_of(senses.begin(), senses.end(), [](const SenseFacts& sense) {
      return sense.present < sense.samples;
    });
    page.line(1, values ? "fusion: concat" : "fusion: late",
              values ? "features side by side, with learned stand-ins for what is missing"
                     : "each sense answers for itself, so that any may be missing");
    page.line(1, fmt::format("modality_dropout: {}", missing ? "0.2" : "0.1"),
              missing ? "senses are missing in the data, and may be in use"
                      : "none is missing here; a little, in case one is in use");
  }
  std::vector<EncoderChoice> encoders;
  for (const auto& sense : senses) encoders.push_back(choose_encoder(sense, learner.norm));
  const bool norms = std::any_of(encoders.begin(), encoders.end(),
                                 [](const EncoderChoice& encoder) { return encoder.norm; });
  page.line(1, "encoders:", norms ? learner.norm + ", " + learner.why_norm : "");
  for (std::size_t i = 0; i < senses.size(); ++i)
    page.line(2, senses[i].spec.name + ": " + encoders[i].keys, encoders[i].reason);
}

void write_training(Page& page, const Protocol& protocol, const LearnerChoice& learner,
                    bool several) {
  const bool values = protocol.train.of_values;
  page.line(0, "adapt:");
  page.line(1, learner.learner, learner.why_learner);
  if (!values && several)
    page.line(1, "part_loss: 1.0",
              "every sense also learns to answer alone; 0.0 with another fusion than late");
  page.line(0, "step:");
  page.line(1, fmt::format("outer_lr: {}", values ? "1.0e-3" : "2.0e-3"),
            "as in configs/presets; a half where the loss jumps");
  page.line(1, "schedule: cosine", "down to nothing at the end of the minutes");
  page.line(0, "train:");
  page.line(1, "minutes: 10", "enough to see what is learned; more is better, or steps: N");
  page.line(1, fmt::format("validate_every: {}", protocol.validates ? 100 : 0),
            protocol.validates ? "steps; the best checkpoint is what eval and adapt take"
                               : protocol.why_not_validated);
  page.line(1, "checkpoint_every: 100", "steps that are lost at most where the power fails");
  if (!values) {
    page.line(0, "evaluation:");
    page.line(1, fmt::format("way: {}", protocol.evaluation_way), protocol.why_evaluation);
  }
  if (!protocol.why_not_tested.empty()) page.line(0, "# " + protocol.why_not_tested);
}

}  // namespace

std::string suggest_config(const std::vector<std::string>& shards, std::uint64_t bytes,
                           const Dataset& data) {
  const Protocol protocol = choose_protocol(data);
  const auto senses = senses_of(data);
  const bool values = protocol.train.of_values;
  const TargetChoice target = values ? choose_target(data) : TargetChoice{};
  const LearnerChoice learner = choose_learner(senses, values, target.estimates);
  Page page;
  page.line(0, "# Suggested by `cuttle suggest`; `cuttle dump-default` explains every key.");
  for (const auto& sense : senses) page.line(0, "# " + sense.line);
  page.line(0, "name: suggested");
  write_data(page, shards, bytes, data, senses);
  write_episode(page, protocol, target);
  write_model(page, senses, learner, values);
  write_training(page, protocol, learner, senses.size() > 1);
  return page.text();
}

}  // namespace cuttle
