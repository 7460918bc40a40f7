"""Value columns -> modalities and their values for every sample."""

import re

import numpy as np
import pyarrow as pa

from .. import media, names
from ..shards import Modality
from ..value_columns import Series, Texts, Vectors
from . import cells, media_cells
from .guesses import ARRAY, CATEGORY, MEDIA, TEXT

MOST_CATEGORIES = 64  # features of a column of categories, one each


class Features:
    """The numbers of all rows: matrix float32 [rows, features], the features' names, and valid
    [rows]: which rows have all of them."""

    def __init__(self, frame, columns, types, fill, report):
        self.frame_, self.fill_, self.report_ = frame, fill, report
        self.names, parts = [], []
        self.valid = np.ones(len(frame), bool)
        for name in columns:
            parts.append(self._one_hot(name) if types[name] == CATEGORY else self._numbers(name))
        self.matrix = np.concatenate(parts, axis=1) if parts else np.empty(
            (len(frame), 0), np.float32)

    def _numbers(self, name):
        values = checked_numbers(self.frame_, name, self.valid, self.report_, self.fill_)
        self.names.append(name)
        return values[:, None]

    def _one_hot(self, name):
        """A feature of 0 and 1 for each category; an empty cell has none."""
        codes, found = cells.codes_of(self.frame_.columns[name])
        if len(found) > MOST_CATEGORIES:
            self.report_.note(f"column {name} is not used: {len(found)} categories (at most "
                              f"{MOST_CATEGORIES} are made numbers); --type {name}=text reads it")
            return np.empty((len(codes), 0), np.float32)
        self.names += [f"{name}={category}" for category in found]
        return (codes[:, None] == np.arange(len(found))).astype(np.float32)


def checked_numbers(frame, name, valid, report, fill=None):
    """float32 for each row; `valid` becomes False where the cell is no number, which is counted and
    one is named."""
    column = frame.columns[name]
    values = cells.numbers_of(column, frame.decimal)
    if fill is not None:
        values[cells.empty_of(column)] = fill
    bad = np.isnan(values)
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    huge = np.isinf(values)
    for mask, reason, text in ((bad, "not a number", "column {} holds {!r}, not a number"),
                               (huge, "not finite in float32",
                                "holds values that are not finite in float32: {}, {!r}")):
        if mask.any():
            row = int(np.argmax(mask))
            cell = column[row].as_py()
            report.left_out(
                int(mask.sum()), f"column {name}: {reason}",
                f"{frame.where(row)}: {text.format(name, '' if cell is None else cell)}")
            valid &= ~mask
    return values


def make_senses(args, frame, types, roles, samples, report):
    """([Modality], {modality: column of values}); samples: plan.Samples."""
    plain = [name for name in roles.values if types[name] not in (TEXT, *MEDIA)]
    made = _numeric(args, Features(frame, plain, types, args.fill, report), samples, report) \
        if plain else []
    for kind in (TEXT, *MEDIA):
        columns = [name for name in roles.values if types[name] == kind]
        for name in columns:
            alone = len(columns) == 1 and kind != ARRAY
            sense = _free_name(kind if alone else name, made)
            if kind == TEXT:
                texts = cells.texts_of(frame.columns[name]).cast(pa.large_string())
                texts = texts.combine_chunks()
                modality = Modality(sense, names.KIND_TEXT, columns=(name, ))
                made.append((modality, Texts(_rows_of(texts, samples.first))))
            else:
                found = media_cells.MediaCells(frame, name, args.root, report)
                modality = media_cells.modality_of(found, kind, sense, name, args, report)
                made.append((modality, media_cells.loaders_of(found, modality, samples.first,
                                                              media.read_options(args))))
    return [modality for modality, _ in made], {m.name: values for m, values in made}


def _rows_of(texts, rows):
    return texts if len(rows) == len(texts) else texts.take(rows)


def _free_name(text, made):
    """The name of a modality, made of a column's."""
    name = re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_")[:50] or "column"
    name = name if name[0].isalpha() else f"column_{name}"
    taken = {modality.name for modality, _ in made}
    return next(n for n in [name, *[f"{name}_{i}" for i in range(2, 99)]] if n not in taken)


def _numeric(args, features, samples, report):
    """Numbers that differ between the rows of a sample are a series, the others a vector."""
    matrix, labels = features.matrix, np.array(features.names, object)
    usable = features.valid & samples.given
    made = []
    if samples.ordered is not None:
        rows = samples.ordered[usable[samples.ordered]]
        same = np.array([_constant(matrix[rows, f], samples.ids[rows]) for f in range(len(labels))],
                        bool)
        steps = Series(np.ascontiguousarray(matrix[rows][:, ~same]),
                       np.bincount(samples.ids[rows], minlength=len(samples.first)))
        if (~same).any():
            made.append((Modality("series", names.KIND_SERIES, (int((~same).sum()), ),
                                  columns=tuple(labels[~same])), steps))
            report.note(f"channels of series: {', '.join(labels[~same])}")
        labels, matrix, usable = labels[same], matrix[samples.first][:, same], usable[samples.first]
    if len(labels):
        name = args.modality
        made.append((Modality(name, names.KIND_VECTOR, (len(labels), ), columns=tuple(labels)),
                     Vectors(matrix, usable)))
        report.note(f"features of {name}: {', '.join(labels)}")
    return made


def _constant(values, ids):
    """Whether all rows of a sample have the same value; rows are ordered by sample."""
    return bool((values[1:] == values[:-1])[ids[1:] == ids[:-1]].all())
