"""Values of people (and cows) from a few of each: meta-learners beside a line for each and a mixed model's shrinkage.

    pip install statsmodels==0.15.0
    python3 tests/benchmark/persons.py [--build build/release] [--out runs/persons] [--ranks 1] [NAME ...]

Data frames of the Debian packages r-cran-lme4, r-cran-nlme and r-cran-survival, installed or as .deb files in the
folder CUTTLE_DEBS. Each set is split by persons as often as SETS says (cuttle-data's --seed): persons for training,
validation and test, at random. On each split configs/real/NAME.yaml is trained with each of LEARNERS and evaluated;
`cuttle eval --per-episode FILE.jsonl` says which samples of a test person were given and what was answered to which
others, and the rest answers the same from the same: what was there is not trained again. A mixed model is fitted to
the training persons (at most 200 of them) by statsmodels, and a test person's own intercept and slope are those of
greatest probability given its samples. Prints Markdown; 95 % intervals and paired differences are over persons, of
which each counts once, however many splits and episodes asked about it.
"""

import collections
import sys
import warnings

import numpy as np
from runs import ROOT, cuttle, episodes_of, print_tables, r_shards, train
from scipy.stats import t as student
from statsmodels.regression.mixed_linear_model import MixedLM
from statsmodels.tools.sm_exceptions import ConvergenceWarning

sys.path.insert(0, str(ROOT / "data_tools"))

from cuttle_data.reader import Shard  # noqa: E402

# Package, what makes the shards, splits, episodes of each, powers of the time that the mixed model has for all.
SETS = {
    "sleepstudy": ("lme4", "sleepstudy --class Subject --targets Reaction --values Days", 4, 100, 1),
    "milk": ("nlme", "Milk --class Cow --targets protein --values Time,Diet --name milk", 2, 160, 3),
    "nafld2": ("survival",
               "nafld2 --where test=hdl --class id --targets value --values days --least 6 --splits 0.8,0.1,0.1", 1,
               1000, 1),
}
GAUSSIAN = ("episode.target=gaussian", "episode.units=training")
LEARNERS = {
    "maml": (),
    "neural_process": ("adapt.algorithm=neural_process", *GAUSSIAN),
    "caml": ("adapt.algorithm=caml", "adapt.width=64", "adapt.layers=2", *GAUSSIAN),
}
MOST_FITTED = 200


class Persons:
    """All samples by name, and what is the same for all persons, from the training ones."""
    def __init__(self, folder, powers):
        self.samples, persons = {}, collections.defaultdict(list)
        for path in sorted(folder.glob("*.h5")):
            with Shard(path) as shard:
                for i, sample in enumerate(shard.sample_names):
                    values = shard.read(i, "vector")
                    self.samples[sample] = (values[0], values[1:], float(shard.targets[i, 0]))
                    if shard.sample_split[i] == 0:
                        persons[shard.class_names[shard.sample_class[i]]].append(sample)
        times = np.array([self.samples[sample][0] for of in persons.values() for sample in of])
        self.powers, self.origin, self.unit = powers, times.mean(), times.std()
        self._fit({person: of for person, of in list(persons.items())[:MOST_FITTED]})

    def _fit(self, persons):
        x, own, y = self.parts([sample for of in persons.values() for sample in of])
        groups = [person for person, of in persons.items() for _ in of]
        self.line = np.linalg.lstsq(x, y, rcond=None)[0]
        with warnings.catch_warnings():  # it ends where other searches do, with a slope above its tolerance
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = MixedLM(y, x, groups, exog_re=own).fit(reml=True, method="lbfgs")
        self.fixed, self.spread, self.noise = found.fe_params, found.cov_re, found.scale

    def parts(self, samples):
        """What all have in common (powers of the time, and what else a sample has), what is a person's, values."""
        rows = [self.samples[sample] for sample in samples]
        time = (np.array([row[0] for row in rows]) - self.origin) / self.unit
        more = np.array([row[1][1:] for row in rows])  # the first category is the others' rest
        own = np.stack([np.ones_like(time), time], 1)
        return (np.hstack([time[:, None]**np.arange(self.powers + 1), more]), own, np.array([row[2] for row in rows]))

    def answers(self, support, query):
        """By method."""
        x, own, y = self.parts(support)
        asked, asked_own, _ = self.parts(query)
        effects = np.linalg.solve(own.T @ own + self.noise * np.linalg.inv(self.spread), own.T @ (y - x @ self.fixed))
        return {"all persons alike": asked @ self.line,
                "the person's mean": np.full(len(query), y.mean()),
                "a line for each": asked_own @ np.linalg.lstsq(own, y, rcond=None)[0],
                "mixed model": asked @ self.fixed + asked_own @ effects}


def errors_of(name, seed, arguments):
    """{method: {person: [errors of an episode's queries]}}."""
    package, words, _, episodes, powers = SETS[name]
    folder = r_shards(arguments.out / "data" / f"{name}-{seed}", package, words, seed)
    persons, errors = Persons(folder, powers), collections.defaultdict(lambda: collections.defaultdict(list))
    for learner, words in LEARNERS.items():
        run, told = arguments.out / f"{name}-{learner}-{seed}", arguments.out / f"{name}-{learner}-{seed}.jsonl"
        if not told.exists():
            words = (f"data.shards=[{folder}/*.h5]", f"seed={seed + 1}", *words)
            train(arguments, run, f"configs/real/{name}.yaml", *words)
            cuttle(arguments, "eval", str(run), "--episodes", str(episodes), "--per-episode", str(told),
                   "evaluation.seed=1")
        for parts in episodes_of(told):
            person, truth = parts["query"][0]["of"], np.array([record["truth"][0] for record in parts["query"]])
            errors[learner][person].append(np.array([record["values"][0] for record in parts["query"]]) - truth)
            if learner != next(iter(LEARNERS)):
                continue  # the others have the same episodes
            names = ([record["sample"] for record in parts[part]] for part in ("support", "query"))
            for method, answers in persons.answers(*names).items():
                errors[method][person].append(answers - truth)
    return errors


def interval(values):
    """Mean, half width."""
    return np.mean(values), student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))


def table(name, arguments):
    errors = collections.defaultdict(lambda: collections.defaultdict(list))
    for seed in range(SETS[name][2]):
        for method, by_person in errors_of(name, seed, arguments).items():
            for person, own in by_person.items():
                errors[method][person] += own
    persons = sorted(errors["mixed model"])
    absolute = {method: np.array([np.mean(np.abs(by[person])) for person in persons]) for method, by in errors.items()}
    square = {method: np.array([np.sqrt(np.mean(np.square(by[person]))) for person in persons])
              for method, by in errors.items()}
    print(f"\n{name}, {len(persons)} test persons\n\n| | mean absolute error | root mean square of a person | "
          "absolute error less the mixed model's |\n| --- | --- | --- | --- |")
    for method in sorted(errors, key=lambda method: absolute[method].mean(), reverse=True):
        cells = [interval(absolute[method]), interval(square[method]),
                 interval(absolute[method] - absolute["mixed model"])]
        print(f"| {method} | " + " | ".join(f"{mean:.3g} +- {half:.2g}" for mean, half in cells) + " |", flush=True)


if __name__ == "__main__":
    print_tables(__doc__, "persons", SETS, table)
