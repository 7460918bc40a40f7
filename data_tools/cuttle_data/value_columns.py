"""The values of one modality for all samples of a table, held as arrays and not as an object each.

A column has `digest()`, bytes that stand for its content in a plan, `present`, which samples have a
value as far as is known, and `load(rows, skipped, doubted)`, which gives the values of some samples
as Values: data and lengths are those of the samples that `present` says have one. skipped(what,
reason) hears of values that cannot be used, doubted(what, reason) of odd ones.
"""

import zlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .decoding import Doubtful
from .errors import BadInput
from .schema import VARIABLE_KINDS


@dataclass
class Values:
    """present: bool for each sample asked for. blocks(keep): arrays whose rows, end to end, are
    the values of the samples in the mask `keep` that are present; lengths(keep): how many rows
    each of these has."""

    present: np.ndarray
    blocks: object
    lengths: object


class Vectors:
    """matrix: float32 [samples, features], without meaning where present is False; NaN: a hole."""

    def __init__(self, matrix, present):
        self.matrix_, self.present = matrix, present

    def of(self, feature):
        """A view of its values."""
        return self.matrix_[:, feature]

    def digest(self):
        return self.present.tobytes() + self.matrix_.tobytes()

    def load(self, rows, skipped, doubted):
        present = self.present[rows]
        return Values(present, lambda keep: [self.matrix_[rows[keep & present]]],
                      lambda keep: np.ones((keep & present).sum(), np.int64))


class Series:
    """steps: float32 [steps of all samples, channels], of which sample i has the next counts[i]."""

    def __init__(self, steps, counts):
        self.steps_, self.counts_ = steps, counts
        self.starts_ = np.cumsum(counts) - counts
        self.present = counts > 0

    def digest(self):
        return self.counts_.tobytes() + self.steps_.tobytes()

    def load(self, rows, skipped, doubted):
        present = self.present[rows]
        return Values(present, lambda keep: [self._steps(rows[keep & present])],
                      lambda keep: self.counts_[rows[keep & present]])

    def _steps(self, rows):
        counts = self.counts_[rows]
        ends = np.cumsum(counts)
        return self.steps_[np.repeat(self.starts_[rows] - (ends - counts), counts) +
                           np.arange(counts.sum())]


class Texts:
    """texts: an arrow array of strings; null or empty is absent."""

    def __init__(self, texts):
        self.texts_ = texts.cast(pa.large_string())
        self.present = np.asarray(pc.fill_null(pc.greater(pc.binary_length(self.texts_), 0), False))

    def digest(self):
        lengths = np.asarray(pc.fill_null(pc.binary_length(self.texts_), 0))
        return lengths.tobytes() + _bytes_of(self.texts_).tobytes()

    def load(self, rows, skipped, doubted):
        present = self.present[rows]

        def taken(keep):
            return self.texts_.take(pa.array(rows[keep & present]))

        return Values(present, lambda keep: [_bytes_of(taken(keep))],
                      lambda keep: np.asarray(pc.binary_length(taken(keep)), np.int64))


class Loaders:
    """Values that are read when their shard is written. load_one(row): the value, Doubtful or
    not, or BadInput;
    name_of(row): for messages; fingerprint: bytes that decide the content; progress(rows): goes
    over them and shows how far it is."""

    def __init__(self, modality, load_one, present, name_of, fingerprint, progress):
        self.modality_, self.load_one_, self.present = modality, load_one, present
        self.name_of_, self.fingerprint_, self.progress_ = name_of, fingerprint, progress

    def digest(self):
        return self.present.tobytes() + self.fingerprint_

    def load(self, rows, skipped, doubted):
        arrays = [None] * len(rows)
        for place in self.progress_(np.argsort(rows, kind="stable")):  # as they lie in their file
            if self.present[rows[place]]:
                arrays[place] = self._load(rows[place], skipped, doubted)
        present = np.array([array is not None for array in arrays], bool)

        def kept(keep):
            return [arrays[index] for index in np.flatnonzero(keep & present)]

        variable = self.modality_.kind in VARIABLE_KINDS
        return Values(
            present, lambda keep: kept(keep) if variable else [a[None] for a in kept(keep)],
            lambda keep: np.array([len(array) if variable else 1
                                   for array in kept(keep)], np.int64))

    def _load(self, row, skipped, doubted):
        where = f"{self.name_of_(row)} [{self.modality_.name}]"
        try:
            value = self.load_one_(row)
            if isinstance(value, Doubtful):
                doubted(where, value.reason)
                value = value.value
            return self.modality_.convert(value)
        except BadInput as problem:
            skipped(where, problem)
            return None


def checksums(blocks, lengths):
    """CRC-32 of each value, for blocks of which each holds whole values."""
    crcs, bounds, first = [], np.cumsum([0, *lengths]), 0
    for block in blocks:
        width = block.nbytes // max(1, len(block))
        last = first + int(np.searchsorted(bounds[first:], bounds[first] + len(block)))
        ends = (bounds[first:last + 1] - bounds[first]) * width
        view = memoryview(np.ascontiguousarray(block)).cast("B") if block.nbytes else b""
        crcs += [zlib.crc32(view[a:b]) for a, b in zip(ends.tolist(), ends[1:].tolist())]
        first = last
    return np.array(crcs, "<u4")


def _bytes_of(texts):
    """uint8: the strings of an arrow array without nulls among what is read, end to end."""
    offsets = np.frombuffer(texts.buffers()[1],
                            np.int64)[texts.offset:texts.offset + len(texts) + 1]
    if texts.buffers()[2] is None or not len(texts):
        return np.empty(0, np.uint8)
    return np.frombuffer(texts.buffers()[2], np.uint8)[offsets[0]:offsets[-1]]
