"""Columns of bytes that stay in their Parquet files: they may be larger than memory."""

import bisect

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import UserError


def is_stored(kind):
    """Whether a column of this arrow type is one: bytes, alone or with a path."""
    return pa.types.is_struct(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


class StoredColumn:
    """Of what a ChunkedArray can do as much as bytes need; one row group is in memory."""

    def __init__(self, parts, kind):
        """parts: [(path, row group, name of the column, rows)]."""
        self.parts_, self.type, self.ends_ = parts, kind, []
        for part in parts:
            self.ends_.append((self.ends_ or [0])[-1] + part[3])
        self.open_, self.cells_ = None, None

    def __len__(self):
        return (self.ends_ or [0])[-1]

    def __add__(self, other):
        """Their rows, end to end."""
        return type(self)(self.parts_ + other.parts_, self.type)

    def __getitem__(self, row):
        part = bisect.bisect_right(self.ends_, row)
        return self._cells(part)[row - self.ends_[part] + self.parts_[part][3]]

    def slice(self, first, count):
        """The first of these rows, at least one with something in it if there is any."""
        head = pa.nulls(0, self.type)
        for part in range(bisect.bisect_right(self.ends_, first), len(self.parts_)):
            start = max(0, first - self.ends_[part] + self.parts_[part][3])
            head = pa.concat_arrays([head, self._cells(part).slice(start)])
            if head.null_count < len(head):
                break
        return head.slice(0, count)

    def groups(self):
        """An array for each row group, in order."""
        return map(self._cells, range(len(self.parts_)))

    def _cells(self, part):
        if self.open_ != part:
            self.open_, self.cells_ = part, self.read(*self.parts_[part])
        return self.cells_

    def read(self, path, group, name, _rows):
        """The cells of one part."""
        try:
            with pq.ParquetFile(path, memory_map=True) as file:
                cells = file.read_row_group(group, columns=[name]).column(0).combine_chunks()
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{path}: column {name} cannot be read ({error}); write the file "
                            "again") from None
        if isinstance(cells, pa.ChunkedArray):  # without any row
            return pa.nulls(0, self.type)
        return cells


def stored_column(path, file, name):
    """The StoredColumn of an open ParquetFile."""
    metadata = file.metadata
    return StoredColumn([(path, group, name, metadata.row_group(group).num_rows)
                         for group in range(metadata.num_row_groups)],
                        file.schema_arrow.field(name).type)
