"""What both emoji data sets decide about their samples: splits by subgroup, and what is missing."""

import hashlib

from .errors import UserError
from .schema import SPLITS

FRACTIONS = (0.60, 0.15, 0.25)  # of the classes, for train, validation and test


def split_subgroups(subgroup_of, seed, fractions=None):
    """{subgroup: split} for {class: subgroup}: subgroups in order of the SHA-256 of seed and name,
    each given to the split that lacks most classes of its fraction."""
    fractions = fractions or FRACTIONS
    sizes = {}
    for subgroup in subgroup_of.values():
        sizes[subgroup] = sizes.get(subgroup, 0) + 1
    lacking = [fraction * len(subgroup_of) for fraction in fractions]
    split_of = {}
    for subgroup in sorted(sizes, key=lambda name: _digest(seed, name)):
        split = lacking.index(max(lacking))
        lacking[split] -= sizes[subgroup]
        split_of[subgroup] = SPLITS[split]
    return split_of


def leave_out(values, sample_name, rate, seed):
    """The values without those that are missing on purpose: each with the probability `rate`,
    decided by the SHA-256 of seed, sample and modality. At least one stays."""
    draws = {name: int.from_bytes(_digest(seed, sample_name, name)[:8], "big") / 2**64
             for name in values}
    kept = max(draws, key=draws.get)
    return {name: value for name, value in values.items() if draws[name] >= rate or name == kept}


def add_missing_rate(parser, default):
    parser.add_argument("--missing-rate", type=float, default=default, metavar="RATE",
                        help="probability that a modality is left out of a sample, never all of "
                        f"them (default: {default})")


def check_missing_rate(rate):
    if not 0 <= rate < 1:
        raise UserError(f"--missing-rate {rate} is not within [0, 1); give for example 0.1")


def note_splits(report, split_of):
    """Names the subgroups of each split in the summary."""
    for split in SPLITS:
        chosen = sorted(subgroup for subgroup, its_split in split_of.items() if its_split == split)
        report.note(f"subgroups of {split}: {', '.join(chosen)}")


def _digest(*parts):
    return hashlib.sha256("/".join(map(str, parts)).encode()).digest()
