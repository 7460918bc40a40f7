"""Value columns -> modalities and their values for every sample."""

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa

from .. import media, names
from ..shards import Modality
from ..value_columns import Series, Texts, Vectors
from . import cells, media_cells
from .guesses import ARRAY, CATEGORY, DATE, MEDIA, TEXT

MOST_CATEGORIES = 64  # features of a column of categories, one each
IS, PART = "=", ":"  # between a column and a category of it, or a part of what it says


class Features:
    """The numbers of all rows: matrix float32 [rows, features], NaN for a hole; filled [rows,
    features]: where the cell is not empty; names of the features; categories: for each of these
    those whose numbers are its values, () if they are numbers themselves; valid [rows]: which have
    no wrong cell."""

    def __init__(self, frame, columns, types, fill, report, coded=()):
        """coded: columns of categories that are one feature each, not one for each category."""
        self.frame_, self.fill_, self.report_ = frame, fill, report
        self.names, self.categories = [], []
        self.valid = np.ones(len(frame), bool)
        kinds, firsts = {CATEGORY: self._one_hot, DATE: self._date}, []
        parts, filled = [np.empty((len(frame), 0), np.float32)], [np.empty((len(frame), 0), bool)]
        for name in columns:
            firsts.append(len(self.names))
            part, here = (self._codes if name in coded else kinds.get(types[name],
                                                                      self._number))(name)
            self.categories += [()] * (len(self.names) - len(self.categories))
            parts.append(part)
            filled.append(np.broadcast_to(here[:, None], part.shape))
        self.matrix, self.filled = np.concatenate(parts, axis=1), np.concatenate(filled, axis=1)
        note_holes(report, self.valid, {self.names[f]: np.isnan(self.matrix[:, f])
                                        for f in firsts if f < len(self.names)})

    def _number(self, name):
        values = checked_numbers(self.frame_, name, self.valid, self.report_, self.fill_)
        self.names.append(name)
        return values[:, None], ~np.isnan(values)

    def _date(self, name):
        """Days since 1970, and where in the year and the week."""
        days = checked_numbers(self.frame_, name, self.valid, self.report_, self.fill_,
                               cells.dates_of)
        self.names += [name, *(name + PART + part for part in cells.DATE_PARTS)]
        return np.column_stack([days, cells.date_parts(days)]).astype(np.float32), ~np.isnan(days)

    def _codes(self, name):
        codes, found = cells.codes_of(self.frame_.columns[name])
        self.names.append(name)
        self.categories.append(tuple(found))
        return np.where(codes < 0, np.nan, codes).astype(np.float32)[:, None], codes >= 0

    def _one_hot(self, name):
        """A feature of 0 and 1 for each category; an empty cell has none."""
        codes, found = cells.codes_of(self.frame_.columns[name])
        if len(found) > MOST_CATEGORIES:
            self.report_.note(f"column {name} is not used: {len(found)} categories (at most "
                              f"{MOST_CATEGORIES} are made numbers); --codes takes any number, "
                              f"--type {name}=text reads it")
            return np.empty((len(codes), 0), np.float32), codes >= 0
        self.names += [name + IS + category for category in found]
        return (codes[:, None] == np.arange(len(found))).astype(np.float32), codes >= 0


def note_holes(report, valid, holes):
    """holes: {column: mask of the rows that have one}; valid: mask of those that are used."""
    counts = {name: int((mask & valid).sum()) for name, mask in holes.items()}
    if any(counts.values()):
        report.note(f"holes (empty cells) among {int(valid.sum()):,} rows: " + ", ".join(
            f"{name} {count:,}" for name, count in counts.items() if count))


