"""Cells that are pictures, videos, sound or arrays: paths, lists of paths (the frames of a video), bytes,
{bytes, path}, lists of numbers."""

import io
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from .. import media, names
from ..errors import BadInput, UserError
from ..shards import Modality
from ..value_columns import Loaders
from . import cells, guesses
from .stored import StoredColumn


class MediaCells:
    """The cells of one column. root: the folder that paths begin at; present: mask of the rows with
    something to read; missing: rows of which the file is not there."""

    def __init__(self, frame, name, root, report):
        """Missing files are counted and one is named; UserError if all are missing."""
        self.frame, self.name_, self.root_, self.report = frame, name, root, report
        column = frame.columns[name]
        self.cells_ = cells.names_of(column) if cells.is_text(column) else column
        if isinstance(self.cells_, pa.ChunkedArray):
            self.cells_ = self.cells_.combine_chunks()
        self.paths_ = cells.is_text(self.cells_) or cells.is_list_of_texts(self.cells_)
        self.marks_, self.missing = {}, []
        self.present = np.concatenate([np.array(part.is_valid()) for part in self._parts()])
        if self.paths_:
            self._leave_out_missing(report)

    def _parts(self):
        """Arrays that are the cells, end to end."""
        return self.cells_.groups() if isinstance(self.cells_, StoredColumn) else [self.cells_]

    def _leave_out_missing(self, report):
        missing = [row for row in np.flatnonzero(self.present) if self._mark(row) is None]
        if missing:
            first = f"{self.frame.where(missing[0])}: {self._lost(missing[0])}"
            if len(missing) == self.present.sum():
                raise UserError(f"no file of column {self.name_} is there, such as {first}; give "
                                "--root, the folder that the paths begin at")
            report.left_out(len(missing), f"file of column {self.name_} that is not there", first)
            self.missing, self.present[missing] = missing, False

    def fingerprint(self):
        if not self.paths_:
            return b"".join(
                zlib.crc32(repr(cell.as_py()).encode()).to_bytes(4, "little")
                for part in self._parts() for cell in part)
        return "\n".join(str(self._mark(row)) for row in range(len(self.cells_))).encode()

    def source(self, row):
        """A path, a list of them, a binary file or a list of numbers; BadInput if the cell holds
        none."""
        cell = self.cells_[row].as_py()
        if self.paths_ and cell is not None:
            return self._files(row)[0] if isinstance(cell, str) else self._files(row)
        if isinstance(cell, dict):
            if cell.get("bytes") is None and cell.get("path"):
                return self._folder(row) / cell["path"]
            cell = cell.get("bytes")
        if cell is None:
            raise BadInput("is empty")
        return io.BytesIO(cell) if isinstance(cell, bytes) else cell

    def _files(self, row):
        cell = self.cells_[row].as_py()
        return [self._folder(row) / text for text in ([cell] if isinstance(cell, str) else cell)
                if text]

    def _folder(self, row):
        return self.root_ or self.frame.path_of(row).parent

    def _lost(self, row):
        return next((path for path in self._files(row) if not self._mark_of(path)), "an empty list")

    def _mark(self, row):
        """The fingerprint of what a cell names, or None if a file of it is not there."""
        if not self.cells_[row].is_valid:
            return None
        marks = [self._mark_of(path) for path in self._files(row)]
        return " ".join(marks) if marks and all(marks) else None

    def _mark_of(self, path):
        if path not in self.marks_:
            self.marks_[path] = media.file_fingerprint(path) if path.is_file() else None
        return self.marks_[path]


def modality_of(cells_of, kind, sense, name, args, report):
    """What a column of pictures, videos, sound or arrays (MediaCells) becomes. sense: its name."""
    if kind in (guesses.IMAGE, guesses.VIDEO):
        shape = (*media.parse_size(args.size), 1 if args.gray else 3)
        if kind == guesses.IMAGE:
            return Modality(sense, names.KIND_IMAGE, shape, columns=(name, ))
        return Modality(sense, names.KIND_VIDEO, shape, columns=(name, ),
                        most_frames=media.checked_frames(args.frames))
    if kind == guesses.AUDIO:
        return Modality(sense, names.KIND_AUDIO, sample_rate=media.checked_rate(args.sample_rate),
                        columns=(name, ))
    return _array_modality(cells_of, sense, name, report)


def loaders_of(cells_of, modality, rows, options):
    """The Loaders of a column (MediaCells); rows: for each sample the row of the table that its
    value is in."""

    def load(sample):
        source = cells_of.source(rows[sample])
        if isinstance(source, list) and modality.kind != names.KIND_VIDEO:
            return _array(source)
        return media.loader(modality, source, options)()

    def progress(some):
        return cells_of.report.progress(some, len(some), f"{modality.name} of a shard")

    return Loaders(modality, load, cells_of.present[rows],
                   lambda sample: cells_of.frame.where(rows[sample]), cells_of.fingerprint(),
                   progress)


def _array(source):
    try:
        return np.array(source, np.float32)
    except (ValueError, TypeError):
        raise BadInput(
            "the list is not one of numbers, or its rows are of several lengths") from None


def _array_modality(cells_of, sense, name, report):
    """By the most frequent shape: the others are left out when they are read."""
    shapes, problem = Counter(), None
    for row in np.flatnonzero(cells_of.present):
        try:
            source = cells_of.source(row)
            shape = media.npy_shape(source) if isinstance(source, Path) else np.shape(
                _array(source) if isinstance(source, list) else media.load_npy(source))
            if len(shape) == 4:
                raise BadInput(f"frames of a video, which --type {name}=video reads")
            shapes[(len(shape), shape[-1])] += 1
        except BadInput as error:
            problem = problem or error
    if not shapes:
        raise UserError(f"no array for {sense} can be read ({problem}); give .npy files of numbers")
    (dimensions, last), count = shapes.most_common(1)[0]
    if len(shapes) > 1:
        report.note(f"arrays of {sense}: {count} of {sum(shapes.values())} have {last} values a "
                    f"{'step' if dimensions == 2 else 'sample'}; the others are left out")
    return Modality(sense, names.KIND_SERIES if dimensions == 2 else names.KIND_VECTOR, (last, ),
                    columns=(name, ))
