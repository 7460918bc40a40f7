"""The layout of one shard in HDF5 (FORMAT.md): writing the datasets, sealing with header and index
hash."""

import contextlib
import hashlib
import json
import math
import os
import tempfile
import zlib
from array import array
from dataclasses import dataclass

import h5py
import numpy as np

from . import names, schema
from .errors import UserError
from .files import atomic

# 1.8 objects: readable by every HDF5 since 2008, metadata carry their own checksums, attributes may
# exceed 64 KiB.
LIBVER = ("v108", "v108")
BLOCK = 64  # samples per write
WAITING_BYTES = 1 << 24  # of values read at once


@dataclass
class Loaded:
    """A sample whose values are arrays as they are stored."""

    name: str
    class_name: str
    group: str
    split: str
    arrays: dict
    targets: np.ndarray = None


def header_text(info, modalities, seed, shard, shards):
    header = {
        names.DATASET_KEY: info.name, names.SOURCE_KEY: info.source,
        names.LICENSE_KEY: info.license, names.CREATED_BY_KEY: info.created_by,
        names.SEED_KEY: seed, names.SHARD_KEY: shard, names.SHARDS_KEY: shards,
        names.MODALITIES_KEY: [modality.to_header() for modality in modalities]
    }
    if info.targets:
        header[names.TARGETS_KEY] = list(info.targets)
    return json.dumps(header)


def write_datasets(path, modalities, samples, target_count=0):
    """A file with everything but the root attributes; no shard yet (readers refuse it)."""
    with creating(path) as file:
        _write_samples(file, samples)
        if target_count:
            rows = [sample.targets for sample in samples]
            write_targets(file, np.array(rows, schema.TARGET_DTYPE).reshape(-1, target_count))
        for modality in modalities:
            _write_modality(file, modality,
                            [sample.arrays.get(modality.name) for sample in samples])


@contextlib.contextmanager
def creating(path):
    """The new file at `path`, open for its datasets; a failing disk is a UserError."""
    with _writing(path), _create(path) as file:
        _make_group(file, names.MODALITY_GROUP.rstrip("/"))
        yield file


def seal(path, header):
    """Adds the root attributes, which make the file at `path` a shard."""
    with _writing(path), h5py.File(path, "r+", libver=LIBVER) as file:
        _write_text_attribute(file, names.FORMAT_ATTRIBUTE, names.FORMAT_VALUE)
        file.attrs[names.VERSION_ATTRIBUTE] = np.int64(names.FORMAT_VERSION)
        _write_text_attribute(file, names.HEADER_ATTRIBUTE, header)
        _write_text_attribute(file, names.INDEX_SHA256_ATTRIBUTE, index_sha256(file, header))


def write_shard(path, info, modalities, samples, seed=0):
    """One whole shard file, the only one of its data set. UserError if no sample has one of the
    modalities."""
    with ShardStream(path, modalities) as stream:
        for sample in samples:
            stream.add(sample)
        schema.check_present(modalities, stream.present())
        stream.finish(info, seed)


class ShardStream:
    """A shard that is the only one of its data set, written sample by sample: values wait in files
    without a name beside it until it is known how many there are."""

    def __init__(self, path, modalities):
        self.path_, self.modalities_ = path, modalities
        self.names_, self.targets_, self.splits_ = [], [], array("B")
        self.classes_, self.groups_ = _Numbered(), _Numbered()
        self.values_ = {modality.name: _Waiting(path.parent) for modality in modalities}

    def add(self, sample):
        """sample: Loaded."""
        self.classes_.add(sample.class_name)
        self.groups_.add(sample.group)
        self.splits_.append(schema.SPLITS.index(sample.split))
        self.names_.append(sample.name)
        self.targets_.append(sample.targets)
        with _writing(self.path_):
            for name, waiting in self.values_.items():
                waiting.add(sample.arrays.get(name))

    def __len__(self):
        return len(self.names_)

    def class_names(self):
        return self.classes_.names()

    def labelled(self):
        """How many samples have a class."""
        return sum(number >= 0 for number in self.classes_.ids)

    def present(self):
        """Names of the modalities that a sample has."""
        return {name for name, waiting in self.values_.items() if waiting.lengths}

    def finish(self, info, seed=0):
        """Writes the file, with the modalities that are present."""
        modalities = [m for m in self.modalities_ if m.name in self.present()]
        with atomic(self.path_) as temporary:
            with creating(temporary) as file:
                write_index(file, self.classes_.names(), self.classes_.ids, self.groups_.names(),
                            self.groups_.ids, self.splits_, self.names_)
                if info.targets:
                    write_targets(file, np.array(self.targets_, schema.TARGET_DTYPE).reshape(
                        -1, len(info.targets)))
                for modality in modalities:
                    waiting = self.values_[modality.name]
                    write_values(file, modality, waiting.present, waiting.crcs, waiting.lengths,
                                 waiting.blocks(modality))
            seal(temporary, header_text(info, modalities, seed, 0, 1))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for waiting in self.values_.values():
            waiting.close()


class _Numbered:
    """ids: for each name added its number in order of first appearance, -1 for None."""

    def __init__(self):
        self.ids, self.numbers_ = array("i"), {}

    def add(self, name):
        self.ids.append(-1 if name is None else self.numbers_.setdefault(name, len(self.numbers_)))

    def names(self):
        return list(self.numbers_)


