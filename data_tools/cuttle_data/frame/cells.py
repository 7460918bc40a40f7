"""Cells as names, numbers, codes and lists. Names are compared trimmed and in Unicode's composed
form (NFC), so that one class never is two."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import UserError

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
NOT_GIVEN = pa.array(["na", "n/a", "nan", "null", "none", "-", "?"])  # of numbers, in lower case
DATE = r"^[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}([T ][0-9:.]+(Z|[+-][0-9:]+)?)?$"
GERMAN_DATE = r"^[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}$"
DATE_ANY = f"({DATE})|({GERMAN_DATE})"
SLASHED = r"^([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})$"
ABOVE_12 = "(1[3-9]|2[0-9]|3[01])"


def is_text(column):
    return pa.types.is_string(column.type) or pa.types.is_large_string(column.type)


def is_list_of_texts(column):
    kind = column.type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return lists and pa.types.is_string(kind.value_type)


def names_of(column):
    """Strings, trimmed and composed; null where nothing is left. Whole floats read as integers."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, None)
        whole = pc.all(pc.equal(pc.floor(column), column)).as_py()
        column = column.cast(pa.int64() if whole else column.type)
    if not is_text(column):
        column = column.cast(pa.string())
    trimmed = pc.utf8_trim_whitespace(pc.utf8_normalize(column, form="NFC"))
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def texts_of(column):
    """names_of, with the line ends of Linux."""
    names = names_of(column)
    if pc.any(pc.match_substring(names, "\r")).as_py():
        names = pc.replace_substring(pc.replace_substring(names, "\r\n", "\n"), "\r", "\n")
    return names


def numbers_of(column, decimal="."):
    """float64, NaN where there is no finite number. Dates are days since 1970."""
    if is_text(column):
        texts = plain_of(names_of(column), decimal)
        if pc.all(pc.match_substring_regex(texts.slice(0, 1000), DATE_ANY)).as_py():
            return days_of(texts)
        values = _parsed(texts)
    elif pa.types.is_temporal(column.type):
        values = column.cast(pa.timestamp("us")).cast(pa.int64())
        return _as_floats(values) / 86400e6
    elif pa.types.is_boolean(column.type):
        values = column.cast(pa.uint8())
    else:
        values = column
    result = _as_floats(values)
    result[~np.isfinite(result)] = np.nan
    return result


def plain_of(texts, decimal="."):
    """Numbers with a point and without a sign of per cent, if all of the column have one, and dates
    with slashes as year/month/day, if some of the column shows which are the days."""
    if decimal != ".":
        texts = pc.if_else(pc.match_substring(texts, "."), None,
                           pc.replace_substring(texts, decimal, "."))
    percent = _are(texts, NUMBER.replace("$", r"\s*%$"))
    if _any(percent) and not _any(_are(texts, NUMBER)):
        texts = pc.if_else(percent, pc.replace_substring_regex(texts, r"\s*%$", ""), texts)
    day_first, day_second = _any(_are(texts, f"^{ABOVE_12}/[0-9]{{1,2}}/[0-9]{{4}}$")), _any(
        _are(texts, f"^[0-9]{{1,2}}/{ABOVE_12}/[0-9]{{4}}$"))
    if day_first != day_second:
        texts = pc.replace_substring_regex(texts, SLASHED,
                                           r"\3/\2/\1" if day_first else r"\3/\1/\2")
    return texts


def _are(texts, pattern):
    return pc.fill_null(pc.match_substring_regex(texts, pattern), False)


def _any(mask):
    return bool(pc.any(mask).as_py())


def _parsed(texts):
    return pc.utf8_ltrim(pc.if_else(_are(texts, NUMBER), texts, None), "+").cast(pa.float64())


def _as_floats(column):
    return np.array(np.asarray(pc.fill_null(column.cast(pa.float64(), safe=False), np.nan)))


DATE_PARTS = ("year_sin", "year_cos", "week_sin", "week_cos")  # where in the year and in the week


