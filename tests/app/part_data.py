"""Small data sets for runs of every part: all senses, values, numbers that overflow; some senses are missing.

Each has shards to train with, and one file of samples to adapt to and to ask about.
"""

import random
import sys

import driver
import numpy as np
import part_weights

sys.path.insert(0, str(driver.ROOT / "data_tools"))

from cuttle_data.reader import Shard  # noqa: E402
from cuttle_data.schema import DatasetInfo, Modality  # noqa: E402
from cuttle_data.shard_file import Loaded, write_shard  # noqa: E402

SPLITS = ["train"] * 5 + ["validation"] * 3 + ["test"] * 3
COLUMNS = Modality("columns", "vector", (3, ), mean=(0.0, 4.0, 5.0), stddev=(1.0, 3.0, 2.0), columns=("a", "b", "c"),
                   holes=True, categories=(("x", "y", "z"), (), ()))
VISITS = Modality("visits", "series", (3, ), mean=(4.0, 5.0, 5.0), stddev=(2.0, 3.0, 3.0), holes=True,
                  columns=("day:elapsed", "b", "c"))
SERIES = Modality("series", "series", (2, ), mean=(0.0, 0.0), stddev=(1.0, 1.0))


def make(folder):
    """{name: {"shards": pattern or none, "use": file}}."""
    sets = {"senses": {"shards": f"{folder}/senses/*.h5", "use": _only(driver.make_shards(
        folder / "use", "--classes", "3", "--splits", "0,0,1", "--samples-per-class", "2", "--missing", "0.2", "--seed",
        "7", "--shards", "1", "--frames", "4", "--nodes", "2"))}}
    driver.make_shards(folder / "senses", "--classes", "12", "--samples-per-class", "10", "--frames", "4",
                       "--nodes", "2")
    sets["senses"]["weights"] = _weights(folder / "senses", folder / "weights.csv")
    sets["senses"]["encoders"] = part_weights.make(folder / "weights", 8000)
    sets["values"] = _pair(folder, "values", [vector("x", 5), SERIES], targets=("y", "z"))
    sets["labels"] = _pair(folder, "labels", [vector("x", 5), SERIES], targets=("a", "b", "c"), of=(0, 1))
    sets["ratings"] = _pair(folder, "ratings", [vector("x", 5), SERIES], targets=("y", "z"), of=(1, 2, 3, 4, 5))
    sets["relevances"] = _pair(folder, "relevances", [vector("x", 5), SERIES], targets=("y", ), of=(0, 1, 2))
    sets["users"] = _pair(folder, "users", [vector("v", 3), SERIES])
    sets["holes"] = _pair(folder, "holes", [COLUMNS, VISITS])
    sets["poisoned"] = _pair(folder, "poisoned", [SERIES], poisoned=True)
    for name, width in (("curve", 1), ("table", 5)):  # for sources that draw what they train on themselves
        sets[name] = {"use": write(folder / f"{name}.h5", ["test"], [vector("x", width)], targets=("y", ))}
    sets["rows"] = {"use": write(folder / "rows.h5", ["test"] * 3, [vector("x", 5)])}
    for name, width in (("states", 4), ("ones", 1), ("places", 2)):
        sets[name] = {"use": write(folder / f"{name}.h5", ["test"], [vector("state", width)])}
    return sets


def _weights(shards, path):
    """Other weights for each of the training classes."""
    names = set()
    for shard in map(Shard, shards.glob("*.h5")):
        with shard:
            names |= {shard.class_names[of] for of, where in zip(shard.sample_class, shard.sample_split) if where == 0}
    lines = [f"{name},{1.5 ** number}" for number, name in enumerate(sorted(names))]
    path.write_text("\n".join(["class,weight", *lines]), encoding="utf-8")
    return path


def _only(folder):
    (shard, ) = folder.glob("*.h5")
    return shard


def vector(name, width):
    return Modality(name, "vector", (width, ), mean=(), stddev=())


def _pair(folder, name, senses, targets=(), poisoned=False, of=()):
    shards = write(folder / f"{name}.h5", SPLITS, senses, targets, poisoned, count=6, of=of)
    classes = ["test"] if targets else ["test"] * 2
    return {"shards": str(shards), "use": write(folder / f"{name}_use.h5", classes, senses, targets, of=of)}


def write(path, splits, senses, targets=(), poisoned=False, count=4, long=None, of=()):
    """A shard with a class for each entry of `splits`. `poisoned`: a sample of the third is so large that its squares
    are infinite. `long`: steps of the first sample's series. Targets are among `of`, or any numbers."""
    draw, samples = random.Random(path.name), []
    for number, split in enumerate(splits):
        for index in range(count):
            arrays = {sense.name: _values(draw, sense, number, long if (number, index) == (0, 0) else None)
                      for sense in senses}
            if poisoned and (number, index) == (2, 0):
                arrays["series"] = arrays["series"] * np.float32(1e30)
            if len(senses) > 1 and index % 3:
                del arrays[senses[index % 3 - 1].name]
            row = [draw.choice(of) if of else draw.uniform(-1, 1) for _ in targets]
            row = np.array(row, "<f4") if targets else None
            name = f"class {number}"
            samples.append(Loaded(f"{name}/{index}", name, f"group {index % 2}", split, arrays, row))
    write_shard(path, DatasetInfo(path.stem, "made by a test", "CC0-1.0", "a test", targets=targets), senses, samples)
    return path


def _values(draw, sense, number, long):
    """A picture, a text, a vector, or a series of 6 to 12 steps (or `long`), around the class's number."""
    if sense.kind == "text":
        words = " ".join(str(number + draw.randrange(3)) for _ in range(5))
        return np.frombuffer(words.encode(), "u1")
    steps = (long or draw.randrange(6, 12), ) if sense.kind == "series" else ()
    flat = np.array([draw.gauss(number, 1) for _ in range(int(np.prod((*steps, *sense.shape))))])
    if sense.kind == "image":
        return np.clip(4 * flat + 20, 0, 255).astype("u1").reshape(sense.shape)
    rows = flat.astype("<f4").reshape((*steps, *sense.shape))
    if sense.categories:
        rows[0] = number % 3 if draw.random() < 0.8 else np.nan
    elif sense.holes:
        rows[:, 0] = np.arange(len(rows)) ** 2
    if sense.holes:
        rows[..., 1:][np.array([draw.random() < 0.2 for _ in rows[..., 1:].flat]).reshape(rows[..., 1:].shape)] = np.nan
    return rows
