"""Ratings of people by ten that they gave: meta-learners beside what is popular, biases and matrix factorisation.

    python3 tests/benchmark/ratings.py [--build build/release] [--out runs/ratings] [--ranks 1] [NAME ...]

movielens and insteval: data frames of the Debian packages r-cran-dslabs and r-cran-lme4, installed or as .deb files in
the folder CUTTLE_DEBS. Users are split at random: no rating of a test user is trained on. configs/real/NAME.yaml is
trained with each of LEARNERS and evaluated; `cuttle eval --per-episode FILE.jsonl` says which ten ratings of a test
user were given, and the rest answers the same ten others from the same ten: how items are rated by the training users
(popularity), that and how the user rates (biases), and factors of items by alternating least squares (Koren, Bell,
Volinsky 2009), on which the user's are a ridge regression on the ten; sizes and penalties are those of least error
on validation users. Prints Markdown: 95 % intervals, and paired differences, are over users. NDCG of the first five
has gains 2^rating - 1; reciprocal ranks and recalls are of items that the user rated 4 or more.
"""

import collections
import sys
import warnings

import numpy as np
import yaml
from runs import ROOT, cuttle, episodes_of, print_tables, r_shards, real_config, train

sys.path.insert(0, str(ROOT / "data_tools"))

from cuttle_data.reader import Shard  # noqa: E402

# Package, what makes the shards; the first number of a sample is its item.
SETS = {
    "movielens": ("dslabs", "movielens --class userId --targets rating --values movieId,year,genres "
                  "--type movieId=category --type genres=text --codes --least 20"),
    "insteval": ("lme4", "InstEval --class s --targets y --codes --least 20"),
}
LEVELS = {"movielens": ("episode.levels=10", "episode.lowest=0.5", "episode.spacing=0.5"), "insteval": ()}
R2D2 = ("adapt.algorithm=r2d2", "episode.target=value", "episode.units=training")
LEARNERS = {
    "neural_process": (),
    "r2d2": R2D2,
    "r2d2, genres alone": R2D2,
    "r2d2, film and year alone": R2D2,
    "anil, levels": ("adapt.algorithm=anil", "adapt.inner_steps=3", "adapt.inner_lr=0.1", "episode.target=ordinal"),
}
ALONE = {"r2d2, genres alone": "text", "r2d2, film and year alone": "vector"}  # of movielens' senses
EPISODES, LIKED, FIRST = 400, 4, 5
SIZES, PENALTIES = (2, 4, 8), (3.0, 10.0, 30.0)


def least_squares(rows, values, penalty):
    return np.linalg.solve(rows.T @ rows + penalty * np.eye(rows.shape[1]), rows.T @ values)


class Peers:
    """What training users say of items, and what ten ratings of another one say of the rest."""
    def __init__(self, folder):
        self.item, ratings = {}, {0: collections.defaultdict(list), 1: collections.defaultdict(list)}
        for path in sorted(folder.glob("*.h5")):
            with Shard(path) as shard:
                for i, sample in enumerate(shard.sample_names):
                    code = shard.read(i, "vector")[0]
                    self.item[sample] = -1 if np.isnan(code) else int(code)
                    if shard.sample_split[i] < 2 and self.item[sample] >= 0:
                        ratings[shard.sample_split[i]][shard.sample_class[i]].append(
                            (self.item[sample], float(shard.targets[i, 0])))
        self.items = 1 + max(self.item.values())
        users = [np.array(of) for of in ratings[0].values()]
        self.mean = np.concatenate(users)[:, 1].mean()
        self._biases(users)
        self._choose(users, [np.array(of) for of in ratings[1].values()])

    def _biases(self, users, shrink=5.0):
        """Of items and users, in turns, each drawn to 0 as by five ratings."""
        codes, values = np.concatenate(users).T
        codes, owner = codes.astype(int), np.repeat(np.arange(len(users)), [len(of) for of in users])
        count, own = np.bincount(codes, minlength=self.items), np.bincount(owner)
        item, user = np.zeros(self.items), np.zeros(len(users))
        self.popular = np.bincount(codes, values - self.mean, self.items) / (count + shrink)
        for _ in range(10):
            item = np.bincount(codes, values - self.mean - user[owner], self.items) / (count + shrink)
            user = np.bincount(owner, values - self.mean - item[codes]) / (own + shrink)
        self.bias = item

    def _factors(self, users, size, penalty):
        """Of items, with one that is 1 for the user's own bias."""
        draw = np.random.default_rng(0)
        factors = draw.normal(0, 0.1, (self.items, size))
        owners = collections.defaultdict(list)
        for place, of in enumerate(users):
            for code, value in of:
                owners[int(code)].append((place, value))
        for _ in range(12):
            own = np.array([self._person(of, factors, penalty) for of in users])
            for code, of in owners.items():
                places, values = (np.array(part) for part in zip(*of))
                left = values - self.mean - self.bias[code] - own[places, 0]
                factors[code] = least_squares(own[places, 1:], left, penalty)
        return factors

    def _person(self, rated, factors, penalty):
        codes = rated[:, 0].astype(int)
        rows = np.hstack([np.ones((len(codes), 1)), factors[codes]])
        return least_squares(rows, rated[:, 1] - self.mean - self.bias[codes], penalty)

    def _asked(self, codes, person, factors):
        return self.mean + self.bias[codes] + person[0] + factors[codes] @ person[1:]

    def _choose(self, users, others):
        """The size and the penalty of least error on halves of validation users, from ten of the other half."""
        best = None
        for size in SIZES:
            for penalty in PENALTIES:
                factors = self._factors(users, size, penalty)
                off = []
                for of in others:
                    of = np.random.default_rng(len(of)).permutation(of)
                    codes = of[10:20, 0].astype(int)
                    off.append(np.mean((self._asked(codes, self._person(of[:10], factors, penalty), factors) -
                                        of[10:20, 1])**2))
                if best is None or np.mean(off) < best[0]:
                    best = np.mean(off), factors, penalty, size
        _, self.factors, self.penalty, self.size = best

    def answers(self, support, query):
        """By method. An item that no training user rated is as all items are."""
        given = np.array([(self.item[record["sample"]], record["truth"][0]) for record in support
                          if self.item[record["sample"]] >= 0]).reshape(-1, 2)
        codes = np.array([self.item[record["sample"]] for record in query])
        known, at = codes >= 0, np.maximum(codes, 0)
        bias = np.where(known, self.bias[at], 0)
        left = given[:, 1] - self.mean - self.bias[given[:, 0].astype(int)]
        user = left.sum() / (len(left) + 5.0)
        person = self._person(given, self.factors, self.penalty) if len(given) else np.zeros(self.size + 1)
        return {"popularity": self.mean + np.where(known, self.popular[at], 0),
                "biases of item and user": self.mean + bias + user,
                f"matrix factorisation ({self.size})": self.mean + bias + person[0] +
                np.where(known, self.factors[at] @ person[1:], 0)}


