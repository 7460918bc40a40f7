"""Writes the shards of tests/gold/data: python3 make_data.py OUT_FOLDER. Only whole numbers are drawn, and the
statistics are declared, so that no library's arithmetic has a part in the bytes.

sets:    image 8x8x3 and text, one or the other missing in some samples; two groups
senses:  image 16x16x1, audio and series, some missing
values:  vectors of two features with two target values

Each has classes to train on, to validate with and to test on, and beside it NAME_support.h5 and NAME_query.h5: what
`adapt` learns from and what `predict` is asked.
"""

import math
import random
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "data_tools"))

from cuttle_data.schema import DatasetInfo, Modality  # noqa: E402
from cuttle_data.shard_file import Loaded, write_shard  # noqa: E402

LETTERS = "abcdefghäß漢"
RATE = 8000
SENSES = {
    "sets": [Modality("image", "image", (8, 8, 3), mean=(0.5, 0.5, 0.5), stddev=(0.25, 0.25, 0.25)),
             Modality("text", "text")],
    "senses": [Modality("image", "image", (16, 16, 1), mean=(0.5, ), stddev=(0.25, )),
               Modality("audio", "audio", sample_rate=RATE),
               Modality("series", "series", (2, ), mean=(0.0, 0.0), stddev=(0.5, 0.5))],
    "values": [Modality("x", "vector", (2, ), mean=(), stddev=())],
}
# Classes to train on, to validate with, to test on; samples of each.
SIZES = {"sets": ((6, 4, 4), 6), "senses": ((4, 3, 3), 4), "values": ((6, 3, 3), 8)}


def image(draw, pattern, side, channels):
    """Blocks of the class's own grey values, with noise."""
    block = side // 4
    return np.array([[[min(255, pattern[4 * (y // block) + x // block] * 12 + draw.randrange(64) + 8 * channel)
                       for channel in range(channels)] for x in range(side)] for y in range(side)], "u1")


def text(draw, pattern):
    letters = [LETTERS[(value if draw.randrange(4) else draw.randrange(16)) % len(LETTERS)] for value in pattern[:7]]
    return np.frombuffer("".join(letters[:4 + draw.randrange(4)]).encode(), "u1")


def audio(draw, pattern):
    """A saw tooth of the class's own period."""
    period, length = 8 + pattern[0], 240 + draw.randrange(80)
    return np.array([400 * (n % period) - 200 * period + draw.randrange(800) for n in range(length)], "<i2")


def series(draw, pattern):
    steps = 8 + draw.randrange(8)
    return np.array([[(n * (1 + pattern[c]) % 16 - 8 + draw.randrange(4)) / 16 for c in range(2)]
                     for n in range(steps)], "<f4")


def values_of(name, draw, pattern, index):
    """Arrays of one sample by sense; every fifth or so lacks one."""
    if name == "values":
        return {"x": np.array([draw.randrange(-64, 64) / 32, draw.randrange(-64, 64) / 32], "<f4")}
    if name == "sets":
        arrays = {"image": image(draw, pattern, 8, 3), "text": text(draw, pattern)}
        absent = {3: "image", 4: "text"}.get((index + pattern[0]) % 6)
    else:
        arrays = {"image": image(draw, pattern, 16, 1), "audio": audio(draw, pattern), "series": series(draw, pattern)}
        absent = {1: "image", 2: "audio", 3: "series"}.get((index + pattern[0]) % 8)
    return {sense: array for sense, array in arrays.items() if sense != absent}


def targets_of(name, pattern, arrays):
    """Two functions of x that are the class's own, exact in float32."""
    if name != "values":
        return None
    first, second = (float(value) for value in arrays["x"])
    return np.array([(pattern[0] * first - pattern[1] * second) / 16, abs(first) - pattern[2] / 8], "<f4")


def samples_of(name, prefix, seed, splits, count):
    """`count` samples of a class for each entry of `splits`."""
    draw, samples = random.Random(seed), []
    for number, split in enumerate(splits):
        class_name, pattern = f"{prefix} {number}", [draw.randrange(16) for _ in range(16)]
        for index in range(count):
            arrays = values_of(name, draw, pattern, index)
            samples.append(Loaded(f"{class_name}/{index}", class_name, f"group {index % 2}", split, arrays,
                                  targets_of(name, pattern, arrays)))
    return samples


def write(folder):
    for seed, (name, (sizes, count)) in enumerate(SIZES.items()):
        info = DatasetInfo(name, "made by tests/gold/make_data.py", "CC0-1.0", "tests/gold/make_data.py",
                           targets=("y", "z") if name == "values" else ())
        splits = sum(([split] * size for split, size in zip(("train", "validation", "test"), sizes)), [])
        new = samples_of(name, "new", 10 + seed, ["test"] * 3, 6)
        for file, samples in ((name, samples_of(name, "class", seed, splits, count)),
                              (f"{name}_support", [s for s in new if int(s.name[-1]) < 3]),
                              (f"{name}_query", [s for s in new if int(s.name[-1]) >= 3])):
            assert all(math.isfinite(value) for s in samples if s.targets is not None for value in s.targets)
            write_shard(folder / f"{file}.h5", info, SENSES[name], samples, seed=seed)


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    write(out)
