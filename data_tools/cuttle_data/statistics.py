"""Mean and standard deviation per channel or feature, in one pass over the training samples."""

import numpy as np

from . import names, schema
from .graphs import parts_of


class Moments:
    """Count, mean and sum of squared deviations (float64), merged by Chan's formula, so that large
    means and many samples lose nothing. The result depends on the order of add and merge only in
    the last bits; the writer always uses the order of the samples. Holes (NaN) count nowhere: with
    some, there is a count for each channel."""
    def __init__(self, count=0, mean=0.0, squares=0.0):
        self.count = np.array(count) if isinstance(count, list) else count
        self.mean, self.squares = np.asarray(mean, float), np.asarray(squares, float)

    def add(self, rows):
        """rows: [n, channels]."""
        rows = np.asarray(rows, float)
        count, mean = len(rows), rows.mean(axis=0)
        if np.isnan(mean).any():
            known = ~np.isnan(rows)
            count = known.sum(axis=0)
            mean = np.where(known, rows, 0).sum(axis=0) / np.maximum(count, 1)
            rows = np.where(known, rows, mean)
        self.merge(Moments(count, mean, ((rows - mean)**2).sum(axis=0)))

    def merge(self, other):
        if not np.any(other.count):
            return
        total = self.count + other.count
        some = np.maximum(total, 1)
        delta = other.mean - self.mean
        self.squares = self.squares + other.squares + delta**2 * (self.count * other.count / some)
        self.mean = self.mean + delta * (other.count / some)
        self.count = total

    def result(self):
        """(mean, stddev) as float32 values; a constant channel gets 1, so that dividing by it is
        safe, and so does one of holes alone."""
        if not np.any(self.count):
            return (), ()
        stddev = np.sqrt(self.squares / np.maximum(self.count, 1)).astype(np.float32)
        stddev[stddev == 0] = 1
        return tuple(map(float, self.mean.astype(np.float32))), tuple(map(float, stddev))

    def to_json(self):
        return [np.asarray(self.count).tolist(), self.mean.tolist(), self.squares.tolist()]


def moments_of(modality, samples):
    """Moments of one modality over loaded samples; only those of the training split count."""
    moments = Moments()
    for sample in samples:
        array = sample.arrays.get(modality.name)
        if array is None or sample.split != names.SPLIT_TRAIN:
            continue
        if modality.kind in schema.PICTURE_KINDS:
            moments.add(array.reshape(-1, modality.shape[2]) / 255.0)
        elif modality.kind in (names.KIND_SERIES, names.KIND_VECTOR):
            moments.add(array.reshape(-1, modality.shape[0]))
        elif modality.kind == names.KIND_GRAPH:
            moments.add(parts_of(array, modality.shape[0], modality.directed)[0])
    return moments
