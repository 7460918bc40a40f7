"""Rows of a table -> samples with the senses that a model takes."""

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa

from .. import media, names
from ..columnar import Columns, loaded
from ..errors import UserError
from ..frame import cells, guesses, media_cells, opening
from ..frame.plan import NO_GROUP, TEST, Samples
from ..frame.senses import IS, Features, checked_numbers, note_holes, rows_of_series
from ..value_columns import Series, Texts, Vectors
from .table_fit import DATES, FILLED, KINDS, TableFit

ROWS = 64  # whose pictures and sounds are in memory at the same time


class GivenTable:
    """path: of the table; targets: their names."""

    def __init__(self, path, label, layout, args, report):
        """label: of all rows, or None. UserError if nothing in it fits the model."""
        self.args_, self.layout_, self.report_ = args, layout, report
        self.modalities_ = layout.modalities
        self.path = path
        self.frame_ = opening.open_table(path, args, report)
        self.fit_ = TableFit(self.frame_, label, layout, args, report)
        self.targets = self.fit_.targets
        self.samples_ = Samples(self.frame_, self.fit_.roles, report)
        self.usable_ = np.ones(len(self.samples_.first), bool)
        self.told_ = np.zeros(len(self.frame_), bool)  # rows with a cell that was counted as wrong
        self.numbers_ = {}  # {sense: the names of its features}
        self.read_ = {}  # {column: its numbers}
        self.columns_ = self._columns(label)

    def samples(self):
        """Each Loaded of a row that can be used."""
        columns, frame = self.columns_, self.frame_
        given = np.logical_or.reduce([column.present for column in columns.values.values()])
        empty = self.samples_.first[~given]
        empty = empty[~self.told_[empty]]
        if len(empty):
            self.report_.left_out(len(empty), "sample without any value that the model takes",
                                  frame.where(empty[0]))
        rows = np.flatnonzero(given)
        modalities = [m for m in self.modalities_ if m.name in columns.values]
        for first in range(0, len(rows), ROWS):
            some = loaded(columns, modalities, rows[first:first + ROWS], self.report_.skipped,
                          self.report_.doubted)
            yield from (sample for sample in some if sample.arrays)

    def modalities(self):
        """The model's, with the names of the columns that made numbers where it knew none: so a
        later table is read by them."""
        return [replace(m, columns=self.numbers_.get(m.name, ())) if not m.columns else m
                for m in self.modalities_]

    def _columns(self, label):
        count = len(self.samples_.first)
        classes, class_names = np.full(count, -1, np.int32), []
        if label:
            classes, class_names = np.zeros(count, np.int32), [label]
        elif self.fit_.roles.class_column:
            classes, class_names = self._labels(self.fit_.roles.class_column)
        values = {m.name: self._values(m) for m in self.modalities_ if m.name in self.fit_.sources}
        targets = self._targets()
        for column in values.values():
            column.present &= self.usable_
        return Columns(class_names, classes, [NO_GROUP], np.zeros(count, np.int32),
                       np.full(count, TEST, np.uint8), self.samples_.names_of, targets, values)

    def _labels(self, name):
        codes, found = cells.codes_of(self.frame_.columns[name])
        ids, first = self.samples_.ids, self.samples_.first
        classes = codes[first].copy()
        differ = np.unique(ids[(ids >= 0) & (codes != codes[first[ids]])])
        if len(differ):
            self.report_.warn(f"{len(differ)} samples have no label: their rows differ in column "
                              f"{name}, such as those of {self.samples_.names_of(differ[:1])[0]}")
            classes[differ] = -1
        return classes, found

    def _targets(self):
        if not self.targets:
            return None
        if self.fit_.labels:
            rows, codes, found = cells.labels_of(self.frame_.columns[self.fit_.labels])
            matrix = np.zeros((len(self.frame_), len(self.targets)), np.float32)
            matrix[rows, np.array([self.targets.index(label) for label in found])[codes]] = 1
            return matrix[self.samples_.first]
        valid = np.ones(len(self.frame_), bool)
        rows = [checked_numbers(self.frame_, name, valid, self.report_) for name in self.targets]
        self.usable_ &= valid[self.samples_.first]
        self.told_ |= ~valid
        return np.stack(rows, axis=1)[self.samples_.first]

    def _values(self, modality):
        sources, first = self.fit_.sources[modality.name], self.samples_.first
        column = sources[0][0]
        if modality.kind == names.KIND_TEXT:
            texts = cells.texts_of(self.frame_.columns[column]).cast(pa.large_string())
            return Texts(texts.combine_chunks().take(first))
        if modality.kind in KINDS or self.fit_.is_array(modality):
            found = media_cells.MediaCells(self.frame_, column, self.args_.root, self.report_)
            self.told_[found.missing] = True
            return media_cells.loaders_of(found, modality, first, media.read_options(self.args_))
        matrix, valid, filled = self._numbers(modality, sources)
        self.told_ |= ~valid
        if modality.kind == names.KIND_VECTOR:
            return Vectors(matrix[first], (valid & filled)[first])
        timed = [place for place, (_, rest) in enumerate(sources) if rest == names.ELAPSED_SUFFIX]
        rows = rows_of_series(self.samples_, valid, filled, bool(timed))
        steps = matrix[rows]
        for place in timed:
            steps[:, place] = self.samples_.elapsed(rows)
        return Series(steps, np.bincount(self.samples_.ids[rows], minlength=len(first)))

    def _numbers(self, modality, sources):
        """(float32 [rows, features], which rows have no wrong cell, and which have a value)."""
        fill = self.args_.fill  # holes only for a model that takes them
        if fill is not None and math.isnan(fill) and not modality.holes:
            fill = None
        if all(rest is None for _, rest in sources) and not modality.categories:
            types = {name: guesses.NUMBER if name in modality.columns else kind
                     for name, kind in self.fit_.types.items()}
            made = Features(self.frame_, [name for name, _ in sources], types, fill, self.report_)
            few = modality.shape[0] - len(made.names)
            self.numbers_[modality.name] = (*made.names, *[FILLED] * few)
            fills = self.args_.pad or FILLED in modality.columns  # as the model's own rows were
            if few > 0 and fills and modality.kind == names.KIND_VECTOR:
                self._check_plain(sources, types)
                self._note_encoder(modality)
                return (np.pad(made.matrix, ((0, 0), (0, few))), made.valid,
                        made.filled.any(axis=1))
            if few:
                fills = few > 0 and self._fills_rows(modality)
                what = ("fill its rows with zeros by cuttle-data pack --pad" if fills else
                        "name their columns, in the order of its data set, by --values")
                raise UserError(
                    f"{self.frame_.path}: {len(made.names)} numbers ({', '.join(made.names)}) for "
                    f"the model's sense {modality.name}, which takes {modality.shape[0]}; {what}")
            return made.matrix, made.valid, made.filled.any(axis=1)
        valid, filled = np.ones(len(self.frame_), bool), np.zeros(len(self.frame_), bool)
        parts, known, holes = [], {}, {}
        for (name, rest), found in zip(sources, modality.categories or [()] * len(sources)):
            if rest and rest[0] == IS:
                known.setdefault(name, set()).add(rest[1:])
            elif found:
                known[name] = set(found)
            part, here = self._feature(name, rest, found, valid, fill)
            parts.append(part)
            filled |= here
            if not rest:
                holes[name] = np.isnan(part)
        self._note_unknown(known)
        note_holes(self.report_, valid, holes)
        return np.stack(parts, axis=1).astype(np.float32), valid, filled

    def _feature(self, name, rest, categories, valid, fill):
        """(value of each row, which have one). categories: whose numbers the values are."""
        if categories or (rest and rest[0] == IS):
            codes, found = cells.codes_of(self.frame_.columns[name])
            wanted = {category: number for number, category in enumerate(categories)}
            if categories:
                numbers = np.array([wanted.get(text, np.nan) for text in found] + [np.nan])
                return numbers[codes], codes >= 0
            return codes == (found.index(rest[1:]) if rest[1:] in found else -2), codes >= 0
        if rest == names.ELAPSED_SUFFIX:
            return np.zeros(len(valid)), np.zeros(len(valid), bool)  # once the rows are known
        if name not in self.read_:  # a date has several parts
            date = self.fit_.types[name] == guesses.DATE
            self.read_[name] = checked_numbers(self.frame_, name, valid, self.report_, fill,
                                               cells.dates_of if date else cells.numbers_of)
        values = self.read_[name]
        if rest:
            return cells.date_parts(values)[:, DATES.index(rest)], ~np.isnan(values)
        return values, ~np.isnan(values)

    def _check_plain(self, sources, types):
        """Another table of the same columns may have other categories, and so other places."""
        wrong = [name for name, _ in sources if types[name] != guesses.NUMBER]
        if wrong:
            raise UserError(
                f"{self.frame_.path}: --pad takes numbers, and {', '.join(wrong)} has categories "
                "(their places among the columns would depend on the rows at hand); make numbers "
                "of them, or leave them out by --values")

    def _fills_rows(self, modality):
        """Whether the model takes tables of any width."""
        return self.layout_.encoders.get(modality.name) == "table"

    def _note_encoder(self, modality):
        encoder = self.layout_.encoders.get(modality.name, "table")
        if encoder != "table":
            self.report_.warn(f"--pad: the model's encoder of {modality.name} is {encoder}, to "
                              "which zeros are values like any other; only `table` leaves out "
                              "columns of zeros")

    def _note_unknown(self, known):
        for name, categories in known.items():
            found = cells.codes_of(self.frame_.columns[name])[1]
            others = [category for category in found if category not in categories]
            if others:
                self.report_.warn(f"column {name} has {len(others)} categories that the model does "
                                  f"not know, such as {others[0]!r}: they count as none")
