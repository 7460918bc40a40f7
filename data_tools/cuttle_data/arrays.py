"""Reads .npy files: vectors and series."""

import numpy as np

from .decoding import as_bad_input
from .errors import BadInput

ARRAY_SUFFIXES = (".npy", )


def load_npy(path):
    """The numbers of a .npy file with one (vector) or two (series: steps x channels) dimensions;
    true and false are 1 and 0. Never unpickles."""
    with as_bad_input("broken .npy"):
        array = _checked(np.load(path, allow_pickle=False))
        return array.astype(np.uint8) if array.dtype.kind == "b" else array


def npy_shape(path):
    """The shape that load_npy will give, from the file's head only."""
    with as_bad_input("broken .npy"):
        return _checked(np.load(path, mmap_mode="r", allow_pickle=False)).shape


def _checked(array):
    if not isinstance(array, np.ndarray):
        raise BadInput("broken .npy: an archive of several arrays")
    if array.dtype.kind not in "fiub":
        raise BadInput(f".npy holds {array.dtype}, not numbers")
    if array.ndim not in (1, 2):
        raise BadInput(
            f".npy has {array.ndim} dimensions, not 1 (vector) or 2 (series: steps x channels)")
    return array
