"""What a data set consists of, before it is written: modalities, samples, targets, origin."""

import hashlib
import json
import re
import zlib
from dataclasses import dataclass, field, replace

import numpy as np

from . import names
from .errors import BadInput, UserError
from .graphs import parts_of

KINDS = (names.KIND_IMAGE, names.KIND_TEXT, names.KIND_AUDIO, names.KIND_SERIES, names.KIND_VECTOR,
         names.KIND_VIDEO, names.KIND_GRAPH)
VARIABLE_KINDS = (names.KIND_TEXT, names.KIND_AUDIO, names.KIND_SERIES, names.KIND_VIDEO,
                  names.KIND_GRAPH)
PICTURE_KINDS = (names.KIND_IMAGE, names.KIND_VIDEO)  # whose values are pixels
# The position of a split is its number in the file.
SPLITS = (names.SPLIT_TRAIN, names.SPLIT_VALIDATION, names.SPLIT_TEST)
DTYPES = {
    names.KIND_IMAGE: "|u1", names.KIND_TEXT: "|u1", names.KIND_AUDIO: "<i2",
    names.KIND_SERIES: "<f4", names.KIND_VECTOR: "<f4", names.KIND_VIDEO: "|u1",
    names.KIND_GRAPH: "|u1"
}
MAX_MODALITIES = 32
TARGET_DTYPE = "<f4"
MAX_TARGETS = 65536
MAX_TARGET_NAME_BYTES = 64
DIMENSIONS = {names.KIND_IMAGE: 3, names.KIND_SERIES: 1, names.KIND_VECTOR: 1, names.KIND_VIDEO: 3,
              names.KIND_GRAPH: 1}


