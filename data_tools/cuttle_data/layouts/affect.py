"""What the layouts of speech with sentiment have in common: names of what is predicted."""

import re

import numpy as np

from ..decoding import Doubtful
from ..errors import BadInput

WHOLE = "all"
SEGMENT = re.compile(r"(.+)\[\d+\]")
MOSEI = ("sentiment", "happy", "sad", "anger", "surprise", "disgust", "fear")
STRONGEST = 3  # of sentiment, either way


def label_names(count):
    """The names of a sample's labels, by how many there are."""
    return {1: MOSEI[:1], 7: MOSEI}.get(count) or tuple(f"label_{n}" for n in range(1, count + 1))


def video_of(name):
    """The video of VIDEO[3] or VIDEO$_$3, or None."""
    if "$_$" in name:
        return name.partition("$_$")[0]
    found = SEGMENT.fullmatch(name)
    return found[1] if found else None


def cleaned(steps):
    """(float32 with 0 for what is not finite, how many were not). -inf is a logarithm of nothing."""
    steps = np.asarray(steps, np.float32)
    bad = ~np.isfinite(steps)
    return np.where(bad, np.float32(0), steps), int(bad.sum())


def as_series(steps, bad):
    """The value of a modality: Doubtful where numbers were not finite; BadInput if nothing is left."""
    if not steps.any():
        raise BadInput("only padding: the sense is missing")
    return Doubtful(steps, f"{bad} numbers are not finite: they are 0 now") if bad else steps


def note_of_strength(samples, report):
    """Says how many sentiments are stronger than the scale has it."""
    beyond = [sample.name for sample in samples if abs(sample.targets[0]) > STRONGEST]
    if beyond:
        report.note(f"{len(beyond)} sentiments are beyond {STRONGEST}, such as that of {beyond[0]}: "
                    "they are kept")
