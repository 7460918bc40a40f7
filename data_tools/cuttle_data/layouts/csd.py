"""Computational sequences of the CMU Multimodal SDK: HDF5, a sequence a file, /NAME/data/VIDEO with
features [rows, width] and intervals [rows, 2] in seconds. Aligned ones have VIDEO[3] for VIDEO."""

import ast
import functools
import json
import re

import h5py
import numpy as np

from .. import names
from ..errors import BadInput, UserError
from ..media import file_fingerprint
from ..shards import Modality, Sample
from ..splits import split_of_folder
from ..texts import plain_bytes
from . import affect

SUFFIX = ".csd"
PAUSE = b"sp"
LARGEST = 1 << 32  # bytes of a video's sequence
FOLD = re.compile(r"standard_(\w+)_fold")


class Sequence:
    """One open file. name: as a modality; ids: of videos or segments; width: of its features; words:
    whether they are words."""

    def __init__(self, path):
        """UserError if it is no sequence."""
        self.path = path
        try:
            self.file_ = h5py.File(path, "r")
            root = next(iter(self.file_))
            self.data_, self.metadata_ = self.file_[root]["data"], self.file_[root].get("metadata", {})
            self.ids = list(self.data_)
            first = self.data_[self.ids[0]]["features"]
            self.words = first.dtype.kind in "OS"
            self.width = (*first.shape, 1)[1]
        except (OSError, KeyError, StopIteration, LookupError, AttributeError, TypeError) as error:
            raise UserError(f"{path}: no computational sequence (/NAME/data/VIDEO/features is missing"
                            f": {str(error).splitlines()[0]}); fetch it again") from None
        self.title = root
        self.name = re.sub(r"[^a-z0-9]+", "_", root.lower()).strip("_")

    @property
    def is_labels(self):
        return "label" in self.title.lower()

    def modality(self):
        return (Modality(self.name, names.KIND_TEXT) if self.words else
                Modality(self.name, names.KIND_SERIES, (self.width, )))

    def has(self, name):
        return name in self.data_

    def rows(self, name, interval=None):
        """(features, intervals), or those that an interval touches, in order of time; BadInput if
        they are broken."""
        try:
            held = self.data_[name]
            features, intervals = held["features"], held["intervals"]
            if features.size * 8 > LARGEST or len(features) != len(intervals):
                raise BadInput(f"{len(features)} features with {len(intervals)} intervals")
            times = intervals[()]
            if interval is None:
                return features[()], times
            touched = np.flatnonzero((times[:, 0] < interval[1]) & (times[:, 1] > interval[0]))
            if not len(touched):
                raise BadInput("nothing at that time: the sense is missing")
            first, last = touched[0], touched[-1]
            touched = touched[np.argsort(times[touched, 0], kind="stable")]
            return features[first:last + 1][touched - first], times[touched]
        except (OSError, LookupError, TypeError, ValueError) as error:
            raise BadInput(f"broken sequence: {str(error).splitlines()[0]}") from None

    def value(self, name, interval):
        """The value of the modality."""
        features, _ = self.rows(name, interval)
        if self.words:
            words = [word for word in np.ravel(features).tolist() if word not in (PAUSE, "sp")]
            return plain_bytes(" ".join(
                word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
                for word in words)).decode()
        return affect.as_series(*affect.cleaned(features))

    def dimension_names(self):
        """What its features are called, by its own word, or by how many they are."""
        try:
            said = json.loads(self.metadata_["dimension names"][0])
            if isinstance(said, list) and len(set(map(str, said))) == self.width:
                return tuple(map(str, said))
        except (LookupError, TypeError, ValueError):
            pass
        return affect.label_names(self.width)


def read(paths, report):
    """(samples whose groups are their videos, modalities, names of targets) of the files of one
    folder, of which one has labels."""
    sequences = [Sequence(path) for path in paths]
    labels = [sequence for sequence in sequences if sequence.is_labels]
    if len(labels) != 1:
        raise UserError(f"{paths[0].parent}: {len(labels)} sequences of labels (one says what the "
                        "segments are); keep one file whose sequence has Labels in its name")
    senses = [sequence for sequence in sequences if sequence not in labels]
    folds = read_folds(paths[0].parent)
    mark = " ".join(map(file_fingerprint, paths))
    samples = []
    for name in labels[0].ids:
        video = affect.video_of(name) or name
        if folds and video not in folds:
            report.skipped(name, "its video is in no fold")
            continue
        try:
            features, intervals = labels[0].rows(name)
        except BadInput as problem:
            report.skipped(name, problem)
            continue
        samples += _segments(name, video, features, intervals, folds.get(video), senses, mark, report)
    return samples, [sense.modality() for sense in senses], labels[0].dimension_names()


def _segments(name, video, features, intervals, split, senses, mark, report):
    aligned = video != name
    for row, label in enumerate(np.asarray(features, np.float32)):
        segment = name if aligned else f"{name}[{row}]"
        if not np.isfinite(label).all():
            report.skipped(segment, "its label is no number")
            continue
        interval = None if aligned else tuple(intervals[row].tolist())
        values = {sense.name: functools.partial(sense.value, name, interval) for sense in senses
                  if sense.has(name)}
        yield Sample(segment, video, video, split, values, mark, tuple(label.tolist()))


def read_folds(folder):
    """{video: split} of the SDK's *folds.py in the folder, which is parsed and not run; {} without
    one."""
    folds = {}
    for path in sorted(folder.glob("*folds*.py")):
        try:
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                found = isinstance(node, ast.Assign) and FOLD.fullmatch(ast.unparse(node.targets[0]))
                if found:
                    for video in ast.literal_eval(node.value):
                        folds[str(video)] = split_of_folder(found[1])
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise UserError(f"{path}: {error} (no lists of videos); fetch it again") from None
    return folds
