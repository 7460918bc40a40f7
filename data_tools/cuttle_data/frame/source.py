"""A table as columns of cells, whatever file it came from."""

import bisect
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import UserError
from ..splits import unified
from .cells import names_of
from .stored import StoredColumn

BATCH = 10000  # rows that are Python objects at the same time


@dataclass
class Frame:
    """columns: {name: arrow ChunkedArray}, all of one length; cells of delimited files are strings.
    numbers: for each row its line or row in the file, from 1; meanings: {column: its declared
    type}, where the file says one; decimal: the mark of fractions in strings; paths, ends: of
    several files, and the rows after the last of each."""

    path: Path
    columns: dict
    numbers: np.ndarray
    word: str = "row"
    meanings: dict = None
    decimal: str = "."
    paths: list = None
    ends: list = None

    def __len__(self):
        return len(self.numbers)

    def path_of(self, row):
        """The file that a row is in."""
        return self.paths[bisect.bisect_right(self.ends, row)] if self.paths else self.path

    def where(self, row):
        separator = ":" if self.word == "line" else " row "
        return f"{self.path_of(row)}{separator}{self.numbers[row]}"

    def name_of(self, row):
        """Of a sample that has no other."""
        before = f"{self.path_of(row).name} " if self.paths else ""
        return f"{before}{self.word} {self.numbers[row]}"

    def add_by_file(self, name, words):
        """A column that says a word of each of the paths."""
        counts = np.diff([0, *self.ends])
        self.columns[name] = pa.chunked_array([pa.array(np.repeat(words, counts), pa.string())])

    def where_all(self, conditions):
        """The Frame of the rows in which the cell of each COLUMN=CELL is that; UserError if there is
        none."""
        if not conditions:
            return self
        stored = [name for name, column in self.columns.items() if isinstance(column, StoredColumn)]
        if stored:
            raise UserError(f"{self.path}: --where cannot choose rows with bytes in Parquet (column "
                            f"{stored[0]}); write the rows that are wanted to a file of their own")
        keep = np.ones(len(self), bool)
        for condition in conditions:
            name, mark, wanted = condition.partition("=")
            if not mark:
                raise UserError(f"--where {condition} is no COLUMN=CELL; give for example sex=f")
            self.check_plain(name)
            same = pc.equal(names_of(self.columns[name]), unified(wanted))
            keep &= np.asarray(pc.fill_null(same, False))
        if not keep.any():
            raise UserError(f"{self.path}: no row has {' and '.join(conditions)}; see the cells by "
                            "--dry-run without --where")
        rows = np.flatnonzero(keep)
        columns = {name: column.take(rows) for name, column in self.columns.items()}
        return replace(self, columns=columns, numbers=self.numbers[rows],
                       ends=np.searchsorted(rows, self.ends).tolist() if self.ends else None)

    def check_column(self, name):
        """UserError unless there is a column of this name."""
        if name not in self.columns:
            raise UserError(f"{self.path}: no column {name!r}; it has {', '.join(self.columns)}")

    def check_plain(self, name):
        """UserError unless the cells of the column are single values: numbers, words, dates."""
        self.check_column(name)
        kind = self.columns[name].type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise UserError(
                f"{self.path}: column {name} holds {kind} (this needs single values); use "
                "another column, or give its --type as image, audio, video, array or labels")


class Builder:
    """Columns grown from batches of rows."""

    def __init__(self, names, strings=False):
        self.chunks_ = {name: [] for name in names}
        self.type_ = pa.string() if strings else None
        self.rows_ = 0

    def add(self, columns):
        """columns: one sequence of cells for each name."""
        for chunks, cells in zip(self.chunks_.values(), columns):
            chunks.append(_array(cells, self.type_))

    def add_records(self, records):
        """records: dicts; names that come later are columns without cells before."""
        for name in dict.fromkeys(name for record in records for name in record):
            self.chunks_.setdefault(name, [pa.nulls(self.rows_)] if self.rows_ else [])
        self.add([[record.get(name) for record in records] for name in self.chunks_])
        self.rows_ += len(records)

    def finish(self):
        return {name: _joined(chunks) for name, chunks in self.chunks_.items()}


def _array(cells, wanted):
    try:
        return pa.array(cells, wanted)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
        # Cells of several types, or half of a surrogate pair.
        return pa.array([
            None if cell is None else str(cell).encode("utf-8", "replace").decode()
            for cell in cells
        ], pa.string())


def _joined(chunks):
    """One array of chunks whose types may differ: numbers become floats, all else text."""
    types = {chunk.type for chunk in chunks if not pa.types.is_null(chunk.type)} or {pa.string()}
    if len(types) > 1:
        numeric = all(pa.types.is_integer(t) or pa.types.is_floating(t) for t in types)
        types = {pa.float64() if numeric else pa.string()}
    wanted = types.pop()
    try:
        return pa.chunked_array([chunk.cast(wanted) for chunk in chunks], wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # lists that are empty at first
        cells = [cell for chunk in chunks for cell in chunk.to_pylist()]
        return pa.chunked_array([_array(cells, None)])


def joined(frames):
    """The Frame of the rows of several. UserError unless all have the same columns."""
    first = frames[0]
    for frame in frames:
        odd = sorted(first.columns.keys() ^ frame.columns.keys())
        if odd:
            raise UserError(f"{first.path} and {frame.path} do not both have the column "
                            f"{', '.join(odd)} (one table is read from several files); name files "
                            "of one kind")
        if frame.decimal != first.decimal:
            raise UserError(f"{first.path} has the decimal mark {first.decimal}, {frame.path} has "
                            f"{frame.decimal} (numbers would be read wrongly); give --decimal")
    columns = {}
    for name, column in first.columns.items():
        alike = [frame.columns[name] for frame in frames]
        if isinstance(column, StoredColumn):
            if any(part.type != column.type for part in alike):
                raise UserError(f"column {name} of {first.path} is {column.type}, and something "
                                "else in another file; name files of one kind")
            columns[name] = sum(alike[1:], column)
        else:
            columns[name] = _joined([chunk for part in alike for chunk in part.chunks])
    return Frame(first.path, columns, np.concatenate([frame.numbers for frame in frames]),
                 first.word, first.meanings, first.decimal, [frame.path for frame in frames],
                 np.cumsum([len(frame) for frame in frames]).tolist())


def clean_names(names, path, report):
    """Names of the columns, trimmed; None for the index that other programs write without a name.
    UserError unless every other column has a name of its own."""
    cleaned = [str(name).strip() for name in names]
    if len(cleaned) > 1 and cleaned[0] in ("", "Unnamed: 0", "__index_level_0__"):
        report.note("column 1 has no name: taken for an index, not used")
        cleaned[0] = None
    kept = [name for name in cleaned if name is not None]
    if not all(kept) or len(set(kept)) != len(kept) or not kept:
        which = next(
            (f"column {place} has no name" for place, name in enumerate(cleaned, 1) if name == ""),
            "one is there twice" if kept else "it is empty")
        raise UserError(f"{path}: the first line does not name every column once ({which}; cells "
                        "are found by these names); write a line of different names")
    return cleaned
