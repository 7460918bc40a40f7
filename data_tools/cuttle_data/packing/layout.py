"""What a model takes, by a shard of its data set, its run or a file of `cuttle adapt`."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from .. import names
from ..errors import UserError
from ..files import SHARD_SUFFIX
from ..reader import Shard, modality_from

HDF5 = b"\x89HDF\r\n\x1a\n"
ADAPTED = "cuttle-adapted-"
LONGEST_HEAD = 1 << 26  # bytes of JSON before the arrays of a file of `cuttle adapt`
MANIFEST, FACTS, CONFIG = "manifest.json", "facts.json", "config.yaml"


@dataclass(frozen=True)
class Layout:
    """targets: how many values the model predicts, or its shard has; target_names: of those in its
    data, () where an older version did not record them. encoders: {sense: type}, {} where nothing
    says."""

    path: Path
    name: str
    modalities: list
    targets: int = 0
    target_names: tuple = ()
    encoders: dict = field(default_factory=dict)


def layout_of(path):
    """The Layout of a shard, of a folder of shards, of a run or one of its checkpoints, or of a
    file of `cuttle adapt`. UserError if it is none of these."""
    if path.is_dir():
        return _of_folder(path)
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; give --like a run, a file of cuttle "
                        "adapt or a shard")
    with open(path, "rb") as file:
        if file.read(len(HDF5)) == HDF5:
            return _of_shard(path)
    adapted = layout_of_adapted(path)
    if not adapted:
        raise UserError(f"{path}: no shard, no run and no file of cuttle adapt (nothing says what "
                        "the model takes); give --like one of these")
    return adapted


def layout_of_adapted(path):
    """The Layout of a file of `cuttle adapt`, or None if it is something else."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            metadata = json.loads(file.read(min(length, LONGEST_HEAD)))["__metadata__"]
        if not metadata["format"].startswith(ADAPTED):
            return None
    except (IsADirectoryError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return _of_record(path, path.name, metadata)


def _of_folder(folder):
    """The newest checkpoint whose facts are whole: those of one run take the same senses."""
    steps = [] if (folder / MANIFEST).exists() else (folder / "checkpoints").glob("*step-*")
    found = sorted(steps, key=lambda path: path.name.rpartition("-")[2].zfill(20), reverse=True)
    for checkpoint in found or [folder]:
        facts = _facts(checkpoint)
        if facts:
            return _of_record(folder, folder.name, facts)
    shards = sorted(folder.glob("*" + SHARD_SUFFIX))
    if shards and not found:
        return _of_shard(shards[0])
    what = "its checkpoints are damaged" if found else "no checkpoint and no shard lies there"
    raise UserError(f"{folder}: {what} (nothing says what the model takes); give --like a trained "
                    "run, a file of cuttle adapt or a shard")


def _facts(checkpoint):
    """What a checkpoint says of its run, or None if that is not as it was written."""
    try:
        said = json.loads((checkpoint / MANIFEST).read_bytes())["files"][FACTS]["sha256"]
        data = (checkpoint / FACTS).read_bytes()
        if hashlib.sha256(data).hexdigest() != said:
            return None
        config = checkpoint / CONFIG
        return {"config": config.read_text("utf-8") if config.exists() else "", **json.loads(data)}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _of_shard(path):
    with Shard(path) as shard:
        return Layout(path, shard.header["dataset"], shard.modalities, len(shard.target_names),
                      shard.target_names)


def _of_record(path, name, record):
    """record: as C++ writes it into checkpoints and adapted files, all values texts."""
    try:
        modalities = [_recorded(entry) for entry in json.loads(record["modalities"])]
        modalities = [replace(m, sample_rate=int(m.sample_rate)) if m.sample_rate % 1 == 0 else m
                      for m in modalities]
        config = _keys_of(record.get("config", ""))
        classes = config.get("episode.target") == "class"
        return Layout(path, name, modalities,
                      0 if classes else int(record.get("target_width", "0")),
                      tuple(map(str, json.loads(record.get("target_names", "[]")))),
                      {m.name: config[key] for m in modalities
                       for key in [f"model.encoders.{m.name}.type"] if key in config})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: what it says of the model's senses cannot be read ({error}; "
                        "written by a newer version?); give --like another one") from None


def _recorded(entry):
    """The sense as shards have it, before the run's own steps (`fitted`); with holes, where one of these fills them."""
    steps = entry.get("fitted", [])
    if not steps:
        return modality_from(entry)
    of_texts = entry["kind"] == names.KIND_VECTOR and not steps[0]["columns"]  # such as tf_idf's
    shape = [steps[0]["columns"]] if entry["shape"] and not of_texts else []
    before = modality_from({**entry, "kind": names.KIND_TEXT if of_texts else entry["kind"],
                            "shape": shape, "mean": [], "stddev": []})
    fills = any(step["type"].startswith("impute") for step in steps)
    return replace(before, holes=before.holes or fills)


def _keys_of(config):
    """{"episode.target": "class"} of a config as C++ writes it: a key a line, indented by two."""
    found, path = {}, []
    for line in config.splitlines():
        key, _, value = line.strip().partition(":")
        path[(len(line) - len(line.lstrip())) // 2:] = [key]
        found[".".join(path)] = value.strip()
    return found
