"""Tables whose files know their columns: Parquet, JSON lines, SQLite."""

import gzip
import json
import sqlite3

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import UserError
from . import hub
from .source import BATCH, Builder, Frame, clean_names
from .stored import is_stored, stored_column


def read_parquet(path, report):
    """Also the Parquet files of Hugging Face data sets, whose schema or README names classes and
    senses."""
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            raw = [name for name in schema.names if schema.names.count(name) == 1]
            stored = {name: stored_column(path, file, name) for name in raw
                      if is_stored(schema.field(name).type)}
            table = file.read([name for name in schema.names if name not in stored])
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a Parquet file that can be read ({_first_line(error)}); "
                        "write it again") from None
    names = clean_names(schema.names, path, report)
    features = _features(schema.metadata or {}) or hub.features_beside(path, schema.names)
    columns, meanings = {}, {}
    for original, name in zip(schema.names, names):
        if name is not None:
            feature = features.get(original, {})
            columns[name] = stored[original] if original in stored else _decoded(
                table.column(original), feature)
            meanings[name] = str(feature.get("_type", "")).lower()
    return _frame(path, columns if rows else {}, meanings)


def _features(metadata):
    """{column: what the `huggingface` key of the schema says of it}."""
    try:
        info = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {name: feature for name, feature in info.items() if isinstance(feature, dict)}
    except (KeyError, TypeError, AttributeError, ValueError):
        return {}


def _decoded(column, feature):
    """Without dictionaries; numbers of classes as their names."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    names = feature.get("names")
    if feature.get("_type") == "ClassLabel" and names and pa.types.is_integer(column.type):
        valid = pa.compute.and_(pa.compute.greater_equal(column, 0),
                                pa.compute.less(column, len(names)))
        numbers = pa.compute.if_else(valid, column, None)  # -1: no label
        return pa.chunked_array([pa.array(list(map(str, names))).take(numbers.combine_chunks())])
    return column


def read_json(path, report):
    """One object a line, or one list of objects. Lines that are none are left out and counted."""
    builder, batch, numbers, wrong = Builder(()), [], [], []
    try:
        with _open(path) as file:
            whole = file.read(1) == "["
            file.seek(0)
            for number, item in enumerate(json.load(file) if whole else file, 1):
                row = item if whole else _object(item)
                if isinstance(row, dict):
                    batch.append(row)
                    numbers.append(number)
                    if len(batch) == BATCH:
                        builder.add_records(batch)
                        batch = []
                elif whole or item.strip():
                    wrong.append(number)
    except (ValueError, EOFError, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: not JSON in UTF-8 ({error}); give one object a line") from None
    if wrong:
        report.left_out(len(wrong), "line that is no JSON object", f"{path}:{wrong[0]}")
    builder.add_records(batch)
    frame = _frame(path, builder.finish())
    frame.numbers, frame.word = np.array(numbers, np.int32), "row" if whole else "line"
    return frame


def _open(path):
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return (gzip.open if packed else open)(path, "rt", encoding="utf-8-sig")


def _object(line):
    try:
        return json.loads(line)
    except ValueError:
        return None


def read_sqlite(path, report, query=None, table=None):
    """The rows of a query or of a table, which need not be named if there is only one."""
    try:
        with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True) as connection:
            cursor = connection.execute(
                query or f"SELECT * FROM {_quoted(_table(connection, path, table))}")
            names = clean_names([entry[0] for entry in cursor.description or ()], path, report)
            kept = [place for place, name in enumerate(names) if name is not None]
            builder, count = Builder([names[place] for place in kept]), 0
            while batch := cursor.fetchmany(BATCH):
                columns = list(zip(*batch))
                builder.add([columns[place] for place in kept])
                count += len(batch)
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise UserError(
            f"{path}: the query failed ({error}); correct --query or --sqlite-table, or "
            "give a SQLite file") from None
    return _frame(path, builder.finish() if count else {})


def _table(connection, path, table):
    found = [
        name for name, in connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
            "AND name NOT LIKE 'sqlite_%'"
        )
    ]
    if table is None and len(found) == 1:
        return found[0]
    if table not in found:
        asked = f"no table {table!r}" if table else f"{len(found)} tables"
        raise UserError(f"{path}: {asked} (one is to be read); give --sqlite-table, one of "
                        f"{', '.join(found) or 'none'}, or a --query")
    return table


def _quoted(name):
    return '"' + name.replace('"', '""') + '"'


def _frame(path, columns, meanings=None):
    count = len(next(iter(columns.values()))) if columns else 0
    if not count:
        raise UserError(f"{path}: no rows (nothing to learn from); give a table with rows")
    return Frame(path, columns, np.arange(1, count + 1, dtype=np.int32), meanings=meanings or {})


def _first_line(error):
    return (str(error).splitlines() or ["?"])[0]
