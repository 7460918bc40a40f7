"""Few-shot accuracy of raw features: what a trained model must beat.

Episodes of N ways, K shots and Q queries, the very ones of `cuttle eval` with the same protocol and
seed; each query goes to the class whose mean support feature has the highest cosine similarity;
fused: the mean of the similarities of the modalities that both sides have. Every column is over all
queries: one that lacks the modality is a guess, right in 1 of N. Features: pixels (at most 32 x
32, of videos the mean over frames), hashed character 1- to 3-grams, mean and deviation over time of
log-mel bands, series at 32 steps, vectors as they are (a feature of 0 and 1 for each category);
holes are filled with the mean of the training split, 0 if there is none; all but text are centred
by the mean of up to 1000 training samples. Nothing is aligned: pixels are compared where they lie.
"""

import contextlib

import numpy as np

from . import episodes, names, schema
from .errors import UserError
from .features import feature_of
from .files import shard_paths
from .reader import Shard

CENTRE_SAMPLES = 1000
# Quantiles 0.975 of Student's t with 1, 2, ... 28 degrees of freedom.
STUDENT = (12.7062047364, 4.3026527297, 3.1824463053, 2.7764451052, 2.5705818356, 2.4469118511,
           2.3646242516, 2.3060041352, 2.2621571628, 2.2281388520, 2.2009851601, 2.1788128297,
           2.1603686565, 2.1447866879, 2.1314495456, 2.1199052992, 2.1098155778, 2.1009220402,
           2.0930240544, 2.0859634473, 2.0796138447, 2.0738730679, 2.0686576104, 2.0638985616,
           2.0595385528, 2.0555294386, 2.0518305165, 2.0484071418)


