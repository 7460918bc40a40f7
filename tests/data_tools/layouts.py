"""Shared by the tests of published layouts: converts a miniature and reads its shards."""

import io
from types import SimpleNamespace

import numpy as np
from cuttle_data.reader import Shard
from cuttle_data.schema import SPLITS
from PIL import Image


def converted(run, command, root, out, *arguments):
    """({name of a sample: it}, what was said) of `cuttle-data COMMAND ROOT --out OUT`; verify has
    passed, and the same command knows its work. A sample: class_name, group, split, values
    {modality: array, of text str}, targets {name: value}."""
    code, text, error = run(command, root, "--out", out, "--shards", 2, *arguments)
    assert code == 0, error
    assert run("verify", out)[0] == 0
    assert "nothing to do" in run(command, root, "--out", out, "--shards", 2, *arguments)[1]
    samples = {}
    for path in sorted(out.glob("*.h5")):
        with Shard(path) as shard:
            found = {name: _sample(shard, row) for row, name in enumerate(shard.sample_names)}
            assert not samples.keys() & found.keys()
            samples.update(found)
    return samples, text


def _sample(shard, row):
    values = {m.name: shard.read(row, m.name) for m in shard.modalities
              if shard.rows[m.name][row] >= 0}
    for modality in shard.modalities:
        if modality.kind == "text" and modality.name in values:
            values[modality.name] = values[modality.name].tobytes().decode()
    return SimpleNamespace(class_name=shard.class_names[shard.sample_class[row]],
                           group=shard.group_names[shard.sample_group[row]],
                           split=SPLITS[shard.sample_split[row]], values=values,
                           targets=dict(zip(shard.target_names, shard.targets[row].tolist())))


def refused(run, command, root, out, *arguments):
    """The message of a conversion that is refused and leaves nothing."""
    code, _, error = run(command, root, "--out", out, *arguments)
    assert code == 2, error
    assert not out.exists()
    return error


def save_picture(path, colour, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, quality=95)


def picture_bytes(colour, size=(8, 8), kind="PNG"):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


def is_of(picture, colour):
    """Whether all pixels have about this colour, as JPEG keeps it."""
    return np.abs(picture.astype(int) - np.array(colour)).max() <= 3
