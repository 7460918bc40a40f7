"""The episodes that `cuttle eval` draws, sample by sample: a function of seed, split and number.

As src/core/random.cpp and src/task/plan draw them; tests on both sides compare with
tests/data_tools/episodes/drawn.txt.
"""

from . import names, schema
from .errors import UserError

WORD = (1 << 32) - 1
STREAMS = {names.SPLIT_TRAIN: 1, names.SPLIT_VALIDATION: 2, names.SPLIT_TEST: 3}


def philox(counter, key):
    """Philox4x32-10 (Salmon et al., SC'11)."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        one, two = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (two >> 32) ^ c1 ^ k0, two & WORD, (one >> 32) ^ c3 ^ k1, one & WORD
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
    return c0, c1, c2, c3


class Random:
    """The draws that belong to one episode of a split's list."""
    def __init__(self, seed, split, episode):
        self.key_ = seed & WORD, seed >> 32
        self.counter_ = [0, episode, 0, STREAMS[split] << 16]
        self.left_ = []

    def bits(self):
        if not self.left_:
            self.left_ = list(reversed(philox(self.counter_, self.key_)))
            self.counter_[0] += 1
        return self.left_.pop()

    def below(self, n):
        """Uniform in [0, n), for n below 2^32 (Lemire 2019)."""
        product = self.bits() * n
        while product & WORD < (1 << 32) % n:
            product = self.bits() * n
        return product >> 32

    def sample(self, n, count):
        """The first `count` of a random permutation of 0..n-1."""
        chosen, displaced = [], {}
        for i in range(count):
            j = i + self.below(n - i)
            chosen.append(displaced.get(j, j))
            displaced[j] = displaced.get(i, i)
        return chosen

    def draw(self, members, count):
        return [members[i] for i in self.sample(len(members), count)]


class Planner:
    """Draws episodes of `classes`: for each, in the order of their numbers, [(group, sample)]."""
    def __init__(self, classes, shot, query, apart):
        self.shot_, self.query_, self.apart_ = shot, query, apart
        pools = [self._groups(members) for members in classes]
        self.pools_ = [pool for pool in pools if self._enough(pool)]

    def usable_classes(self):
        return len(self.pools_)

    def plan(self, way, random):
        """(support, query): per class of the episode a list of samples."""
        chosen = [self.pools_[i] for i in random.sample(len(self.pools_), way)]
        support, query = [], []
        if self.apart_:
            groups = sorted({group for pool in chosen for group in pool})
            rank = dict(zip(groups, random.sample(len(groups), len(groups))))
        for pool in chosen:
            if self.apart_:
                order = [pool[group] for group in sorted(pool, key=rank.get)]
                given = split_groups([len(group) for group in order], self.shot_, self.query_)
                parts = [[group for group, to in zip(order, given) if to == wanted]
                         for wanted in (True, False)]
                support.append(_in_rounds(parts[0], self.shot_, random))
                query.append(_in_rounds(parts[1], self.query_, random))
            else:
                (members, ) = pool.values()
                drawn = random.draw(members, self.shot_ + self.query_)
                support.append(drawn[:self.shot_])
                query.append(drawn[self.shot_:])
        return support, query

    def _groups(self, members):
        """{group: [sample]}; all in one where groups may mix."""
        groups = {}
        for group, sample in sorted((group if self.apart_ else 0, sample)
                                    for group, sample in members):
            groups.setdefault(group, []).append(sample)
        return groups

    def _enough(self, pool):
        counts = [len(members) for members in pool.values()]
        if self.apart_:
            return split_groups(counts, self.shot_, self.query_) is not None
        return sum(counts) >= self.shot_ + self.query_


def split_groups(counts, shot, query):
    """Which groups, in their order, give to the support: as many as there are shots, each unless
    the query would then run short; None if there is no way."""
    best = [[None] * (shot + 1) for _ in counts] + [[0] + [None] * shot]
    for i in reversed(range(len(counts))):  # best[i][need]: most that groups i.. leave to the query
        for need in range(shot + 1):
            rest = best[i + 1][need]
            ways = [best[i + 1][max(0, need - counts[i])], None if rest is None else rest + counts[i]]
            best[i][need] = max((way for way in ways if way is not None), default=None)
    if best[0][shot] is None or best[0][shot] < query:
        return None
    support, need, left = [], shot, 0
    for i, count in enumerate(counts):
        rest = best[i + 1][max(0, need - count)]
        gives = sum(support) < shot and rest is not None and left + rest >= query
        support.append(gives)
        need, left = (max(0, need - count), left) if gives else (need, left + count)
    return support


def _in_rounds(groups, count, random):
    """`count` samples: one of each group in their order, then a second one of each, and so on."""
    shuffled = [random.draw(group, min(count, len(group))) for group in groups]
    rounds = [group[i] for i in range(count) for group in shuffled if i < len(group)]
    return rounds[:count]


def classes_of(shards, split, modalities, complete):
    """For each class of the split, in the order of the program's class numbers, the (group, sample)
    that episodes may draw; samples are numbered over all shards. `modalities`: those in use;
    `complete`: only samples that have all of the shards'."""
    class_ids, group_ids, classes, first = {}, {}, {}, 0
    for shard in shards:
        for name in shard.class_names:
            class_ids.setdefault(name, len(class_ids))
        for name in shard.group_names:
            group_ids.setdefault(name, len(group_ids))
        wanted = schema.SPLITS.index(split)
        for sample, class_id in enumerate(shard.sample_class):
            if class_id < 0 or shard.sample_split[sample] != wanted:
                continue
            members = classes.setdefault(class_ids[shard.class_names[class_id]], [])
            has = {name for name, rows in shard.rows.items() if rows[sample] >= 0}
            if has & set(modalities) and (not complete or len(has) == len(shard.rows)):
                members.append((group_ids[shard.group_names[shard.sample_group[sample]]],
                                first + sample))
        first += len(shard.sample_class)
    return [classes[class_id] for class_id in sorted(classes)]


def planner_of(shards, args, modalities):
    """UserError if fewer classes than `--way` can be used."""
    classes = classes_of(shards, args.split, modalities, args.complete)
    planner = Planner(classes, args.shot, args.query, args.groups_apart)
    if planner.usable_classes() < args.way:
        complete = "complete " if args.complete else ""
        raise UserError(
            f"{planner.usable_classes()} classes of the split {args.split} have {args.shot} + "
            f"{args.query} {complete}samples{' with groups apart' if args.groups_apart else ''}, "
            f"but --way is {args.way} (an episode needs that many); lower --way, --shot or --query")
    return planner