def dates_of(column, decimal="."):
    """numbers_of dates, NaN where there is none, even where most cells hold something else."""
    return days_of(plain_of(names_of(column), decimal)) if is_text(column) else numbers_of(column)


def date_parts(days):
    """float64 [n, 4]: DATE_PARTS of days since 1970; the week begins on Monday."""
    known = np.where(np.isnan(days), 0, np.floor(days)).astype("datetime64[D]")
    first = known.astype("datetime64[Y]")
    length = (first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")
    year = (known - first.astype("datetime64[D]")) / length
    week = (known.astype(np.int64) + 3) % 7 / 7  # 1970 began on a Thursday
    turns = 2 * np.pi * np.stack([year, week], axis=1)
    parts = np.stack([np.sin(turns), np.cos(turns)], axis=2).reshape(len(days), len(DATE_PARTS))
    return np.where(np.isnan(days)[:, None], np.nan, parts)


def days_of(texts):
    """float64 days since 1970 of dates as text (2026-11-29, 2026/11/29 12:30, 29.11.2026)."""
    german = pc.replace_substring_regex(texts, r"^([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})$",
                                        r"\3-\2-\1")
    texts = pc.replace_substring_regex(german, r"^([0-9]+)/([0-9]+)/([0-9]+)", r"\1-\2-\3")
    texts = pc.replace_substring_regex(texts, r"-([0-9])(-|T| |$)", r"-0\1\2")
    texts = pc.replace_substring_regex(texts, r"-([0-9])(T| |$)", r"-0\1\2")
    return np.array([_day(text) for text in texts.to_pylist()], float)


def _day(text):
    try:
        return np.datetime64(text.rstrip("Z").replace(" ", "T"), "us").astype(np.int64) / 86400e6
    except (AttributeError, ValueError):
        return np.nan


def codes_of(column):
    """(int32 codes in order of first appearance, -1 where empty; the names)."""
    encoded = pc.dictionary_encode(names_of(column))
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], encoded.type)
    codes = np.array(pc.fill_null(encoded.indices, -1), np.int32)
    return codes, encoded.dictionary.to_pylist()


def labels_of(column, separator="|"):
    """(row of each label, code of each label, the labels): the lists of labels in the cells."""
    if is_text(column):
        texts = pc.replace_substring_regex(names_of(column), r"^\[|\]$|[\"']", "")
        brackets = pc.any(pc.match_substring(names_of(column), "[")).as_py()
        parts = pc.split_pattern(texts, "," if brackets else separator)
    else:
        parts = column
    if not (pa.types.is_list(parts.type) and is_text(pc.list_flatten(parts))):
        raise UserError(
            f"labels are to be lists of words (not {parts.type}); name another --labels")
    parts = parts.combine_chunks() if isinstance(parts, pa.ChunkedArray) else parts
    rows = np.asarray(pc.list_parent_indices(parts))
    codes, labels = codes_of(pc.list_flatten(parts))
    given = codes >= 0
    if labels and len(np.unique(rows)) == len(rows) and all(
            re.match(NUMBER, label) for label in labels):
        raise UserError(f"labels are to be lists of words, and these cells hold a number each, such "
                        f"as {labels[0]} (it would become the name of a label); --targets predicts "
                        "numbers")
    return rows[given], codes[given], labels


def same_partition(first, second):
    """Whether two arrays of codes cut the rows alike, up to the names."""
    pairs = np.unique(np.stack([first, second]), axis=1).shape[1]
    return pairs == len(np.unique(first)) == len(np.unique(second))


def constant_within(codes, ids):
    """Whether all rows of an id have the same code."""
    return len(np.unique(ids.astype(np.int64) * (codes.max() + 2) + codes + 1)) == len(
        np.unique(ids))


def empty_of(column):
    """Mask of the cells without anything, or with a word for that."""
    if not is_text(column):
        return np.array(column.is_null(nan_is_null=True))
    texts = names_of(column)
    words = pc.is_in(pc.utf8_lower(texts), NOT_GIVEN)
    return np.array(pc.or_(texts.is_null(), pc.fill_null(words, False)))
