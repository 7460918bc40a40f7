"""CSV, TSV and their kin: the separator and the encoding are found out unless they are given."""

import codecs
import csv
import gzip
import unicodedata
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import UserError
from .source import BATCH, Builder, Frame, clean_names

SEPARATORS = {",": ",", ";": ";", "\t": "tab", "|": "|"}
WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " "}
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"),
         (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
SNIFFED_LINES = 50
DECIMAL_COMMA = r"^\s*[+-]?[0-9]+,[0-9]+\s*$"
DECIMAL_POINT = r"^\s*[+-]?[0-9]+\.[0-9]+\s*$"


def read(path, report, separator=None, decimal=None, encoding=None):
    """The Frame of a delimited file. Rows with another number of cells than the first are left out
    and counted. UserError if it is no table."""
    encoding = encoding or _encoding(path)
    csv.field_size_limit(2**31 - 1)  # texts may be long
    try:
        separator = WORDS.get(separator, separator) or _separator(path, encoding, report)
        if len(separator) > 1:
            raise UserError(f"--separator {separator!r} has {len(separator)} characters (one is "
                            "between cells); give one character, or tab, space, comma, semicolon")
        with _open(path, encoding) as file:
            frame = _read(csv.reader(file, delimiter=separator, strict=True), path, report)
    except (UnicodeError, LookupError, csv.Error, TypeError, EOFError, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: not a table ({error}); give a CSV file in UTF-8, or name its "
                        "--encoding and --separator") from None
    frame.decimal = decimal or _decimal(frame, report)
    return frame


def _open(path, encoding):
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return (gzip.open if packed else open)(path, "rt", encoding=encoding, newline="")


def _encoding(path):
    with open(path, "rb") as file:
        head = file.read(4)
    return next((name for mark, name in MARKS if head.startswith(mark)), "utf-8")


def _separator(path, encoding, report):
    """The candidate that cuts most of the first lines into as many cells as the header has."""
    with _open(path, encoding) as file:
        lines = [line for line, _ in zip(file, range(SNIFFED_LINES)) if line.strip()]
    if any("\0" in line for line in lines):
        raise UserError(f"{path}: holds NUL characters (not UTF-8 text); give --encoding, such as "
                        "utf-16-le")
    scores = []
    for order, candidate in enumerate(SEPARATORS):
        counts = [len(cells) for cells in csv.reader(lines, delimiter=candidate) if cells]
        if counts and counts[0] > 1:
            agreeing = sum(count == counts[0] for count in counts) / len(counts)
            scores.append((agreeing, -order, candidate, counts[0]))
    _, _, best, count = max(scores, default=(0, 0, ",", 1))
    report.note(f"separated by {SEPARATORS[best]} ({count} column{'s' * (count > 1)})"
                f"{'' if count > 1 else '; if it is another one, give --separator'}")
    return best


def _read(reader, path, report):
    header = next(reader, [])
    surplus = len(header)
    while len(header) > 1 and not header[-1].strip():
        header.pop()
    if surplus > len(header):
        report.note(f"{surplus - len(header)} columns at the end have no name: not used if empty")
    names = clean_names([unicodedata.normalize("NFC", name) for name in header], path, report)
    kept = [place for place, name in enumerate(names) if name is not None]
    builder = Builder([names[place] for place in kept], strings=True)
    lines, wrong, batch = [], Counter(), []
    example = None
    for cells in reader:
        if len(cells) > len(names) and not "".join(cells[len(names):]).strip():
            cells = cells[:len(names)]
        if len(cells) == len(names):
            batch.append(cells)
            lines.append(reader.line_num)
            if len(batch) == BATCH:
                _flush(builder, batch, kept)
        elif cells:
            example = example or f"{path}:{reader.line_num}: {len(cells)} cells under {len(names)}"
            wrong["rows"] += 1
    _flush(builder, batch, kept)
    if wrong["rows"] > len(lines):
        raise UserError(f"{example} columns, as most rows have (nobody knows which are missing); "
                        "give --separator, or correct the rows")
    if wrong:
        report.left_out(wrong["rows"], f"row with another number of cells than the {len(names)} "
                        "columns", example)
    if not lines:
        raise UserError(f"{path}: no rows below the header (nothing to learn from); give a table "
                        "with rows")
    return Frame(path, builder.finish(), np.array(lines, np.int32), "line")


def _flush(builder, batch, kept):
    if batch:
        columns = list(zip(*batch))
        builder.add([columns[place] for place in kept])
        batch.clear()


def _decimal(frame, report):
    """"," if there are columns of numbers with a comma and none with a point."""
    commas = [name for name, cells in frame.columns.items() if _all_match(cells, DECIMAL_COMMA)]
    if not commas or any(_all_match(cells, DECIMAL_POINT) for cells in frame.columns.values()):
        return "."
    report.note(f"decimal comma in {', '.join(commas)} (else give --decimal .)")
    return ","


def _all_match(cells, pattern):
    head = cells.slice(0, 1000)
    filled = head.filter(pc.not_equal(pc.utf8_trim_whitespace(head), pa.scalar("")))
    hits = pc.sum(pc.match_substring_regex(filled, pattern)).as_py() or 0
    wholes = pc.sum(pc.match_substring_regex(filled, r"^\s*[+-]?[0-9]+\s*$")).as_py() or 0
    return hits > 0 and hits + wholes == len(filled)
