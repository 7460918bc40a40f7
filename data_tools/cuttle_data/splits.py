"""Which classes train, validate and test."""

import hashlib

from . import names
from .errors import UserError
from .schema import SPLITS


def parse_fractions(text):
    """"0.64,0.16,0.2" -> (0.64, 0.16, 0.2); UserError unless three numbers >= 0 with the sum 1."""
    try:
        fractions = tuple(float(part) for part in text.split(","))
    except ValueError:
        fractions = ()
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise UserError(f"{text!r} are not three fractions for train, validation and test; "
                        "give for example 0.64,0.16,0.2 (the sum must be 1)")
    return fractions


def split_classes(class_names, fractions, seed):
    """{class: split}. Classes are ordered by SHA-256 of seed and name and cut by rounded cumulative
    fractions: the same classes give the same split everywhere."""
    order = sorted(set(class_names),
                   key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
    ends = [round(len(order) * share) for share in (fractions[0], fractions[0] + fractions[1])]
    return {
        name: names.SPLIT_TRAIN
        if index < ends[0] else names.SPLIT_VALIDATION if index < ends[1] else names.SPLIT_TEST
        for index, name in enumerate(order)
    }


def folder_splits(folders):
    """True if the folder names are splits (train, validation, test) and nothing else."""
    return bool(folders) and set(folders) <= set(SPLITS)
