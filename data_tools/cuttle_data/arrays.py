"""Reads .npy files: vectors, series and frames of videos."""

import numpy as np

from .decoding import as_bad_input
from .errors import BadInput

ARRAY_SUFFIXES = (".npy", )


def load_npy(path):
    """The numbers of a .npy file with one (vector) or two (series: steps x channels) dimensions;
    true and false are 1 and 0. Never unpickles."""
    with as_bad_input("broken .npy"):
        array = _checked(np.load(path, allow_pickle=False), (1, 2))
        return array.astype(np.uint8) if array.dtype.kind == "b" else array


def load_frames(path):
    """Those of a .npy file with four dimensions (video: frames x height x width x channels); of a
    path only what is looked at is read."""
    with as_bad_input("broken .npy"):
        mode = "r" if hasattr(path, "read_bytes") else None
        return _checked(np.load(path, mmap_mode=mode, allow_pickle=False), (4, ))


def npy_shape(path):
    """The shape that load_npy or load_frames will give, from the file's head only."""
    with as_bad_input("broken .npy"):
        return _checked(np.load(path, mmap_mode="r", allow_pickle=False)).shape


def _checked(array, dimensions=(1, 2, 4)):
    if not isinstance(array, np.ndarray):
        raise BadInput("broken .npy: an archive of several arrays")
    if array.dtype.kind not in "fiub":
        raise BadInput(f".npy holds {array.dtype}, not numbers")
    if array.ndim not in dimensions:
        raise BadInput(f".npy has {array.ndim} dimensions, not 1 (vector), 2 (series: steps x "
                       "channels) or 4 (video: frames x height x width x channels)")
    if array.ndim == 4 and array.dtype != np.uint8:
        raise BadInput(f".npy of frames holds {array.dtype}, not uint8")
    return array