def checked_numbers(frame, name, valid, report, fill=None, read=cells.numbers_of):
    """float32 for each row, `fill` where the cell is empty; `valid` becomes False where the cell is
    no number, nor is empty if there is a fill; that is counted and one is named."""
    column = frame.columns[name]
    values = read(column, frame.decimal)
    bad = np.isnan(values)
    if fill is not None and bad.any():
        empty = cells.empty_of(column)
        values[empty] = fill
        bad &= ~empty
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    huge = np.isinf(values)
    wanted = "a number" if read is cells.numbers_of else "a date"
    for mask, reason, text in ((bad, f"not {wanted}", f"column {{}} holds {{!r}}, not {wanted}"),
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
    coded = _coded(frame, [name for name in plain if types[name] == CATEGORY], samples) \
        if args.codes else []
    made = _numeric(args, Features(frame, plain, types, args.fill, report, coded), samples,
                    report) if plain else []
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


def _coded(frame, columns, samples):
    """Those of these columns that are of a vector, as a series has no categories."""
    if samples.ordered is None:
        return columns
    given = samples.given
    return [name for name in columns if cells.constant_within(
        cells.codes_of(frame.columns[name])[0][given], samples.ids[given])]


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
    matrix, filled = features.matrix, features.filled
    usable = features.valid & samples.given
    if samples.ordered is None:
        return _vector(args, features, slice(None), slice(None), usable, report)
    rows = samples.ordered[usable[samples.ordered]]
    same = np.array([_constant(matrix[rows, f], samples.ids[rows]) for f in range(matrix.shape[1])],
                    bool)
    made, changing = [], np.flatnonzero(~same)
    if len(changing):
        labels = [features.names[f] for f in changing]
        rows = rows_of_series(samples, usable, filled[:, changing].any(axis=1), args.times)
        steps = matrix[rows][:, changing]
        if args.times:
            steps = np.column_stack([samples.elapsed(rows), steps]).astype(np.float32)
            labels.insert(0, samples.name_of_elapsed())
        counts = np.bincount(samples.ids[rows], minlength=len(samples.first))
        made.append((Modality("series", names.KIND_SERIES, (len(labels), ), columns=tuple(labels),
                              holes=bool(np.isnan(steps).any())),
                     Series(np.ascontiguousarray(steps), counts)))
        report.note(f"channels of series: {', '.join(labels)}")
    return made + _vector(args, features, np.flatnonzero(same), samples.first, usable, report)


def rows_of_series(samples, usable, filled, timed):
    """The rows, by sample and time. filled: those with a value; a moment without any is one all the
    same, in a sample with some, unless the series say when their steps were."""
    rows = samples.ordered[usable[samples.ordered]]
    here = filled[rows]
    if not timed:
        ids = samples.ids[rows]
        here = np.bincount(ids, here, len(samples.first))[ids] > 0
    return rows[here]


def _vector(args, features, chosen, first, usable, report):
    """[(Modality, Vectors)] of some of the features, none if there are none. chosen, first: indices of
    these, and of a row of each sample; usable: which rows are."""
    places = np.arange(len(features.names))[chosen]
    if not len(places):
        return []
    labels = tuple(features.names[f] for f in places)
    matrix = features.matrix[first][:, chosen]
    present = usable[first] & features.filled[first][:, chosen].any(axis=1)
    categories = tuple(features.categories[f] for f in places)
    coded = any(categories)
    holes = coded or any(bool(np.isnan(column[present]).any()) for column in matrix.T)
    report.note(f"features of {args.modality}: {', '.join(labels)}")
    return [(Modality(args.modality, names.KIND_VECTOR, (len(labels), ), columns=labels,
                      holes=holes, categories=categories if coded else ()),
             Vectors(matrix, present))]


def seen_in_training(modality, values, trains, report):
    """The Modality with those categories alone that are there in the samples `trains`, if these are
    any; in `values` the others become holes."""
    if not modality.categories or not len(trains):
        return modality
    kept, unknown = [], []
    for place, (name, found) in enumerate(zip(modality.columns, modality.categories)):
        seen = _renumber(values.of(place), len(found), trains) if found else ()
        kept.append(tuple(found[code] for code in seen))
        if len(seen) < len(found):
            unknown.append(f"{len(found) - len(seen)} of {name}")
    if unknown:
        report.note("categories that no training sample has are unknown (holes): "
                    f"{', '.join(unknown)}")
    return replace(modality, categories=tuple(kept) if any(kept) else ())


def _renumber(column, count, trains):
    """Those of the numbers below `count` that are in a row of `trains`; in the column they become 0, 1
    and so on, the others holes."""
    seen = np.unique(column[trains])
    seen = seen[~np.isnan(seen)].astype(int)
    numbers = np.full(count, np.nan, np.float32)
    numbers[seen] = np.arange(len(seen))
    known = ~np.isnan(column)
    column[known] = numbers[column[known].astype(int)]
    return seen


def _constant(values, ids):
    """Whether all rows of a sample have the same value, or all a hole; rows are ordered by
    sample."""
    alike = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    return bool(alike[ids[1:] == ids[:-1]].all())
