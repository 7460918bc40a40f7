"""A table as columns of cells, whatever file it came from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ..errors import UserError

BATCH = 10000  # rows that are Python objects at the same time


@dataclass
class Frame:
    """columns: {name: arrow ChunkedArray}, all of one length; cells of delimited files are strings.
    numbers: for each row its line or row in the file, from 1; meanings: {column: its declared
    type}, where the file says one; decimal: the mark of fractions in strings."""

    path: Path
    columns: dict
    numbers: np.ndarray
    word: str = "row"
    meanings: dict = None
    decimal: str = "."

    def __len__(self):
        return len(self.numbers)

    def where(self, row):
        separator = ":" if self.word == "line" else " row "
        return f"{self.path}{separator}{self.numbers[row]}"

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
                "another column, or give its --type as image, audio, array or labels")


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
