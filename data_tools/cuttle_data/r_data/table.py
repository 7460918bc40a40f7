"""A data frame of R -> a table as cuttle-data frame reads them."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from ..errors import UserError
from ..frame.guesses import CATEGORY
from ..frame.source import Frame
from .serialization import INTEGER, LIST, LOGICAL, NA_INTEGER, REAL, STRINGS, Value

SECONDS = 86400  # in a day
FARTHEST = 1e6  # days from 1970


def table_of(value, name, report):
    """The Frame of a serialization.Value; columns of matrices are columns of their own, and what is no
    vector of numbers or words is left out with a note. UserError if it is no table."""
    columns, meanings, count = {}, {}, None
    for own, part in _parts(value, name):
        cells = _cells(part)
        if cells is None:
            report.note(f"column {own} is not used: neither numbers nor words")
            continue
        if count is None:
            count = len(cells)
        if len(cells) != count or own in columns:
            raise UserError(f"{name} is no table: column {own} has {len(cells)} cells, not {count}, or "
                            "is there twice (rows would be the samples); name another set")
        columns[own] = pa.chunked_array([cells])
        if part.is_a("factor") and not part.is_a("ordered"):
            meanings[own] = CATEGORY  # its levels may be numbers, which count nothing
    if not count:
        raise UserError(f"{name}: no rows of numbers or words (nothing to learn from); name another set")
    return Frame(Path(name), columns, np.arange(1, count + 1, dtype=np.int32), meanings=meanings)


def _parts(value, name):
    """[(name, Value)] of the columns."""
    if value.kind == LIST and value.names():
        return [column for own, part in zip(value.names(), value.data)
                for column in _of_matrix(f"{own}.", part) or [(str(own), part)]]
    columns = _of_matrix("", value)
    if not columns:
        raise UserError(f"{name} is no data frame, matrix or list of columns (rows would be the "
                        "samples); name another set")
    return columns


def _of_matrix(before, part):
    """[(name, Value)] of the columns of a matrix, [] of anything else."""
    size = part.attributes.get("dim")
    if size is None or size.kind != INTEGER or not isinstance(part.data, np.ndarray):
        return []
    rows, *others = size.data.tolist()
    count = int(np.prod(others))
    if rows < 1 or count < 1 or rows * count != len(part.data):
        return []
    found = part.attributes.get("dimnames")
    names = found.data[1].data if found and found.kind == LIST and len(found.data) == 2 else None
    names = names if names and len(names) == count else range(1, count + 1)
    return [(f"{before}{own}", Value(part.kind, column))
            for own, column in zip(names, part.data.reshape(count, rows))]


def _cells(part):
    """The arrow array of a column, with nulls for NA; None if it is no vector of cells."""
    if part.kind == STRINGS:
        return pa.array(part.data, pa.string())
    if part.kind == LOGICAL:
        return pa.array(part.data != 0, mask=part.data == NA_INTEGER)
    if part.kind not in (INTEGER, REAL):
        return None
    holes = part.data == NA_INTEGER if part.kind == INTEGER else np.isnan(part.data)
    if part.is_a("factor"):
        return _factor(part, holes)
    numbers = part.data.astype(np.int64 if part.kind == INTEGER else np.float64)
    if part.is_a("Date"):
        return _days(numbers, holes, 1)
    if part.is_a("POSIXct"):
        return _days(numbers, holes, SECONDS)
    return pa.array(numbers, mask=holes)


def _factor(part, holes):
    """The names of a factor's levels."""
    levels = pa.array(part.names("levels"), pa.string())
    inside = (part.data >= 1) & (part.data <= len(levels))
    places = pa.array(np.where(inside, part.data - 1, 0).astype(np.int64), mask=holes | ~inside)
    return levels.take(places)


def _days(numbers, holes, unit):
    """Times since 1970, counted in units of so many to a day; none where no calendar goes."""
    holes = holes | ~(np.abs(numbers) < FARTHEST * unit)
    micro = np.where(holes, 0, numbers) * (SECONDS * 1e6 / unit)
    return pa.array(np.round(micro).astype(np.int64), mask=holes).cast(pa.timestamp("us"))
