"""A table, the types and the roles of its columns -> samples in columns."""

import numpy as np

from .. import names, splits
from ..columnar import Columns, large_classes
from ..errors import UserError
from ..schema import SPLITS, check_target_names
from . import cells
from .roles import split_numbers
from .senses import checked_numbers, make_senses, seen_in_training

NO_GROUP = "all"
TRAIN, TEST = SPLITS.index(names.SPLIT_TRAIN), SPLITS.index(names.SPLIT_TEST)


class Samples:
    """Which rows make which sample. first: for each sample its first row; ids: for each row its
    sample, -1 for none; given: which rows are of one; ordered: the rows by sample and time, or None
    if every row is a sample."""

    def __init__(self, frame, roles, report):
        self.given = np.ones(len(frame), bool)
        self.ids = np.arange(len(frame), dtype=np.int32)
        self.first, self.ordered, self.names_ = self.ids, None, None
        self.times_ = np.zeros(len(frame))
        if roles.series:
            self.ids, self.names_ = cells.codes_of(frame.columns[roles.id])
            self.given = self.ids >= 0
            left_out_empty(frame, roles.id, self.ids, report)
            if roles.order:
                self.times_ = checked_numbers_of_time(frame, roles.order, self.given, report)
            order = np.lexsort((self.times_, self.ids))
            self.ordered = order[self.given[order]]
            _, self.first = np.unique(self.ids, return_index=True)
            self.first = self.first[-len(self.names_):]
        elif roles.id:
            self.texts_ = cells.names_of(frame.columns[roles.id]).combine_chunks()
        self.frame_, self.roles_ = frame, roles

    def elapsed(self, rows):
        """float64: time since the first of these rows of the same sample; they are in order."""
        _, first, sample = np.unique(self.ids[rows], return_index=True, return_inverse=True)
        return self.times_[rows] - self.times_[rows][first][sample]

    def name_of_elapsed(self):
        """Of this channel."""
        return self.roles_.order + names.ELAPSED_SUFFIX

    def names_of(self, samples):
        if self.names_:
            return [self.names_[sample] for sample in samples]
        plain = [self.frame_.name_of(row) for row in samples]
        if not self.roles_.id:
            return plain
        return [name or other for name, other in zip(self.texts_.take(samples).to_pylist(), plain)]


def checked_numbers_of_time(frame, name, given, report):
    times = cells.numbers_of(frame.columns[name], frame.decimal)
    bad = np.isnan(times) & given
    if bad.any():
        row = int(np.argmax(bad))
        report.left_out(int(bad.sum()), f"column {name}: no time", f"{frame.where(row)}: "
                        f"{frame.columns[name][row].as_py()!r}")
        given &= ~bad
    return times


def left_out_empty(frame, name, codes, report):
    empty = codes < 0
    if empty.any():
        report.left_out(int(empty.sum()), f"column {name}: empty",
                        f"{frame.where(int(np.argmax(empty)))}: column {name} is empty")


def plan(args, frame, types, roles, report, minimum):
    """([Modality], Columns, names of the targets). A row without class, group or targets is left
    out, and so is a class with fewer than `minimum` samples, before classes are split."""
    return _Planner(args, frame, roles, report).plan(types, minimum)