def add_arguments(parser):
    parser.add_argument("paths", nargs="+", metavar="SHARD", help="shards, or folders of shards")
    parser.add_argument("--way", type=int, default=5, help="classes per episode (default: 5)")
    parser.add_argument("--shot",
                        type=int,
                        default=1,
                        help="support samples per class (default: 1)")
    parser.add_argument("--query", type=int, default=1, help="query samples per class (default: 1)")
    parser.add_argument("--episodes", type=int, default=600, help="default: 600")
    parser.add_argument("--split",
                        choices=schema.SPLITS,
                        default=names.SPLIT_TEST,
                        help="default: test")
    parser.add_argument(
        "--groups-apart",
        action="store_true",
        help="per class, the support's groups (style, speaker, ...) do not occur among the queries")
    parser.add_argument("--complete",
                        action="store_true",
                        help="only samples that have every modality of the shards")
    parser.add_argument("--modalities",
                        help="use these only, e.g. image,text: as data.modalities (default: all)")
    parser.add_argument("--seed",
                        type=int,
                        default=1,
                        help="decides the episodes: the run's seed, or its evaluation.seed "
                        "(default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args, report):
    if args.way < 2 or args.shot < 1 or args.query < 1 or args.episodes < 1 or args.seed < 0:
        raise UserError(
            "--way must be at least 2, --shot, --query and --episodes at least 1, --seed at least 0"
        )
    with contextlib.ExitStack() as stack:
        shards = [stack.enter_context(Shard(path)) for path in shard_paths(args.paths)]
        _report(args, report, measure(Collection(shards, args.modalities), args, report))
    return 0


def measure(collection, args, report):
    """{modality or "fused": [accuracy of each episode]}."""
    planner = episodes.planner_of(collection.shards, args, collection.modalities)
    if not collection.of_split(names.SPLIT_TRAIN):
        report.note("no training samples: features are not centred, which lowers the floor")
    features = Features(collection)
    accuracies = {name: [] for name in [*collection.modalities, "fused"]}
    for episode in report.progress(range(args.episodes), args.episodes, "episodes"):
        support, query = planner.plan(args.way, episodes.Random(args.seed, args.split, episode))
        scores = score_episode(features, list(collection.modalities), support, query)
        for name, value in scores.items():
            accuracies[name].append(value)
    return accuracies


class Collection:
    """Several shards as one list of samples. `wanted`: modalities to use, with commas; None: all."""
    def __init__(self, shards, wanted=None):
        self.shards = shards
        self.modalities = {modality.name: modality for modality in shards[0].modalities}
        if wanted is not None:
            for name in wanted.split(","):
                if name not in self.modalities:
                    raise UserError(f"--modalities: the shards have no modality '{name}'; they have "
                                    f"{', '.join(self.modalities)}")
            self.modalities = {name: self.modalities[name] for name in wanted.split(",")}
        for shard in shards[1:]:
            if shard.modalities != shards[0].modalities:
                raise UserError(
                    f"{shard.path} and {shards[0].path} declare different modalities (they are not "
                    "of one data set); name shards of one data set")
        self.samples = [(shard, sample) for shard in shards
                        for sample in range(len(shard.sample_class))]

    def of_split(self, split):
        """Indices of the samples of a split."""
        return [
            index for index, (shard, sample) in enumerate(self.samples)
            if schema.SPLITS[shard.sample_split[sample]] == split
        ]


class Features:
    """Centred raw features, computed when first asked for."""
    def __init__(self, collection):
        self.collection_ = collection
        self.cache_ = {}
        train = collection.of_split(names.SPLIT_TRAIN)
        train = train[::max(1, -(-len(train) // CENTRE_SAMPLES))]
        self.centre_ = {}
        for name, modality in collection.modalities.items():
            if modality.kind != names.KIND_TEXT:
                known = [f for f in (self.raw_(index, name) for index in train) if f is not None]
                self.centre_[name] = np.mean(known, axis=0) if known else 0

    def get(self, index, name):
        """float32 vector, or None if the sample lacks the modality."""
        if (index, name) not in self.cache_:
            feature = self.raw_(index, name)
            if feature is not None:
                feature = feature - self.centre_.get(name, 0)
            self.cache_[index, name] = feature
        return self.cache_[index, name]

    def raw_(self, index, name):
        shard, sample = self.collection_.samples[index]
        if shard.rows[name][sample] < 0:
            return None
        return feature_of(self.collection_.modalities[name], shard.read(sample, name))


def score_episode(features, modality_names, support, query):
    """{modality or "fused": accuracy}, each over all queries."""
    queries = [(way, index) for way, members in enumerate(query) for index in members]
    similarities = np.stack([
        _similarities(features, name, support, [index for _, index in queries])
        for name in modality_names
    ])  # [modality, query, class], nan where undefined
    truth = np.array([way for way, _ in queries])
    result = {}
    for name, table in zip(modality_names, similarities):
        result[name] = _accuracy(table, truth)
    known = ~np.isnan(similarities)
    fused = np.where(known.any(axis=0),
                     np.nansum(similarities, axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)
    result["fused"] = _accuracy(fused, truth)
    return result


def _similarities(features, name, support, queries):
    table = np.full((len(queries), len(support)), np.nan)
    for way, members in enumerate(support):
        known = [f for f in (features.get(index, name) for index in members) if f is not None]
        if not known:
            continue
        mean = np.mean(known, axis=0)
        for row, index in enumerate(queries):
            feature = features.get(index, name)
            if feature is not None:
                lengths = np.linalg.norm(feature) * np.linalg.norm(mean)
                table[row, way] = feature @ mean / max(lengths, 1e-12)
    return table


def _accuracy(table, truth):
    """A class without similarity counts as 0, which is neither like nor unlike; ties share the
    credit, so a query without any similarity has one in as many as there are classes."""
    table = np.nan_to_num(table)
    best = table == table.max(axis=1, keepdims=True)
    return float((best[np.arange(len(truth)), truth] / best.sum(axis=1)).mean())


def interval_95(values):
    """Half the width of the mean's 95 % interval: 1.96 standard errors, Student's t under 30
    values."""
    count = len(values)
    if count < 2:
        return 0.0
    errors = STUDENT[count - 2] if count < 30 else 1.96
    return float(errors * np.std(values, ddof=1) / np.sqrt(count))


def _report(args, report, accuracies):
    rows, results = [], {}
    for name, values in accuracies.items():
        mean = float(np.mean(values))
        # A single episode says nothing of the spread.
        interval = interval_95(values) if len(values) > 1 else None
        results[name] = {"accuracy": mean, "interval_95": interval, "episodes": len(values)}
        shown = "" if interval is None else f" +- {100 * interval:.1f}"
        rows.append([name, f"{100 * mean:.1f}{shown}", len(values)])
        if len(values) > 1 and np.ptp(values) == 0 and np.isclose(mean, 1 / args.way):
            report.warn(f"{name}: every episode scored exactly chance (its features tell nothing apart: "
                        "all samples have the same, or none has it)")
    protocol = {
        key: getattr(args, key)
        for key in ("way", "shot", "query", "episodes", "split", "groups_apart", "complete", "seed")
    }
    if args.json:
        report.json = {"protocol": protocol, "results": results}
        return
    title = (f"nearest class mean of raw features: {args.way}-way {args.shot}-shot, {args.query} "
             f"queries, {args.episodes} episodes, split {args.split}, groups "
             f"{'apart' if args.groups_apart else 'mixed'}, "
             f"{'complete samples, ' if args.complete else ''}seed {args.seed}")
    report.table(title, ["modality", "accuracy %", "episodes"], rows)
