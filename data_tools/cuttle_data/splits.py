"""Which classes train, validate and test."""

import hashlib
import unicodedata

from . import names
from .errors import UserError

FRACTIONS = "0.64,0.16,0.2"
FOLDERS = {**dict.fromkeys(("train", "training"), names.SPLIT_TRAIN),
           **dict.fromkeys(("val", "valid", "validation", "dev"), names.SPLIT_VALIDATION),
           **dict.fromkeys(("test", "testing"), names.SPLIT_TEST)}


def add_split_arguments(parser, default=FRACTIONS, unused=""):
    """--splits and --all-test; default: fractions, or words for what is done without --splits;
    unused: when they are not looked at."""
    parser.add_argument("--splits", metavar="TRAIN,VALIDATION,TEST",
                        default=default if "," in default else None,
                        help=f"fractions of the classes (default: {default}){unused}")
    parser.add_argument("--all-test", action="store_true",
                        help="every class is for testing: --splits 0,0,1")


def chosen_fractions(args):
    """The three fractions by these arguments, None where the converter has its own; UserError if
    they are none."""
    if args.all_test:
        return 0.0, 0.0, 1.0
    return parse_fractions(args.splits) if args.splits is not None else None


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


def split_of_folder(name):
    """The split that a folder's name says, in any case, or None."""
    return FOLDERS.get(unified(name).lower())


def unified(name):
    """A name as it is compared: NFC, without white space around it. macOS stores NFD."""
    return unicodedata.normalize("NFC", name).strip()
