"""Mean and standard deviation per channel or feature, in one pass over the training samples."""

import numpy as np

from . import names, schema


class Moments:
    """Count, mean and sum of squared deviations (float64), merged by Chan's formula, so that large
    means and many samples lose nothing. The result depends on the order of add and merge only in
    the last bits; the writer always uses the order of the samples."""
    def __init__(self, count=0, mean=0.0, squares=0.0):
        self.count, self.mean, self.squares = count, np.asarray(mean,
                                                                float), np.asarray(squares, float)

    def add(self, rows):
        """rows: [n, channels]."""
        rows = np.asarray(rows, float)
        mean = rows.mean(axis=0)
        self.merge(Moments(len(rows), mean, ((rows - mean)**2).sum(axis=0)))

    def merge(self, other):
        if other.count == 0:
            return
        total = self.count + other.count
        delta = other.mean - self.mean
        self.squares = self.squares + other.squares + delta**2 * (self.count * other.count / total)
        self.mean = self.mean + delta * (other.count / total)
        self.count = total

    def result(self):
        """(mean, stddev) as float32 values; a constant channel gets 1, so that dividing by it is
        safe."""
        if self.count == 0:
            return (), ()
        stddev = np.sqrt(self.squares / self.count).astype(np.float32)
        stddev[stddev == 0] = 1
        return tuple(map(float, self.mean.astype(np.float32))), tuple(map(float, stddev))

    def to_json(self):
        return [self.count, self.mean.tolist(), self.squares.tolist()]


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
    return moments
