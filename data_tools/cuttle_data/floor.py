"""Few-shot accuracy of raw features: what a trained model must beat.

Episodes of N ways, K shots and Q queries; each query goes to the class whose mean support feature
has the highest cosine similarity; fused: the mean of the similarities of the modalities that both
sides have. Features: pixels (at most 32 x 32), hashed character 1- to 3-grams, mean and deviation
over time of log-mel bands, series at 32 steps, vectors as they are; all but text are centred by the
mean of up to 1000 training samples. Nothing is aligned: pixels are compared where they lie.
"""

import contextlib

import numpy as np

from . import names, schema
from .errors import UserError
from .features import feature_of
from .files import shard_paths
from .reader import Shard

CENTRE_SAMPLES = 1000


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
    parser.add_argument("--seed", type=int, default=0, help="decides the episodes (default: 0)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args, report):
    if args.way < 2 or args.shot < 1 or args.query < 1 or args.episodes < 1 or args.seed < 0:
        raise UserError(
            "--way must be at least 2, --shot, --query and --episodes at least 1, --seed at least 0"
        )
    with contextlib.ExitStack() as stack:
        shards = [stack.enter_context(Shard(path)) for path in shard_paths(args.paths)]
        _report(args, report, measure(Collection(shards), args, report))
    return 0


def measure(collection, args, report):
    """{modality or "fused": [accuracy of each episode that has one]}."""
    classes = usable_classes(collection, args)
    if len(classes) < args.way:
        raise UserError(
            f"{len(classes)} classes of the split {args.split} have {args.shot} + {args.query} "
            f"samples{' with groups apart' if args.groups_apart else ''}, but --way is {args.way} "
            "(an episode needs that many); lower --way, --shot or --query")
    if not collection.of_split(names.SPLIT_TRAIN):
        report.note("no training samples: features are not centred, which lowers the floor")
    features = Features(collection)
    accuracies = {name: [] for name in [*collection.modalities, "fused"]}
    for episode in report.progress(range(args.episodes), args.episodes, "episodes"):
        support, query = plan_episode(np.random.default_rng([args.seed, episode]), classes, args)
        scores = score_episode(features, list(collection.modalities), support, query)
        for name, value in scores.items():
            accuracies[name].append(value)
    return accuracies


class Collection:
    """Several shards as one list of samples."""
    def __init__(self, shards):
        self.shards = shards
        self.modalities = {modality.name: modality for modality in shards[0].modalities}
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

    def class_and_group(self, index):
        shard, sample = self.samples[index]
        class_id = shard.sample_class[sample]
        class_name = None if class_id < 0 else shard.class_names[class_id]
        return class_name, shard.group_names[shard.sample_group[sample]]


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


def usable_classes(collection, args):
    """[{group: [sample index]}] of the split's classes with enough samples, ordered by name."""
    by_class = {}
    for index in collection.of_split(args.split):
        class_name, group = collection.class_and_group(index)
        if class_name is not None:
            by_class.setdefault(class_name, {}).setdefault(group, []).append(index)
    return [groups for _, groups in sorted(by_class.items()) if _enough(groups, args)]


def _enough(groups, args):
    sizes = [len(members) for members in groups.values()]
    if not args.groups_apart:
        return sum(sizes) >= args.shot + args.query
    sums = {0}  # of all subsets of the groups: one must hold the support and leave the queries
    for size in sizes:
        sums |= {total + size for total in sums}
    return any(args.shot <= total <= sum(sizes) - args.query for total in sums)


def plan_episode(random, classes, args):
    """(support, query): per class of the episode a list of sample indices."""
    support, query = [], []
    for choice in random.choice(len(classes), args.way, replace=False):
        draw = _draw_apart if args.groups_apart else _draw
        shot, rest = draw(random, classes[choice], args)
        support.append(shot)
        query.append(rest)
    return support, query


def _draw(random, groups, args):
    members = [index for group in groups.values() for index in group]
    drawn = random.choice(members, args.shot + args.query, replace=False).tolist()
    return drawn[:args.shot], drawn[args.shot:]


def _draw_apart(random, groups, args):
    """Groups in random order go to the support until it is full, the others to the queries; a draw
    that leaves too few queries is repeated."""
    while True:
        shot, rest = [], []
        for group in random.permutation(list(groups)):
            (shot if len(shot) < args.shot else rest).extend(groups[group])
        if len(rest) >= args.query:
            return (random.choice(shot, args.shot, replace=False).tolist(),
                    random.choice(rest, args.query, replace=False).tolist())


def score_episode(features, modality_names, support, query):
    """{modality or "fused": accuracy}; a modality that no query has is left out."""
    queries = [(way, index) for way, members in enumerate(query) for index in members]
    similarities = np.stack([
        _similarities(features, name, support, [index for _, index in queries])
        for name in modality_names
    ])  # [modality, query, class], nan where undefined
    truth = np.array([way for way, _ in queries])
    result = {}
    for name, table in zip(modality_names, similarities):
        has = ~np.isnan(table).all(axis=1)
        if has.any():
            result[name] = _accuracy(table[has], truth[has])
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
    credit."""
    table = np.nan_to_num(table)
    best = table == table.max(axis=1, keepdims=True)
    return float((best[np.arange(len(truth)), truth] / best.sum(axis=1)).mean())


def _report(args, report, accuracies):
    rows, results = [], {}
    for name, values in accuracies.items():
        if values:
            mean = float(np.mean(values))
            interval = None  # a single episode says nothing of the spread
            if len(values) > 1:
                interval = float(1.96 * np.std(values, ddof=1) / np.sqrt(len(values)))
            results[name] = {"accuracy": mean, "interval_95": interval, "episodes": len(values)}
            shown = "" if interval is None else f" +- {100 * interval:.1f}"
            rows.append([name, f"{100 * mean:.1f}{shown}", len(values)])
    protocol = {
        key: getattr(args, key)
        for key in ("way", "shot", "query", "episodes", "split", "groups_apart", "seed")
    }
    if args.json:
        report.json = {"protocol": protocol, "results": results}
        return
    title = (f"nearest class mean of raw features: {args.way}-way {args.shot}-shot, {args.query} "
             f"queries, {args.episodes} episodes, split {args.split}, groups "
             f"{'apart' if args.groups_apart else 'mixed'}, seed {args.seed}")
    report.table(title, ["modality", "accuracy %", "episodes"], rows)