@dataclass(frozen=True)
class Modality:
    """One sense as the header declares it. shape: image and frames of video (H, W, C), series (channels,),
    vector and nodes of graph (features,), else (). mean and stddev: given only to take them from another
    data set; None lets the writer compute them. columns: of the table that it was made from, one for each
    feature or channel ("sex=f": 1 where sex is f; "": of no column, always 0) or one for all. holes:
    numbers may be NaN, which mean and stddev leave out. categories: () or, for each of the columns, the
    names of its categories, whose numbers are its values (a hole: none of them); () for a column of
    numbers. most_frames: of a video, the most that were kept, evenly, 0 where nothing was left out.
    directed: of graphs, whether an edge leads from its first node to its second one."""

    name: str
    kind: str
    shape: tuple = ()
    sample_rate: int = 0
    mean: tuple = None
    stddev: tuple = None
    columns: tuple = ()
    holes: bool = False
    categories: tuple = ()
    most_frames: int = 0
    directed: bool = False

    @property
    def row_shape(self):
        """Of what the first dimension of the data counts: a graph's parts lie in plain bytes."""
        return () if self.kind == names.KIND_GRAPH else self.shape

    def check(self):
        """UserError unless the declaration is usable."""
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", self.name):
            raise UserError(
                f"modality name {self.name!r} is not usable (it names a part of the file); "
                "use lower-case letters, digits and _")
        if self.kind not in KINDS:
            raise UserError(
                f"modality {self.name}: unknown kind {self.kind!r}; use one of {', '.join(KINDS)}")
        if len(self.shape) != DIMENSIONS.get(self.kind, 0) or any(size < 1 for size in self.shape):
            raise UserError(
                f"modality {self.name}: shape {list(self.shape)} does not fit the kind {self.kind}")
        if (self.sample_rate > 0) != (self.kind == names.KIND_AUDIO):
            raise UserError(f"modality {self.name}: a sample rate belongs to audio, and only there")
        if not isinstance(self.most_frames, int) or self.most_frames < 0 or (
                self.most_frames and self.kind != names.KIND_VIDEO):
            raise UserError(f"modality {self.name}: {self.most_frames} frames do not fit the kind "
                            f"{self.kind}")
        if self.directed and self.kind != names.KIND_GRAPH:
            raise UserError(f"modality {self.name}: edges are of graphs, and {self.kind} has none")
        if self.holes and self.kind not in (names.KIND_SERIES, names.KIND_VECTOR):
            raise UserError(f"modality {self.name}: holes are of numbers, and {self.kind} has none")
        if len(self.columns) not in (0, 1, *self.shape[-1:]):
            raise UserError(f"modality {self.name}: {len(self.columns)} columns do not fit the "
                            f"shape {list(self.shape)}")
        self._check_categories()

    def _check_categories(self):
        if not self.categories:
            return
        fits = len(self.categories) == len(self.columns) == self.shape[-1]
        if not fits or self.kind != names.KIND_VECTOR or not self.holes:
            raise UserError(f"modality {self.name}: categories are of the columns of a vector, one "
                            "list for each, and may be unknown: it has holes")
        for column, found in zip(self.columns, self.categories):
            if len(set(found)) != len(found):
                raise UserError(f"modality {self.name}: column {column} names a category twice")

    def with_statistics(self, mean, stddev):
        """The same with these; numbers of categories have none."""
        if self.categories and mean:
            mean, stddev = (tuple(usual if own else value
                                  for value, own in zip(values, self.categories))
                            for values, usual in ((mean, 0.0), (stddev, 1.0)))
        return replace(self, mean=mean, stddev=stddev)

    def to_header(self):
        header = {
            names.NAME_KEY: self.name, names.KIND_KEY: self.kind, names.SHAPE_KEY: list(self.shape),
            names.SAMPLE_RATE_KEY: self.sample_rate, names.MEAN_KEY: list(self.mean or ()),
            names.STDDEV_KEY: list(self.stddev or ())
        }
        if self.columns:
            header[names.COLUMNS_KEY] = [
                {names.NAME_KEY: column, names.CATEGORIES_KEY: list(found)} if found else column
                for column, found in zip(self.columns, self.categories or [()] * len(self.columns))
            ]
        if self.holes:
            header[names.HOLES_KEY] = True
        if self.directed:
            header[names.DIRECTED_KEY] = True
        if self.most_frames:
            header[names.MOST_FRAMES_KEY] = self.most_frames
        return header

    def convert(self, value):
        """The value as the array that is stored (flat for text and audio); BadInput if it does not
        fit."""
        if self.kind == names.KIND_TEXT:
            return _text_bytes(value)
        array = np.asarray(value)
        expected = np.dtype(DTYPES[self.kind])
        if self.kind in (names.KIND_SERIES, names.KIND_VECTOR):
            array = _finite_floats(array, expected, self.holes)
        elif array.dtype != expected:
            raise BadInput(f"holds {array.dtype}, not {expected}")
        wanted = ["any"] * (self.kind in VARIABLE_KINDS) + list(self.row_shape)
        fits = all(w in ("any", size) for w, size in zip(wanted, array.shape))
        if array.ndim != len(wanted) or not fits:
            raise BadInput(f"has shape {list(array.shape)}, not [{', '.join(map(str, wanted))}]")
        if array.size == 0:
            raise BadInput("is empty")
        if self.kind == names.KIND_GRAPH:
            parts_of(array, self.shape[0], self.directed)
        for place, found in enumerate(self.categories):
            if found and not (np.isnan(array[place]) or array[place] in range(len(found))):
                raise BadInput(f"holds {array[place]:g} in column {self.columns[place]}, of "
                               f"{len(found)} categories")
        return np.ascontiguousarray(array)


def _text_bytes(value):
    data = value.encode("utf-8") if isinstance(value, str) else bytes(value)
    if not data:
        raise BadInput("is empty")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput("is not UTF-8") from None
    return np.frombuffer(data, np.uint8)


def _finite_floats(array, dtype, holes=False):
    if array.dtype.kind not in "fiu":
        raise BadInput(f"holds {array.dtype}, not numbers")
    with np.errstate(over="ignore"):
        array = array.astype(dtype)
    if not (np.isfinite(array) | (np.isnan(array) & holes)).all():
        unknown = " (NaN, and holes are not kept)" if np.isnan(array).any() else ""
        raise BadInput("holds values that are not finite in float32" + unknown)
    return array


def target_row(values, target_names):
    """The targets of a sample as they are stored; BadInput unless there is a finite number for each
    name."""
    row = np.asarray(() if values is None else values)
    if row.shape != (len(target_names), ):
        raise BadInput(f"has targets of shape {list(row.shape)}, not [{len(target_names)}]")
    return _finite_floats(row, TARGET_DTYPE) if target_names else None


def check_target_names(target_names):
    """UserError unless the names can be stored."""
    if len(target_names) > MAX_TARGETS or len(set(target_names)) != len(target_names):
        raise UserError(f"{len(target_names)} target names (up to {MAX_TARGETS} different ones "
                        "fit); name each target once")
    for name in target_names:
        if not name or not _is_utf8(name) or len(name.encode()) > MAX_TARGET_NAME_BYTES:
            raise UserError(f"target name {name!r} is not usable (it goes into the header); use 1 "
                            f"to {MAX_TARGET_NAME_BYTES} bytes of UTF-8")