def figures_of(answers, truth):
    """Root of the mean square, NDCG and recall of the first, reciprocal rank; nan where nothing was liked."""
    order = np.argsort(-answers, kind="stable")
    gains, discounts = 2.0**truth - 1, 1 / np.log2(np.arange(2, FIRST + 2))
    liked = truth[order] >= LIKED
    most = (np.sort(gains)[::-1][:FIRST] * discounts).sum()
    return [np.sqrt(np.mean((answers - truth)**2)), (gains[order][:FIRST] * discounts).sum() / most,
            liked[:FIRST].sum() / min(liked.sum(), FIRST) if liked.any() else np.nan,
            1 / (1 + np.argmax(liked)) if liked.any() else np.nan]


def config_of(name, sense, run):
    """The path of the set's config, or of the same with one sense alone."""
    if sense is None:
        return f"configs/real/{name}.yaml"
    own = run.with_suffix(".yaml")
    own.write_text(yaml.safe_dump(real_config(name, [sense])), encoding="utf-8")
    return str(own)


def figures_by_user(name, arguments):
    """{method: {user: [figures of each episode]}}."""
    folder = r_shards(arguments.out / "data" / name, *SETS[name])
    peers, figures = Peers(folder), collections.defaultdict(lambda: collections.defaultdict(list))
    for learner, words in LEARNERS.items():
        if name != "movielens" and learner in ALONE:
            continue
        run = arguments.out / f"{name}-{learner.replace(' ', '_').replace(',', '')}"
        told = run.with_suffix(".jsonl")
        if not told.exists():
            levels = LEVELS[name] if "levels" in learner else ()
            train(arguments, run, config_of(name, ALONE.get(learner), run), f"data.shards=[{folder}/*.h5]", *words,
                  *levels)
            cuttle(arguments, "eval", str(run), "--episodes", str(EPISODES), "--per-episode", str(told),
                   "evaluation.seed=1")
        for parts in episodes_of(told):
            user, truth = parts["query"][0]["of"], np.array([record["truth"][0] for record in parts["query"]])
            own = np.array([record.get("expected", record["values"])[0] for record in parts["query"]])
            figures[learner][user].append(figures_of(own, truth))
            if learner == next(iter(LEARNERS)):  # the others have the same episodes
                for method, answers in peers.answers(parts["support"], parts["query"]).items():
                    figures[method][user].append(figures_of(answers, truth))
    return figures


def interval(values):
    values = values[~np.isnan(values)]
    return f"{values.mean():.3f} +- {1.96 * values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def table(name, arguments):
    figures = figures_by_user(name, arguments)
    users = sorted(figures[next(iter(LEARNERS))])
    with warnings.catch_warnings():  # of users who liked nothing that was asked
        warnings.simplefilter("ignore", RuntimeWarning)
        rows = {method: np.array([np.nanmean(by[user], 0) for user in users]) for method, by in figures.items()}
    peer = next(method for method in rows if method.startswith("matrix"))
    print(f"\n{name}, {len(users)} test users\n\n| | root mean square error | less the factorisation's | NDCG@{FIRST} "
          f"| less its | recall@{FIRST} | reciprocal rank |\n| --- | --- | --- | --- | --- | --- | --- |")
    for method in sorted(rows, key=lambda method: rows[method][:, 0].mean(), reverse=True):
        of, lead = rows[method], rows[method] - rows[peer]
        cells = [of[:, 0], lead[:, 0], of[:, 1], lead[:, 1], of[:, 2], of[:, 3]]
        print(f"| {method} | " + " | ".join(map(interval, cells)) + " |", flush=True)


if __name__ == "__main__":
    print_tables(__doc__, "ratings", SETS, table)
