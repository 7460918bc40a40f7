#include "app/suggest/protocol.hpp"

#include <algorithm>

#include "cuttle/core/error.hpp"
#include "cuttle/task/episode.hpp"

namespace cuttle {
namespace {

constexpr std::int64_t kUsualWay = 5, kMostWay = 20;  // of evaluation, and of training at most
constexpr std::int64_t kSamplesOfAStep = 480;         // as in the quickstart

/// How many samples each class of a split has, ascending.
std::vector<std::int64_t> sizes_of(const Dataset& data, Split split) {
  std::vector<std::int64_t> sizes;
  for (const auto id : data.classes_of(split))
    sizes.push_back(static_cast<std::int64_t>(data.samples_of(id).size()));
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

/// What four of five have, at least; 0 for none.
std::int64_t common_size(const std::vector<std::int64_t>& sizes) {
  return sizes.empty() ? 0 : sizes[sizes.size() / 5];
}

std::int64_t with_at_least(const std::vector<std::int64_t>& sizes, std::int64_t samples) {
  return sizes.end() - std::lower_bound(sizes.begin(), sizes.end(), samples);
}

void check_train(const Dataset& data, const std::vector<std::int64_t>& train, bool values) {
  const auto& samples = data.samples();
  const bool labelled = std::any_of(samples.begin(), samples.end(),
                                    [](const SampleInfo& sample) { return sample.class_id >= 0; });
  CUTTLE_VALIDATE(
      labelled,
      "no sample has a class (tasks are made of classes); give them one in the table or "
      "by folders, or learn without labels: episode.source: augmented");
  CUTTLE_VALIDATE(!train.empty(),
                  "no class is in the split train (validation has {}, test {}; nothing is left to "
                  "learn from); convert the data again with --splits, say 0.64,0.16,0.2",
                  data.classes_of(Split::kValidation).size(), data.classes_of(Split::kTest).size());
  CUTTLE_VALIDATE(values || train.size() >= 2,
                  "one class alone is in the split train (there is nothing to tell apart); convert "
                  "the data again with another --splits, or with more classes");
  const std::int64_t needed = values ? 1 : 2;
  CUTTLE_VALIDATE(with_at_least(train, 2) >= needed,
                  "{} of {} training {} two samples or more, and {} needed (one to learn from, one "
                  "to ask about); gather more samples of a class{}",
                  with_at_least(train, 2), train.size(),
                  train.size() == 1 ? "class has" : "classes have",
                  values ? "one such class is" : "two such classes are",
                  values ? "" : ", or learn without labels: episode.source: augmented");
}

/// Samples per class that nearly all classes have, or as many as can be. `held_out`: the splits
/// that are not trained on.
std::int64_t samples_per_class(const std::vector<std::int64_t>& train,
                               const std::vector<std::vector<std::int64_t>>& held_out,
                               std::int64_t needed) {
  std::int64_t samples = common_size(train);
  for (const auto& sizes : held_out)
    if (static_cast<std::int64_t>(sizes.size()) >= needed)
      samples = std::min(samples, common_size(sizes));
  samples = std::max<std::int64_t>(2, samples);
  while (samples > 2 && with_at_least(train, samples) < needed) --samples;
  return samples;
}

/// Why a split whose classes have `sizes` samples cannot give episodes of `needed` classes with
/// `both` samples each; `use`: what it is for.
std::string why_none(const std::vector<std::int64_t>& sizes, std::int64_t both, std::int64_t needed,
                     const char* use) {
  const std::int64_t enough = with_at_least(sizes, both);
  if (sizes.empty()) return fmt::format("no class is for {}", use);
  if (enough == static_cast<std::int64_t>(sizes.size()))
    return fmt::format("{} {} for {}, and a task needs {}", counted(enough, "class", "classes"),
                       enough == 1 ? "is" : "are", use, needed);
  return fmt::format("{} of {} for {} {} {} samples, too few", enough,
                     counted(static_cast<std::int64_t>(sizes.size()), "class", "classes"), use,
                     enough == 1 ? "has" : "have", both);
}

bool can_plan(const Dataset& data, Split split, const EpisodeOptions& episode) {
  try {
    return EpisodePlanner(data, split, episode).left_out().empty();
  } catch (const UserError&) {
    return false;
  }
}

/// Support and query from different groups, where each class has the groups for that.
void choose_groups(const Dataset& data, Protocol& protocol) {
  if (data.group_names().size() < 2) return;
  EpisodeOptions apart = protocol.train, fewer = protocol.train;
  apart.groups = fewer.groups = "apart";
  if (protocol.evaluation_way > 0) fewer.way = protocol.evaluation_way;
  if (!can_plan(data, Split::kTrain, apart) ||
      (protocol.validates && !can_plan(data, Split::kValidation, fewer)) ||
      (!data.classes_of(Split::kTest).empty() && !can_plan(data, Split::kTest, fewer)))
    return;
  protocol.train = apart;
  protocol.why_groups = fmt::format(
      "the samples are of {} groups, such as {}: one is in support or query, never in both",
      data.group_names().size(), data.group_names().front());
}

void choose_way(Protocol& protocol, std::int64_t train, std::int64_t validation,
                std::int64_t test) {
  std::int64_t way = std::min(train, std::clamp(train / 2, kUsualWay, kMostWay));
  std::int64_t later = std::min(way, kUsualWay);
  for (const auto classes : {validation, test})
    if (classes >= 2) later = std::min(later, classes);
  protocol.train.way = way;
  protocol.evaluation_way = later;
  protocol.validates = validation >= 2;
  protocol.why_way =
      fmt::format("of {} training classes; a larger way than is asked later teaches more{}", train,
                  train == way ? "; every task has the same classes: gather more" : "");
  protocol.why_evaluation =
      fmt::format("{} for validation, {} for testing", counted(validation, "class", "classes"),
                  counted(test, "class", "classes"));
}

}  // namespace

Protocol choose_protocol(const Dataset& data) {
  const bool values = data.target_width() > 0;
  const auto train = sizes_of(data, Split::kTrain), test = sizes_of(data, Split::kTest),
             validation = sizes_of(data, Split::kValidation);
  check_train(data, train, values);
  const std::int64_t needed = values ? 1 : 2;
  const std::int64_t samples = samples_per_class(train, {validation, test}, needed);
  Protocol protocol;
  EpisodeOptions& episode = protocol.train;
  if (values)
    episode.shot = std::min<std::int64_t>(10, samples / 2);
  else
    episode.shot = samples >= 10 ? 5 : 1;
  episode.query = std::min<std::int64_t>(values ? 10 : 5, samples - episode.shot);
  const std::int64_t both = episode.shot + episode.query;
  protocol.why_shot = fmt::format(
      "{} samples in all of a class, of the {} or more that most classes have", both, samples);
  if (values) {
    episode.target.type = "value";
    episode.of_values = true;
    episode.way = 1;
    protocol.validates = with_at_least(validation, both) > 0;
  } else {
    choose_way(protocol, with_at_least(train, both), with_at_least(validation, both),
               with_at_least(test, both));
  }
  choose_groups(data, protocol);
  episode.meta_batch_size =
      std::clamp<std::int64_t>(kSamplesOfAStep / (episode.way * both), 4, values ? 25 : 16);
  if (const auto few = static_cast<std::int64_t>(train.size()) - with_at_least(train, both);
      few > 0)
    protocol.why_way += fmt::format(
        "{}{} of {} training classes have fewer than {} samples and "
        "are left out",
        protocol.why_way.empty() ? "" : "; ", few, train.size(), both);
  if (!protocol.validates)
    protocol.why_not_validated = why_none(validation, both, needed, "validation") +
                                 "; convert again with --splits for a best checkpoint";
  if (with_at_least(test, both) < needed)
    protocol.why_not_tested =
        fmt::format("{}: eval RUN --split {}, or --shards of other data",
                    why_none(test, both, needed, "testing"),
                    protocol.validates ? "validation" : "all (it was trained on these)");
  return protocol;
}

}  // namespace cuttle