def _content_id(value):
    """CRC-32 of a value given directly; a callable is known by the sample's fingerprint only."""
    if callable(value):
        return "callable"
    return zlib.crc32(value.encode() if isinstance(value, str) else np.asarray(value).tobytes())


@dataclass(slots=True)  # there may be millions
class Sample:
    """One sample to write; shards.py says what `values` and `targets` may hold."""

    name: str
    class_name: str
    group: str
    split: str
    values: dict
    fingerprint: str = ""
    targets: tuple = None

    def identity(self):
        """What the plan hash takes from this sample."""
        content = {key: _content_id(value) for key, value in sorted(self.values.items())}
        head = [self.name, self.class_name, self.group, self.split, content, self.fingerprint]
        # Plans without targets keep the hashes they had before there were any.
        return head if self.targets is None else [*head, list(map(float, self.targets))]


@dataclass(frozen=True)
class DatasetInfo:
    """Where a data set comes from, for the header; settings: whatever else decides the content
    (plan hash only); targets: the names of its samples' targets."""

    name: str
    source: str
    license: str
    created_by: str
    settings: dict = field(default_factory=dict)
    targets: tuple = ()

    def check(self):
        """UserError unless the name can be part of a file name and the texts can be stored."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", self.name):
            raise UserError(
                f"data set name {self.name!r} is not usable (it begins the shards' file names); "
                "give --name with letters, digits, '.', '_' and '-'")
        for text in (self.source, self.license, self.created_by):
            if not _is_utf8(text):
                raise UserError(f"{text!r} is not UTF-8 (it goes into the header); rewrite it")
        check_target_names(self.targets)


def plan_hash(info, modalities, samples, shards, seed, spread_classes):
    """Names a conversion: two plans with the same hash write the same bytes (see shards.py)."""
    digest = hashlib.sha256()
    head = [
        names.FORMAT_VERSION, info.name, info.source, info.license, info.created_by, info.settings,
        shards, seed, spread_classes, [modality.to_header() for modality in modalities]
    ] + [list(info.targets)] * bool(info.targets)
    digest.update(json.dumps(head, sort_keys=True).encode())
    for sample in samples:
        digest.update(json.dumps(sample.identity()).encode())
    return digest.hexdigest()


def check_samples(samples, modalities, target_names=()):
    """UserError if there are too many or two equal modalities, a sample's fields or targets cannot
    be stored or a class lies in two splits."""
    known = {modality.name for modality in modalities}
    if len(known) != len(modalities) or not 1 <= len(known) <= MAX_MODALITIES:
        raise UserError(
            f"{len(modalities)} modalities (1 to {MAX_MODALITIES} with different names fit)"
        )
    split_of = {}
    for sample in samples:
        for text in (sample.name, sample.group, sample.class_name):
            if text is not None and (not text or not _is_utf8(text)):
                raise UserError(
                    f"sample {sample.name!r}: the name {text!r} is empty or not UTF-8; rename it")
        if sample.split not in SPLITS:
            raise UserError(
                f"sample {sample.name}: unknown split {sample.split!r}; use {', '.join(SPLITS)}")
        if not set(sample.values) <= known:
            raise UserError(f"sample {sample.name}: undeclared modality in {sorted(sample.values)}")
        try:
            target_row(sample.targets, target_names)
        except BadInput as problem:
            raise UserError(f"sample {sample.name}: {problem} (every sample has the same targets); "
                            "give it what is declared, or leave it out") from None
        if sample.class_name is not None:
            other = split_of.setdefault(sample.class_name, sample.split)
            if other != sample.split:
                raise UserError(
                    f"class {sample.class_name} is in the splits {other} and {sample.split} (test "
                    "classes must be unseen); put it into one of them")


def check_present(modalities, present):
    """UserError unless every modality is one of `present`, those that samples have."""
    absent = [modality.name for modality in modalities if modality.name not in present]
    if absent:
        raise UserError(
            f"no sample has the modality {', '.join(absent)} (models would be trained with a sense "
            "that is never there); give samples that have it (see what was skipped), or do not "
            "declare it")


def _is_utf8(text):
    try:
        text.encode("utf-8")
        return True
    except UnicodeEncodeError:
        return False
