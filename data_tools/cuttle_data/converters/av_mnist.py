"""AV-MNIST: written digits and spoken ones as spectrograms, in .npy files.

ROOT holds image/{train,test}_data.npy [samples, 784] (0 to 255), audio/{train,test}_data.npy
[samples, 112, 112] and {train,test}_labels.npy [samples]:

    image         28 x 28, grey
    spectrogram   112 x 112, grey, by --range

A class is a digit. The published split (the last 5,000 of the training files validate) cuts
through the digits: they are split by --splits and --seed, or with --published become train/0,
validation/0, test/0 and so on.
"""

import functools
import math

import numpy as np

from .. import media, names
from ..deep_pictures import parse_range
from ..errors import BadInput, UserError
from ..layouts import common
from ..shards import Modality, Sample

SOURCE = "AV-MNIST (Vielzeuf et al. 2018), as laid out by MultiBench (Liang et al. 2021)"
VALIDATION = 5000  # the last of the training files, or a twelfth of smaller ones
SENSES = {"image": ("image", 28), "spectrogram": ("audio", 112)}


def add_arguments(parser):
    common.add_arguments(parser, by_class=True)
    parser.add_argument("--range", metavar="LOW..HIGH", default="0..255",
                        help="the numbers that are black and white in spectrograms (default: "
                        "0..255); samples with others are without one")


def convert(args, report):
    common.check_root(args)
    limits = parse_range(args.range)
    if not isinstance(limits, tuple):
        raise UserError(f"--range {args.range} is no LOW..HIGH; give the two numbers, as in 0..255")
    ranges = {"image": (0.0, 255.0), "spectrogram": limits}
    modalities = [Modality(sense, names.KIND_IMAGE, (side, side, 1))
                  for sense, (_, side) in SENSES.items()]
    samples = []
    for part in (names.SPLIT_TRAIN, names.SPLIT_TEST):
        labels, marks = _labels(args.root / f"{part}_labels.npy")
        arrays = {}
        for sense, (folder, side) in SENSES.items():
            path = args.root / folder / f"{part}_data.npy"
            arrays[sense], mark = _numbers(path, len(labels), side)
            marks += " " + mark
        for row, label in enumerate(labels):
            values = {sense: functools.partial(_picture, array, row, SENSES[sense][1],
                                               ranges[sense]) for sense, array in arrays.items()}
            samples.append(Sample(f"{part}/{row}", str(label), "all",
                                  _split(part, row, len(labels)), values, marks))
    common.write(args, report, SOURCE, samples, modalities, settings={"range": args.range})


def _split(part, row, count):
    validates = part == names.SPLIT_TRAIN and row >= count - min(VALIDATION, count // 12)
    return names.SPLIT_VALIDATION if validates else part


def _mapped(path):
    """The array, which stays on disk, and its fingerprint."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False), media.file_fingerprint(path)
    except (ValueError, EOFError) as error:
        raise UserError(f"{path}: not a whole .npy file ({error}); fetch it again") from None


def _labels(path):
    array, mark = _mapped(path)
    flat = np.asarray(array).reshape(-1)
    if flat.dtype.kind not in "iuf" or not (flat == np.floor(flat)).all():
        raise UserError(f"{path}: holds {flat.dtype}, not whole numbers (the digits); fetch it "
                        "again")
    return flat.astype(np.int64).tolist(), mark


def _numbers(path, count, side):
    array, mark = _mapped(path)
    if array.dtype.kind not in "iuf" or len(array) != count or (
            math.prod(array.shape[1:]) != side * side):
        raise UserError(f"{path}: holds {array.dtype} {list(array.shape)}, not {count} times {side} "
                        f"x {side} numbers (a row for each label); fetch it again")
    return array, mark


def _picture(array, row, side, limits):
    low, high = limits
    values = np.asarray(array[row], np.float64).reshape(side, side, 1)
    if not (low <= values.min() and values.max() <= high):  # NaN: neither
        raise BadInput(f"values from {values.min():g} to {values.max() + 0.0:g}, not within {low:g} to "
                       f"{high:g}; say by --range what black and white are")
    return np.round((values - low) * (255 / (high - low))).astype(np.uint8)