class _Waiting:
    """Values of one modality in a file without a name. present: for each sample; crcs, lengths: for
    each that is."""

    def __init__(self, folder):
        self.folder_, self.file_ = folder, None
        self.present, self.crcs, self.lengths = bytearray(), array("I"), array("q")

    def add(self, value):
        self.present.append(value is not None)
        if value is not None:
            self.file_ = self.file_ or tempfile.TemporaryFile(dir=self.folder_)
            self.file_.write(value.data)
            self.crcs.append(zlib.crc32(value.data))
            self.lengths.append(len(value))

    def blocks(self, modality):
        """Arrays of whole rows, end to end all values."""
        row = np.dtype(schema.DTYPES[modality.kind]).itemsize * math.prod(modality.row_shape)
        self.file_.seek(0)
        while data := self.file_.read(max(1, WAITING_BYTES // row) * row):
            yield np.frombuffer(data, schema.DTYPES[modality.kind]).reshape(-1, *modality.row_shape)

    def close(self):
        if self.file_:
            self.file_.close()


def index_sha256(file, header):
    """The hash over the header and all datasets but .../data."""
    digest = hashlib.sha256(header.encode())
    for path in sorted(dataset_paths(file), key=str.encode):
        if not path.endswith(names.MODALITY_DATA):
            digest.update(path.encode() + b"\0")
            digest.update(file[path][()].tobytes())
    return digest.hexdigest()


def dataset_paths(file):
    """Full paths of all datasets in the file."""
    paths = []
    file.visititems(lambda path, item: paths.append("/" + path)
                    if isinstance(item, h5py.Dataset) else None)
    return paths


def pack_names(texts):
    """(bytes uint8, offsets int64) of strings laid end to end."""
    encoded = [text.encode() for text in texts]
    return np.frombuffer(b"".join(encoded), np.uint8), offsets_of(map(len, encoded))


def offsets_of(lengths):
    return np.cumsum([0, *lengths], dtype="<i8")


@contextlib.contextmanager
def _writing(path):
    """HDF5 reports a full disk now as an OSError, now as a RuntimeError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"{path} could not be written ({error}); check the free space and the permissions"
        ) from None


def _create(path):
    """A new file without time stamps: the same content must give the same bytes."""
    creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    creation.set_obj_track_times(False)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_V18)
    return h5py.File(
        h5py.h5f.create(os.fsencode(path), h5py.h5f.ACC_TRUNC, fcpl=creation, fapl=access))


def _make_group(file, path):
    creation = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
    creation.set_obj_track_times(False)
    h5py.h5g.create(file.id, path.encode(), gcpl=creation)


def _write_samples(file, samples):
    classes = list(
        dict.fromkeys(sample.class_name for sample in samples if sample.class_name is not None))
    groups = list(dict.fromkeys(sample.group for sample in samples))
    class_ids = {name: index for index, name in enumerate(classes)} | {None: -1}
    group_ids = {name: index for index, name in enumerate(groups)}
    write_index(file, classes, [class_ids[sample.class_name] for sample in samples], groups,
                [group_ids[sample.group] for sample in samples],
                [schema.SPLITS.index(sample.split) for sample in samples],
                [sample.name for sample in samples])


def write_index(file, classes, class_ids, groups, group_ids, splits, sample_names):
    """What there is of every sample: classes and groups by their names and, for each sample, its
    row there (class -1: unlabelled), the number of its split and its name."""
    for path in (names.CLASS_NAMES, names.GROUP_NAMES, names.SAMPLE_NAMES):
        _make_group(file, path.rsplit("/", 1)[0])
    file[names.CLASS_NAMES], file[names.CLASS_OFFSETS] = pack_names(classes)
    file[names.GROUP_NAMES], file[names.GROUP_OFFSETS] = pack_names(groups)
    file[names.SAMPLE_NAMES], file[names.SAMPLE_OFFSETS] = pack_names(sample_names)
    file[names.SAMPLE_CLASS] = np.asarray(class_ids, "<i4")
    file[names.SAMPLE_GROUP] = np.asarray(group_ids, "<i4")
    file[names.SAMPLE_SPLIT] = np.asarray(splits, "|u1")


def write_targets(file, rows):
    file[names.SAMPLE_TARGETS] = np.asarray(rows, schema.TARGET_DTYPE)


def _write_modality(file, modality, arrays):
    present = [array for array in arrays if array is not None]
    join = np.concatenate if modality.kind in schema.VARIABLE_KINDS else np.stack
    write_values(file, modality, [array is not None for array in arrays],
                 [zlib.crc32(array.data) for array in present], list(map(len, present)),
                 (join(present[first:first + BLOCK]) for first in range(0, len(present), BLOCK)))


def write_values(file, modality, present, crcs, lengths, blocks):
    """One modality. present: for each sample; crcs and lengths (used for kinds of variable length):
    for each that is; blocks: their values end to end, in arrays of any number of rows."""
    folder = names.MODALITY_GROUP + modality.name
    _make_group(file, folder)
    file[folder + names.MODALITY_PRESENT] = np.asarray(present, "|u1")
    file[folder + names.MODALITY_CRC32] = np.asarray(crcs, "<u4")
    rows = len(crcs)
    if modality.kind in schema.VARIABLE_KINDS:
        offsets = offsets_of(lengths)
        file[folder + names.MODALITY_OFFSETS] = offsets
        rows = int(offsets[-1])
    data = file.create_dataset(folder + names.MODALITY_DATA, (rows, *modality.row_shape),
                               schema.DTYPES[modality.kind])
    first = 0
    for block in blocks:
        data[first:first + len(block)] = block
        first += len(block)


def _write_text_attribute(file, name, text):
    data = text.encode()
    file.attrs.create(name, np.bytes_(data), dtype=h5py.string_dtype("utf-8", len(data)))
