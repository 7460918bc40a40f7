// Every key of a configuration, one line each: name, member, allowed values, help, and whether a
// resumed run may change it. Nothing else in cuttle lists keys; cross_check.cpp has what several
// keys must satisfy together.
#include "config/config_schema.hpp"

namespace cuttle {

void describe(ConfigSchema& keys, RunConfig& c) {
  keys.add("name", c.name, run_name(), "prefix of the run folder", Resume::kChange);
  keys.add("seed", c.seed, anything(), "every random number of the run is a function of it");
  keys.add("threads", c.threads, between(1, 1024),
           "per rank, inside an operation; has a part in the bits");
  keys.add("device", c.device, one_of({"cpu", "cuda"}),
           "where tasks are computed; cuda: one GPU per rank of a host; has a part in the bits");
  keys.add_section("data", c.data, "what is read");
  keys.add_section("episode", c.episode, "which tasks are drawn");
  keys.add_entries("sources", c.sources, "drawings",
                   "several sources at once, by a name of your choice; empty: episode.source");
  keys.add_section("augment", c.augment, "other versions of training samples, drawn in every task");
  keys.add_section("model", c.model, "what is trained");
  keys.add_entries("objectives", c.objectives, "align",
                   "losses beside the task's own, by a name of your choice");
  keys.add_section("adapt", c.adapt, "how it adapts to a task");
  keys.add_section("step", c.step, "how the meta-gradient changes the parameters");
  keys.add_section("reduce", c.reduce, "how the tasks' gradients are summed");
  keys.add_section("train", c.train, "how long, and what is kept");
  keys.add_section("evaluation", c.evaluation, "the fixed, seeded list of test episodes");
  keys.add_entries("sinks", c.sinks, "board",
                   "where the numbers go, by a name of your choice; records: what inspect and "
                   "--resume read",
                   Resume::kChange);
  keys.add_section("comm", c.comm, "how the ranks talk");
}

void describe(ConfigSchema& keys, DataOptions& o) {
  keys.add("shards", o.shards, anything(),
           "files or patterns, e.g. [.data/emoji/*.h5]; ~ and $VARIABLES are expanded",
           Resume::kChange);
  keys.add("validation_shards", o.validation_shards, anything(),
           "other shards, whose validation classes are used; []: those of shards", Resume::kChange);
  keys.add("test_shards", o.test_shards, anything(),
           "other shards, whose test classes are used; []: those of shards", Resume::kChange);
  keys.add("modalities", o.modalities, plain_word(),
           "the ones to use, in this order; []: all in the shards");
  keys.add("missing", o.missing, anything(),
           "senses that shall be missing, and of what share, e.g. [text=0.35, image=0.35]: of each "
           "sample one at most, and never its last; []: as the shards have them");
  keys.add("missing_by", o.missing_by, one_of({"sample", "class", "task"}),
           "what is drawn: samples, whole classes, or whole tasks, support and query alike");
  keys.add("missing_splits", o.missing_splits, one_of({"all", "train", "validation", "test"}),
           "whose samples lack them");
  keys.add("missing_seed", o.missing_seed, at_least(0), "of these draws");
  keys.add("fold", o.fold, anything(),
           "e.g. 2/5: training and validation classes together are dealt into 5 folds, and the "
           "second validates; \"\": the shards' own splits (train --folds trains all)");
  keys.add("fold_seed", o.fold_seed, at_least(0), "of how they are dealt");
  keys.add("in_memory", o.in_memory, anything(), "hold the samples in memory", Resume::kChange);
  keys.add("feature_bank", o.feature_bank, anything(),
           "folder that keeps features of encoders with weights of others, for all runs; auto: "
           "CUTTLE_FEATURES, or the user's cache folder; none: they are computed in every run",
           Resume::kChange);
  keys.add("prefetch", o.prefetch, between(0, 4096), "micro-batches read ahead; 0: none",
           Resume::kChange);
}

void describe(ConfigSchema& keys, EpisodeOptions& o) {
  keys.choose("source", o.source, "source", "where tasks come from");
  keys.choose("target", o.target, "target", "what is learned");
  keys.add("way", o.way, at_least(1), "classes in an episode; 1 with target: value");
  keys.add("shot", o.shot, at_least(1), "support samples per class");
  keys.add("query", o.query, at_least(1), "query samples per class");
  keys.add("way_min", o.way_min, at_least(0),
           "variable way: uniform in [way_min, way]; 0: always way");
  keys.add("shot_min", o.shot_min, at_least(0),
           "variable shot: uniform in [shot_min, shot]; 0: always shot");
  keys.add("uneven", o.uneven, anything(),
           "with shot_min, in training: each class of an episode has a shot of its own");
  keys.add("groups", o.groups, one_of({"free", "apart"}),
           "apart: a group of a class is in its support or in its query, never in both");
  keys.add("complete", o.complete, anything(),
           "only samples that have every modality of the shards, also those not in use");
  keys.add("meta_batch_size", o.meta_batch_size, at_least(1),
           "tasks in an outer step, over all ranks");
  keys.add("micro_batch", o.micro_batch, at_least(1),
           "tasks that are scheduled and read together; on a GPU they are computed side by side");
}

void describe(ConfigSchema& keys, SourceOptions& o) {
  keys.choose("type", o.source, "source", "where its tasks come from");
  keys.add("weight", o.weight, between(0, 1e6),
           "its share of the tasks, beside the others'; 0: none");
  keys.add("shards", o.shards, anything(),
           "files or patterns that it reads, as in data.shards; senses may differ",
           Resume::kChange);
  keys.add("validation_shards", o.validation_shards, anything(), "as in data", Resume::kChange);
  keys.add("test_shards", o.test_shards, anything(), "as in data", Resume::kChange);
}

void describe(ConfigSchema& keys, AugmentOptions& o) {
  keys.add("tasks", o.tasks, one_of({"none", "support", "query", "both"}),
           "whose samples are changed, in training; every strength below: 0 for not at all");
  keys.add("copies", o.copies, between(0, 100000),
           "versions that a sample has for good, one of which is drawn, so that features of "
           "encoders that stay are computed once for each (data.feature_bank); vectors are not "
           "mixed; 0: another version every time");
  keys.add_section("image", o.image, "pictures, and frames of a video all alike");
  keys.add_section("audio", o.audio, "recordings");
  keys.add_section("text", o.text, "texts");
  keys.add_section("series", o.series, "series");
  keys.add_section("vector", o.vector, "numbers");
  keys.add_section("graph", o.graph, "graphs");
}

void describe(ConfigSchema& keys, ImageAugmentation& o) {
  keys.add("shift", o.shift, between(0, 0.5), "most that they move, of their sides");
  keys.add("crop", o.crop, between(0, 0.9), "most that is cut off their sides, the rest enlarged");
  keys.add("rotate", o.rotate, between(0, 180), "most degrees, to either side");
  keys.add("flip", o.flip, anything(), "left to right, every second one");
  keys.add("brightness", o.brightness, between(0, 1), "most that is added, of the range of values");
  keys.add("contrast", o.contrast, between(0, 1),
           "most that differences to the mean grow or shrink, as a share");
  keys.add("saturation", o.saturation, between(0, 1),
           "the same of differences to grey, where there are 3 channels");
  keys.add("erase", o.erase, between(0, 0.9), "area of a rectangle that becomes the mean");
}

void describe(ConfigSchema& keys, AudioAugmentation& o) {
  keys.add("shift", o.shift, between(0, 0.5),
           "most that they begin later or earlier, of the length");
  keys.add("gain", o.gain, between(0, 3), "most that they are louder or softer: by exp(gain)");
  keys.add("noise", o.noise, between(0, 10), "most white noise, of the root mean square");
  keys.add("time_mask", o.time_mask, between(0, 0.9), "a stretch that falls silent, of the length");
  keys.add("band_mask", o.band_mask, between(0, 0.9),
           "a band that is filtered out, of the mel scale");
}

void describe(ConfigSchema& keys, TextAugmentation& o) {
  keys.add("characters", o.characters, between(0, 0.9), "chance that one is left out; one stays");
  keys.add("words", o.words, between(0, 0.9), "chance that one is left out; one stays");
}

void describe(ConfigSchema& keys, SeriesAugmentation& o) {
  keys.add("jitter", o.jitter, between(0, 10), "noise, of the channels' standard deviation");
  keys.add("scale", o.scale, between(0, 1), "most that a channel grows or shrinks, as a share");
  keys.add("warp", o.warp, between(0, 0.2),
           "most that a moment comes later or earlier, of the length");
  keys.add("crop_start", o.crop_start, between(0, 0.5),
           "most that is cut off there, of the length");
  keys.add("crop_end", o.crop_end, between(0, 0.5), "most that is cut off there, of the length");
  keys.add("erase", o.erase, between(0, 0.9),
           "a stretch that becomes the mean (holes, where there may be any), of the length");
}

void describe(ConfigSchema& keys, VectorAugmentation& o) {
  keys.add("noise", o.noise, between(0, 10), "of the features' standard deviation");
  keys.add("mix", o.mix, between(0, 1), "most of the way towards another of the class in the set");
  keys.add("erase", o.erase, between(0, 0.9),
           "chance that a feature becomes its mean (a hole, where there may be any)");
}

void describe(ConfigSchema& keys, GraphAugmentation& o) {
  keys.add("noise", o.noise, between(0, 10), "of the nodes' features, of their standard deviation");
  keys.add("edges", o.edges, between(0, 0.9), "chance that one is left out");
}

void describe(ConfigSchema& keys, EncoderOptions& o) {
  keys.choose("type", o.network, "encoder", "auto: the usual one for the kind of the modality");
  keys.add(
      "frozen_from", o.frozen_from, anything(),
      "run folder or checkpoint whose encoder of this modality is used as it is, never trained");
  keys.add("fitted", o.fitted, anything(),
           "steps of preprocessing, in order, with numbers of the training classes, e.g. [impute "
           "by=median, clip, standardise, pca columns=8] (cuttle list fitted --keys); []: "
           "standardised by the shards' mean and stddev");
}

void describe(ConfigSchema& keys, ModelOptions& o) {
  keys.choose("fusion", o.fusion, "fusion", "how the senses meet");
  keys.choose("completion", o.completion, "completion",
              "what stands in for senses that a sample lacks, before they meet");
  keys.choose("head", o.head, "head",
              "from the embedding to the answers, for learners with a head");
  keys.add("modality_dropout", o.modality_dropout, from_below(0, 1),
           "chance that a present modality of a training sample is hidden");
  keys.add("dropout", o.dropout, from_below(0, 1),
           "chance that a number of a training sample's embedding is taken away, the same ones "
           "wherever its task looks at it (the others grow by as much)");
  keys.add("lite", o.lite, between(0, 1000000),
           "support samples of a task that gradients go through (large supports in little memory); "
           "0: all");
  keys.add_entries("encoders", o.encoders, "image",
                   "by modality name; absent: the defaults for its kind");
}

void describe(ConfigSchema& keys, ObjectiveOptions& o) {
  keys.choose("type", o.objective, "objective", "what is wanted");
  keys.add("weight", o.weight, at_least(0), "of its value in the sum of losses");
  keys.add("where", o.where, one_of({"outer", "inner", "both"}), "the loops whose loss it joins");
}

void describe(ConfigSchema& keys, SinkOptions& o) {
  keys.choose("type", o.sink, "sink", "who takes them");
}

void describe(ConfigSchema& keys, Section& adapt) {
  keys.choose("algorithm", adapt, "learner", "the meta-learning algorithm");
}

void describe(ConfigSchema& keys, StepOptions& o) {
  keys.choose("optimizer", o.optimizer, "optimizer", "the rule of the outer steps");
  keys.add("outer_lr", o.outer_lr, above(0), "learning rate of the outer steps");
  keys.add("weight_decay", o.weight_decay, at_least(0), "decoupled, times the learning rate");
  keys.add(
      "l1", o.l1, at_least(0),
      "by how much every step draws parameters towards 0, where they stay; decoupled, times the "
      "learning rate: with sgd a penalty on the sum of their absolute values");
  keys.add("schedule", o.schedule, one_of({"constant", "cosine", "step"}),
           "cosine: to min_lr over train.steps; step: times decay every decay_every");
  keys.add("min_lr", o.min_lr, at_least(0), "cosine: the last rate");
  keys.add("warmup", o.warmup, at_least(0), "outer steps of linear warm-up");
  keys.add("decay", o.decay, above_to(0, 1), "step: factor");
  keys.add("decay_every", o.decay_every, at_least(1), "step: outer steps between factors");
  keys.add("clip", o.clip, one_of({"none", "norm", "value"}),
           "norm: global L2 norm; value: every element");
  keys.add("clip_at", o.clip_at, above(0), "bound of the norm or of the elements");
}

void describe(ConfigSchema& keys, ReduceOptions& o) {
  keys.add("on_nonfinite", o.on_nonfinite, one_of({"fail", "skip_task", "skip_step"}),
           "what a task with a NaN or infinity does");
}

void describe(ConfigSchema& keys, TrainOptions& o) {
  keys.add("steps", o.steps, at_least(1), "outer steps", Resume::kGrow);
  keys.add(
      "minutes", o.minutes, between(0, 1e6),
      "in place of steps: as many as fit, by a few that are timed when the run begins; 0: steps",
      Resume::kChange);
  keys.add("validate_every", o.validate_every, at_least(0), "outer steps; 0: never");
  keys.add("validation_episodes", o.validation_episodes, at_least(1),
           "episodes of the fixed validation list");
  keys.add("patience", o.patience, at_least(0),
           "validations without improvement before stopping; 0: never stop early");
  keys.add("checkpoint_every", o.checkpoint_every, at_least(1),
           "outer steps; one is also written at the end and on request", Resume::kChange);
  keys.add("keep_checkpoints", o.keep_checkpoints, at_least(1),
           "newest that stay; the best one always stays", Resume::kChange);
  keys.add("init_from", o.init_from, anything(),
           "run folder or checkpoint whose parameters start this run; \"\": fresh");
  keys.add(
      "init_statistics", o.init_statistics, one_of({"own", "source"}),
      "source: senses are standardised by mean and stddev of init_from's or frozen_from's run");
}

void describe(ConfigSchema& keys, EvaluationOptions& o) {
  keys.add("episodes", o.episodes, at_least(1), "episodes of the fixed list");
  keys.add("way", o.way, at_least(0), "0: as in training");
  keys.add("shot", o.shot, at_least(0), "0: as in training");
  keys.add("query", o.query, at_least(0), "0: as in training");
  keys.add("seed", o.seed, anything(),
           "of the validation and test episodes, say for runs of several seeds; 0: the run's own");
}

void describe(ConfigSchema& keys, CommOptions& o) {
  keys.add("backend", o.backend, one_of({"auto", "mpi", "nccl"}),
           "auto: nccl if every rank has a device of its own, else mpi", Resume::kChange);
  keys.add("deadline_s", o.deadline_s, between(0.01, 86400),
           "seconds after which a collective ends the run with the names of the absent ranks",
           Resume::kChange);
}

}  // namespace cuttle
