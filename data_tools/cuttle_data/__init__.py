"""Turns folders of images, texts, sounds and series into shards (../FORMAT.md)."""

import os

# Locks fail or hang on many network file systems. Writers rename whole files instead, readers never write.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")
