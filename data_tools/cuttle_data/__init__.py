"""Turns folders and tables of images, texts, sounds, series and numbers into shards (../FORMAT.md);
load(FILE) is an adapted model that answers (model.py)."""

import os

# Locks fail or hang on many network file systems. Writers rename whole files instead, readers never write.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")


def __getattr__(name):
    if name == "load":  # h5py, numpy and Pillow only where they are needed
        from .model import load
        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