class _Planner:

    def __init__(self, args, frame, roles, report):
        self.args_, self.frame_, self.roles_, self.report_ = args, frame, roles, report
        self.samples_ = Samples(frame, roles, report)
        self.usable_ = np.ones(len(self.samples_.first), bool)

    def plan(self, types, minimum):
        classes, class_names = self._codes(self.roles_.class_column, None)
        groups, group_names = self._codes(self.roles_.group, NO_GROUP)
        targets, target_names = self._targets()
        modalities, values = make_senses(self.args_, self.frame_, types, self.roles_, self.samples_,
                                         self.report_)
        usable = self.usable_ & np.logical_or.reduce([v.present for v in values.values()])
        rows = np.flatnonzero(usable)
        if not len(rows):
            raise UserError(f"{self.frame_.path}: no usable row; see what was left out")
        for code in np.setdiff1d(np.arange(len(class_names)), classes[rows]):
            self.report_.skipped(f"class {class_names[code]}", "class without a usable row")
        large, few = large_classes(classes[rows], len(class_names), minimum)
        if len(few):
            self.report_.left_out(len(few), f"class with fewer than {minimum} usable samples",
                                  f"class {class_names[few[0]]}")
        rows = rows[large]
        if not len(rows):
            raise UserError(
                f"{self.frame_.path}: no class has {minimum} usable samples (support and "
                "query need one each); give another --class, or see what was left out")
        given = np.zeros(len(usable), bool)
        given[rows] = True
        for column in values.values():
            column.present &= given
        classes = np.where(given, classes, -1).astype(np.int32)
        split_of = self._splits(rows, classes, class_names)
        modalities = [seen_in_training(m, values[m.name], rows[split_of[rows] == TRAIN],
                                       self.report_) for m in modalities]
        return modalities, Columns(class_names, classes, group_names, groups, split_of,
                                   self.samples_.names_of, targets, values), target_names

    def _codes(self, name, without):
        """(code of each sample, names); one name for all without a column."""
        if name is None:
            count = len(self.samples_.first)
            return (np.full(count, -1, np.int32), []) if without is None else \
                (np.zeros(count, np.int32), [without])
        codes, found = cells.codes_of(self.frame_.columns[name])
        left_out_empty(self.frame_, name, codes, self.report_)
        self._one_each(name, codes)
        codes = codes[self.samples_.first]
        self.usable_ &= codes >= 0
        return codes, found

    def _one_each(self, name, codes):
        """Samples whose rows do not agree are not used."""
        if not self.roles_.series:
            return
        ids, first = self.samples_.ids, self.samples_.first
        differ = np.unique(ids[(ids >= 0) & (codes != codes[first[ids]])])
        if len(differ):
            self.report_.left_out(len(differ), f"sample whose rows differ in column {name}",
                                  f"{self.roles_.id} {self.samples_.names_of(differ[:1])[0]}")
            self.usable_[differ] = False

    def _targets(self):
        """(float32 [samples, targets] or None, their names)."""
        parts, found = [], ()
        for name in self.roles_.targets:
            valid = np.ones(len(self.frame_), bool)
            values = checked_numbers(self.frame_, name, valid, self.report_)
            self._one_each(name, np.unique(values, return_inverse=True)[1])
            self.usable_ &= valid[self.samples_.first]
            parts.append(values[self.samples_.first][:, None])
            found += (name, )
        if self.roles_.labels:
            rows, codes, labels = cells.labels_of(self.frame_.columns[self.roles_.labels])
            matrix = np.zeros((len(self.frame_), len(labels)), np.float32)
            matrix[rows, codes] = 1
            parts.append(matrix[self.samples_.first])
            found += tuple(labels)
        check_target_names(found)
        return (np.concatenate(parts, axis=1), found) if parts else (None, ())

    def _splits(self, rows, classes, class_names):
        """uint8 for each sample."""
        count = len(classes)
        if self.roles_.split:
            numbers = self._split_column(rows, classes)
            if numbers is not None:
                return numbers
        if self.args_.all_test or not class_names:  # unlabelled: nothing may train on them
            return np.full(count, TEST, np.uint8)
        fractions = splits.chosen_fractions(self.args_) or splits.parse_fractions(splits.FRACTIONS)
        present = [class_names[code] for code in np.unique(classes[rows])]
        split_of = splits.split_classes(present, fractions, self.args_.seed)
        by_class = np.array(
            [SPLITS.index(split_of.get(name, names.SPLIT_TEST)) for name in class_names], np.uint8)
        self._warn_of_empty_splits(fractions, split_of)
        return by_class[classes]

    def _split_column(self, rows, classes):
        """By the split column; None if that was a guess which classes do not agree with."""
        name = self.roles_.split
        column = self.frame_.columns[name]
        numbers = split_numbers(column)[self.samples_.first]
        unknown = rows[numbers[rows] < 0]
        if len(unknown):
            row = self.samples_.first[unknown[0]]
            raise UserError(
                f"{self.frame_.where(row)}: unknown split {column[row].as_py()!r} in column "
                f"{name}; use {', '.join(SPLITS)}")
        pairs = np.unique(np.stack([classes[rows], numbers[rows]]), axis=1)[0]
        if self.args_.split is None and classes[rows].max() >= 0 and len(
                np.unique(pairs)) < len(pairs):
            self.report_.note(f"column {name} has classes in several splits (test classes must be "
                              "unseen): not used, classes are split by --splits")
            return None
        return numbers.astype(np.uint8)

    def _warn_of_empty_splits(self, fractions, split_of):
        missing = [
            split for split, share in zip(SPLITS, fractions)
            if share > 0 and split not in split_of.values()
        ]
        if missing:
            self.report_.note(
                f"warning: {len(split_of)} classes leave none for {', '.join(missing)} "
                "(training validates on classes of its own); give --splits, more "
                "classes, or --all-test for data that are only evaluated")
