"""Small tables that the tests of `frame` draw themselves, and their shards read back."""

import csv
import random

from cuttle_data.files import shard_paths
from cuttle_data.reader import Shard

WORDS = "red blue good bad fast slow house tree car dog cat sea".split()


def write_csv(path, rows, separator=",", encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    return path


def texts(classes=6, each=4):
    """[[text, label]]: distinct texts of several words."""
    dice = random.Random(1)
    return [[" ".join(dice.choices(WORDS, k=5)) + f" {c}/{s}", f"topic {c}"] for c in range(classes)
            for s in range(each)]


def patients(count=12, steps=5, classes=6):
    """Rows of [patient, time, pulse, age, diagnosis], the times of a patient in falling order."""
    return [[f"p{p}", steps - t, 60 + p + t / 4, 30 + p, f"d{p % classes}"] for p in range(count)
            for t in range(steps)]


def convert(run, file, out, *options):
    """The output of `frame`, which must succeed, and its shards must pass verify."""
    code, text, err = run("frame", file, "--out", out, *options)
    assert (code, err) == (0, ""), err
    assert run("verify", out)[0] == 0
    return text


def read(out):
    """{name: (class, group, split, {modality: value}, targets)} of all samples."""
    found = {}
    for path in shard_paths([out]):
        with Shard(path) as shard:
            for row, name in enumerate(shard.sample_names):
                values = {m.name: shard.read(row, m.name) for m in shard.modalities
                          if shard.rows[m.name][row] >= 0}
                code = shard.sample_class[row]
                found[name] = (shard.class_names[code] if code >= 0 else None,
                               shard.group_names[shard.sample_group[row]], int(shard.sample_split[row]),
                               values, shard.targets[row].tolist() if shard.target_names else None)
    return found


def columns(out):
    """{modality: the columns of the table that it was made from}"""
    with Shard(shard_paths([out])[0]) as shard:
        return {m.name: m.columns for m in shard.modalities}


def modalities(out):
    with Shard(shard_paths([out])[0]) as shard:
        return {m.name: (m.kind, m.shape) for m in shard.modalities}
