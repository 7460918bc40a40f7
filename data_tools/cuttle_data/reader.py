"""Reads shards and refuses what does not follow FORMAT.md, naming file and field."""

import json
import zlib

import h5py
import numpy as np

from . import names, schema
from .errors import UserError
from .shard_file import dataset_paths, index_sha256

_HEADER_TYPES = {
    names.DATASET_KEY: str, names.SOURCE_KEY: str, names.LICENSE_KEY: str,
    names.CREATED_BY_KEY: str, names.SEED_KEY: int, names.SHARD_KEY: int, names.SHARDS_KEY: int,
    names.MODALITIES_KEY: list
}


class Shard:
    """One open shard. The index is checked and in memory, data are read and checked sample by
    sample.

    header: dict; modalities: [Modality]; class_names, group_names, sample_names: [str];
    sample_class, sample_group, sample_split: arrays; target_names: (str), empty if there are none;
    targets: float32 [samples, targets]; rows[modality name]: for each sample its row among the
    present ones, or -1."""
    def __init__(self, path):
        """UserError if the file is not a whole shard."""
        self.path = path
        try:
            self.file_ = h5py.File(path, "r")
        except OSError as error:
            raise self.problem(f"cannot be opened ({str(error).splitlines()[0]})") from None
        try:
            self._check_root()
            self._read_samples()
            self._read_targets()
            self._read_modalities()
        except (KeyError, ValueError, TypeError, OSError, RuntimeError) as error:
            self.close()
            raise self.problem(f"{error}") from None
        except UserError:
            self.close()
            raise

    def problem(self, text):
        return UserError(f"{self.path}: {text} (not a whole shard of format "
                         f"{names.FORMAT_VERSION}); make the data set again")

    def read(self, sample, modality):
        """The array of a present modality of a sample; UserError if its checksum is wrong."""
        row = self.rows[modality][sample]
        try:
            if modality in self.offsets_:
                first, last = self.offsets_[modality][row:row + 2]
                array = self.data_[modality][first:last]
            else:
                array = self.data_[modality][row]
        except OSError as error:
            raise self.problem(
                f"sample {self.sample_names[sample]} [{modality}] cannot be read ({error})"
            ) from None
        if zlib.crc32(np.ascontiguousarray(array).data) != self.crc32_[modality][row]:
            raise self.problem(
                f"sample {self.sample_names[sample]} [{modality}] has a wrong CRC-32")
        return array

    def close(self):
        self.file_.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _check_root(self):
        attributes = self.file_.attrs
        for name in (names.FORMAT_ATTRIBUTE, names.VERSION_ATTRIBUTE):
            if name not in attributes:
                raise self.problem(f"lacks the attribute {name}")
        if _text(attributes[names.FORMAT_ATTRIBUTE]) != names.FORMAT_VALUE:
            raise self.problem(f"is of format {attributes[names.FORMAT_ATTRIBUTE]!r}")
        if int(attributes[names.VERSION_ATTRIBUTE]) != names.FORMAT_VERSION:
            raise self.problem(
                f"has version {attributes[names.VERSION_ATTRIBUTE]}, not {names.FORMAT_VERSION}")
        for path in dataset_paths(self.file_):
            self._check_storage(path)
        text = _text(attributes[names.HEADER_ATTRIBUTE])
        if index_sha256(self.file_, text) != _text(attributes[names.INDEX_SHA256_ATTRIBUTE]):
            raise self.problem("the index does not have the SHA-256 that was stored with it")
        self.header = json.loads(text)
        if not isinstance(self.header, dict):
            raise self.problem("the header is not a JSON object")
        for key, kind in _HEADER_TYPES.items():
            if not isinstance(self.header.get(key), kind):
                raise self.problem(f"header: {key} is missing or not of type {kind.__name__}")
        self.modalities = [modality_from(entry) for entry in self.header[names.MODALITIES_KEY]]
        if len({modality.name for modality in self.modalities}) != len(self.modalities):
            raise self.problem("header: a modality is named twice")
        self.target_names = self._target_names()
        if not 0 <= self.header[names.SHARD_KEY] < self.header[names.SHARDS_KEY]:
            raise self.problem("header: the shard number is out of range")

    def _target_names(self):
        if names.TARGETS_KEY not in self.header:
            return ()
        found = self.header[names.TARGETS_KEY]
        if not isinstance(found, list) or not found or not all(isinstance(n, str) for n in found):
            raise self.problem(f"header: {names.TARGETS_KEY} is not a list of names")
        try:
            schema.check_target_names(found)
        except UserError as error:
            raise self.problem(f"header: {error}") from None
        return tuple(found)

    def _check_storage(self, path):
        """Sizes are checked against the file before anything is allocated."""
        dataset = self.file_[path]
        if dataset.chunks is not None or dataset.dtype.kind not in "iuf":
            raise self.problem(f"{path} is not contiguous numbers")
        if dataset.nbytes > self.file_.id.get_filesize():
            raise self.problem(f"{path} is larger than the file")
        if dataset.nbytes and dataset.id.get_offset() is None:  # external, virtual, never written
            raise self.problem(f"{path} does not lie in this file in one piece")

    def _find(self, path):
        """The dataset. Links to elsewhere would let a shard name other files of the reader's machine."""
        links, steps = self.file_.id.links, path.strip("/").split("/")
        for count in range(1, len(steps) + 1):
            step = "/".join(steps[:count]).encode()
            if not links.exists(step):
                raise self.problem(f"lacks {path}")
            if links.get_info(step).type != h5py.h5l.TYPE_HARD:
                raise self.problem(f"/{step.decode()} is a link to somewhere else")
        dataset = self.file_[path]
        if not isinstance(dataset, h5py.Dataset):
            raise self.problem(f"{path} holds no data")
        return dataset

    def _get(self, path, dtype, length=None):
        dataset = self._find(path)
        fits = dataset.ndim == 1 and length in (None, len(dataset))
        if dataset.dtype != np.dtype(dtype) or not fits:
            raise self.problem(f"{path} has type {dataset.dtype} and shape {dataset.shape}")
        return dataset[()]

    def _texts(self, data_path, offsets_path, count=None):
        data = self._get(data_path, "|u1").tobytes()
        offsets = self._get(offsets_path, "<i8", None if count is None else count + 1)
        self._check_offsets(offsets_path, offsets, len(data))
        try:
            return [data[first:last].decode() for first, last in zip(offsets[:-1], offsets[1:])]
        except UnicodeDecodeError:
            raise self.problem(f"{data_path} is not UTF-8") from None

    def _check_offsets(self, path, offsets, end):
        whole = len(offsets) and offsets[0] == 0 and offsets[-1] == end
        if not whole or (np.diff(offsets) < 0).any():
            raise self.problem(f"{path} does not rise from 0 to {end}")

    def _read_samples(self):
        self.class_names = self._texts(names.CLASS_NAMES, names.CLASS_OFFSETS)
        self.group_names = self._texts(names.GROUP_NAMES, names.GROUP_OFFSETS)
        for texts, what in ((self.class_names, "class"), (self.group_names, "group")):
            if len(set(texts)) != len(texts):
                raise self.problem(f"a {what} is named twice")
        self.sample_class = self._get(names.SAMPLE_CLASS, "<i4")
        count = len(self.sample_class)
        self.sample_group = self._get(names.SAMPLE_GROUP, "<i4", count)
        self.sample_split = self._get(names.SAMPLE_SPLIT, "|u1", count)
        self.sample_names = self._texts(names.SAMPLE_NAMES, names.SAMPLE_OFFSETS, count)
        self._check_range(names.SAMPLE_CLASS, self.sample_class, -1, len(self.class_names))
        self._check_range(names.SAMPLE_GROUP, self.sample_group, 0, len(self.group_names))
        self._check_range(names.SAMPLE_SPLIT, self.sample_split, 0, len(schema.SPLITS))

    def _read_targets(self):
        shape = (len(self.sample_class), len(self.target_names))
        if not self.target_names:
            if self.file_.id.links.exists(names.SAMPLE_TARGETS.encode()):
                raise self.problem(f"has undeclared {names.SAMPLE_TARGETS}")
            self.targets = np.zeros(shape, schema.TARGET_DTYPE)
            return
        dataset = self._find(names.SAMPLE_TARGETS)
        if dataset.dtype != np.dtype(schema.TARGET_DTYPE) or dataset.shape != shape:
            raise self.problem(f"{names.SAMPLE_TARGETS} has type {dataset.dtype} and shape "
                               f"{dataset.shape}, not {schema.TARGET_DTYPE} and {shape}")
        self.targets = dataset[()]
        bad = np.argwhere(~np.isfinite(self.targets))
        if len(bad):
            sample, target = bad[0]
            raise self.problem(f"target {self.target_names[target]} of sample {sample} "
                               f"({self.sample_names[sample]}) is {self.targets[sample, target]}")

    def _check_range(self, path, values, low, high):
        if len(values) and not (low <= values.min() and values.max() < high):
            raise self.problem(f"{path} has a value outside [{low}, {high})")

    def _read_modalities(self):
        self.rows, self.crc32_, self.offsets_, self.data_ = {}, {}, {}, {}
        for modality in self.modalities:
            folder = names.MODALITY_GROUP + modality.name
            present = self._get(folder + names.MODALITY_PRESENT, "|u1", len(self.sample_class))
            if len(present) and present.max() > 1:
                raise self.problem(
                    f"{folder}{names.MODALITY_PRESENT} has a value other than 0 and 1")
            count = int(present.sum())
            self.rows[modality.name] = np.where(present, np.cumsum(present, dtype=np.int64) - 1, -1)
            self.crc32_[modality.name] = self._get(folder + names.MODALITY_CRC32, "<u4", count)
            data = self.data_[modality.name] = self._find(folder + names.MODALITY_DATA)
            length = count
            if modality.kind in schema.VARIABLE_KINDS:
                path = folder + names.MODALITY_OFFSETS
                self.offsets_[modality.name] = self._get(path, "<i8", count + 1)
                length = len(data) if data.ndim else -1
                self._check_offsets(path, self.offsets_[modality.name], length)
            dtype = np.dtype(schema.DTYPES[modality.kind])
            if data.dtype != dtype or data.shape != (length, *modality.row_shape):
                raise self.problem(
                    f"{folder}{names.MODALITY_DATA} has type {data.dtype} and shape {data.shape}")


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def modality_from(entry):
    """The Modality that an entry of the header declares; ValueError, KeyError or TypeError if it is
    none."""
    columns = entry.get(names.COLUMNS_KEY, [])
    if not isinstance(columns, list):
        raise ValueError(f"header: the columns of {entry[names.NAME_KEY]} are not a list of names")
    columns = [_column_from(column, entry) for column in columns]
    categories = tuple(found for _, found in columns)
    modality = schema.Modality(entry[names.NAME_KEY], entry[names.KIND_KEY],
                               tuple(entry[names.SHAPE_KEY]), entry[names.SAMPLE_RATE_KEY],
                               tuple(entry[names.MEAN_KEY]), tuple(entry[names.STDDEV_KEY]),
                               tuple(name for name, _ in columns),
                               entry.get(names.HOLES_KEY, False) is True,
                               categories if any(categories) else (),
                               entry.get(names.MOST_FRAMES_KEY, 0),
                               entry.get(names.DIRECTED_KEY, False) is True)
    try:
        modality.check()
    except UserError as error:
        raise ValueError(f"header: {error}") from None
    channels = modality.shape[-1] if modality.shape else 0
    for values in (modality.mean, modality.stddev):
        if len(values) not in (0, channels) or not np.isfinite(values).all():
            raise ValueError(f"header: the statistics of {modality.name} do not fit")
    if len(modality.mean) != len(modality.stddev) or min(modality.stddev, default=1) <= 0:
        raise ValueError(f"header: the statistics of {modality.name} do not fit")
    return modality


def _column_from(column, entry):
    """(name, categories); ValueError unless it is a name, or a name with a list of such."""
    own = column if isinstance(column, dict) else {names.NAME_KEY: column}
    name, found = own.get(names.NAME_KEY), own.get(names.CATEGORIES_KEY, [])
    if not isinstance(found, list) or not all(isinstance(text, str) for text in [name, *found]):
        raise ValueError(f"header: the columns of {entry[names.NAME_KEY]} are not a list of names")
    return name, tuple(found)
