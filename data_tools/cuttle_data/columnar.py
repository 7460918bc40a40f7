"""Writes a data set that was planned in columns, for tables of many rows; what shards.py does for
one Sample object each, with the same files, the same order and the same ways to resume."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from . import contact_sheet, names
from .conversion import Plan, carry_out, run_of_class
from .errors import UserError
from .files import atomic
from .schema import PICTURE_KINDS, SPLITS, VARIABLE_KINDS, check_present
from .shard_file import Loaded, creating, write_index, write_targets, write_values
from .statistics import Moments
from .value_columns import checksums

CHUNK = 65536  # rows of numbers whose moments are added at once


@dataclass
class Columns:
    """One entry a sample in every array. classes: rows in class_names, -1 for unlabelled; groups:
    rows in group_names; splits: numbers of SPLITS; names_of(samples): their names; targets: float32
    [samples, targets] or None; values: {modality: a column of value_columns.py}."""

    class_names: list
    classes: np.ndarray
    group_names: list
    groups: np.ndarray
    splits: np.ndarray
    names_of: object
    targets: np.ndarray
    values: dict


def write_columns(args, report, info, modalities, columns, minimum):
    """As shards.write_converted. A sample without any value is none. A class of which fewer than
    `minimum` samples are left when files cannot be read is left out. UserError
    if nothing usable remains, a field cannot be stored or a class lies in two splits."""
    if args.sheet:
        contact_sheet.check_name(args.sheet)
    info.check()
    for modality in modalities:
        modality.check()
    _check_splits(columns)
    there = _any_present(columns)
    rows = np.flatnonzero(there)
    for name in columns.names_of(np.flatnonzero(~there)):
        report.skipped(name, "sample without any value")
    if not len(rows):
        raise UserError("no usable sample (nothing to write); see what was skipped")
    check_present(modalities,
                  {name
                   for name, column in columns.values.items() if column.present[rows].any()})
    parts = _parts(columns, rows, args.shards)
    if args.sheet:
        _draw_sheet(args.sheet, columns, modalities, rows, report)

    def write_part(shard, path):
        return _Part(columns, modalities, parts[shard], minimum).write(path)

    plan = Plan(
        info, modalities, args.seed, _hash(columns, info, modalities, rows, args.seed, parts),
        len(parts), lambda: [
            _counts(columns, part, {
                name: column.present[part]
                for name, column in columns.values.items()
            }) for part in parts
        ], write_part)
    carry_out(args.out, plan, args.shards, report, args.dry_run, args.overwrite)


def _draw_sheet(path, columns, modalities, rows, report):
    order = rows[np.argsort(columns.classes[rows], kind="stable")]
    _, first = np.unique(columns.classes[order], return_index=True)
    every = max(1, -(-len(first) // contact_sheet.CLASSES))
    ends = np.append(first, len(order))[1:]
    chosen = np.concatenate([order[start:min(end, start + contact_sheet.SAMPLES)]
                             for start, end in zip(first[::every], ends[::every])])
    contact_sheet.draw(path, modalities,
                       loaded(columns, modalities, chosen, lambda *_: None, lambda *_: None))
    report.note(f"drew {len(chosen)} samples on {path}")


def loaded(columns, modalities, rows, skipped, doubted):
    """[Loaded] of some samples; skipped and doubted as in value_columns.py."""
    arrays = [{} for _ in rows]
    for modality in modalities:
        values = columns.values[modality.name].load(rows, skipped, doubted)
        keep = np.ones(len(rows), bool)
        blocks = list(values.blocks(keep))
        if blocks:
            pieces = np.split(np.concatenate(blocks), np.cumsum(values.lengths(keep))[:-1])
            for place, piece in zip(np.flatnonzero(values.present), pieces):
                arrays[place][modality.name] = (piece if modality.kind in VARIABLE_KINDS else
                                                piece[0])
    targets = [None] * len(rows) if columns.targets is None else columns.targets[rows]
    class_names = [*columns.class_names, None]  # the last: -1
    return [
        Loaded(name, class_names[columns.classes[row]], columns.group_names[columns.groups[row]],
               SPLITS[columns.splits[row]], own, target)
        for name, row, own, target in zip(columns.names_of(rows), rows, arrays, targets)
    ]


def _any_present(columns):
    return np.logical_or.reduce([column.present for column in columns.values.values()])


def _check_splits(columns):
    for split in range(1, len(SPLITS)):
        later = columns.classes[(columns.splits == split) & (columns.classes >= 0)]
        earlier = columns.classes[(columns.splits < split) & (columns.classes >= 0)]
        both = np.intersect1d(earlier, later)
        if len(both):
            raise UserError(
                f"class {columns.class_names[both[0]]} (of {len(both)}) is in {SPLITS[split]} "
                "and in another split (test classes must be unseen); put each into one of them, or "
                "let classes be split by --splits")


def large_classes(classes, count, minimum):
    """(mask of the samples that have no class or one of at least `minimum` samples, the others'
    classes); classes: for each sample one of `count`, or -1."""
    sizes = np.bincount(classes[classes >= 0], minlength=max(count, 1))
    few = np.flatnonzero((sizes > 0) & (sizes < minimum))
    return (classes < 0) | (sizes[classes] >= minimum), few


def _parts(columns, rows, shards):
    """The samples of each shard: whole classes in order of first appearance."""
    classes = columns.classes[rows]
    found, first, inverse, sizes = np.unique(classes,
                                             return_index=True,
                                             return_inverse=True,
                                             return_counts=True)
    order = np.argsort(first)
    place = np.empty(len(found), np.int64)
    place[order] = np.arange(len(found))
    run = np.array(run_of_class(sizes[order].tolist(), shards))
    position = place[inverse]
    rows = rows[np.argsort(position, kind="stable")]
    bounds = np.searchsorted(run[np.sort(position)], np.arange(run[-1] + 2))
    return [rows[a:b] for a, b in zip(bounds, bounds[1:])]


def _hash(columns, info, modalities, rows, seed, parts):
    digest = hashlib.sha256()
    head = [
        names.FORMAT_VERSION, info.name, info.source, info.license, info.created_by, info.settings,
        len(parts), seed, [modality.to_header() for modality in modalities],
        list(info.targets), columns.class_names, columns.group_names
    ]
    digest.update(json.dumps(head, sort_keys=True).encode())
    for array in (rows, columns.classes, columns.groups, columns.splits):
        digest.update(np.ascontiguousarray(array).tobytes())
    for first in range(0, len(rows), CHUNK):
        digest.update("\0".join(columns.names_of(rows[first:first + CHUNK])).encode())
    if columns.targets is not None:
        digest.update(columns.targets.tobytes())
    for name, column in columns.values.items():
        digest.update(name.encode() + column.digest())
    return digest.hexdigest()


def _counts(columns, rows, present):
    """As counts.counts_of."""
    counts = {}
    for split, name in enumerate(SPLITS):
        mine = columns.splits[rows] == split
        if mine.any():
            found = columns.classes[rows][mine]
            classes, sizes = np.unique(found[found >= 0], return_counts=True)
            counts[name] = {
                "classes": {columns.class_names[c]: int(n) for c, n in zip(classes, sizes)},
                "samples": int(mine.sum()),
                "present": {
                    modality: int(mask[mine].sum())
                    for modality, mask in present.items()
                }
            }
    return counts


class _Part:
    """The samples of one shard."""

    def __init__(self, columns, modalities, rows, minimum):
        self.columns_, self.modalities_, self.rows_ = columns, modalities, rows
        self.minimum_ = minimum

    def write(self, path):
        """The record that conversion.Plan asks for."""
        skips, doubts = [], []
        loaded = {
            name: column.load(self.rows_, lambda *skip: skips.append([str(s) for s in skip]),
                              lambda *doubt: doubts.append(list(doubt)))
            for name, column in self.columns_.values.items()
        }
        keep = self._kept({name: values.present for name, values in loaded.items()}, skips)
        rows, moments = self.rows_[keep], {}
        with atomic(path) as temporary, creating(temporary) as file:
            self._write_index(file, rows)
            for modality in self.modalities_:
                values = loaded.pop(modality.name)
                blocks, lengths = values.blocks(keep), values.lengths(keep)
                write_values(file, modality, values.present[keep], checksums(blocks, lengths),
                             lengths, blocks)
                trains = self.columns_.splits[rows[values.present[keep]]] == 0
                moments[modality.name] = _moments(modality, blocks, lengths, trains).to_json()
                loaded[modality.name] = values.present
        return {
            "counts": _counts(self.columns_, rows, {n: mask[keep] for n, mask in loaded.items()}),
            "skipped": skips, "doubted": doubts, "moments": moments
        }

    def _kept(self, present, skips):
        """Mask of the samples that have a value at all, else it is said why already, and are of a
        class with enough of them."""
        keep = np.logical_or.reduce(list(present.values()))
        large, few = large_classes(self.columns_.classes[self.rows_[keep]],
                                   len(self.columns_.class_names), self.minimum_)
        for index in few:
            skips.append([
                f"class {self.columns_.class_names[index]}", "class with fewer than the "
                f"{self.minimum_} usable samples that are needed"
            ])
        keep[np.flatnonzero(keep)[~large]] = False
        return keep

    def _write_index(self, file, rows):
        columns = self.columns_
        classes, class_ids = _renumbered(columns.classes[rows], columns.class_names)
        groups, group_ids = _renumbered(columns.groups[rows], columns.group_names)
        write_index(file, classes, class_ids, groups, group_ids, columns.splits[rows],
                    columns.names_of(rows))
        if columns.targets is not None:
            write_targets(file, columns.targets[rows])


def _renumbered(ids, all_names):
    """(names in order of first appearance, ids into them); -1 stays."""
    found, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    order = np.argsort(first)
    order = order[found[order] >= 0]
    place = np.full(len(found), -1)
    place[order] = np.arange(len(order))
    return [all_names[index] for index in found[order]], place[inverse]


def _moments(modality, blocks, lengths, trains):
    """Moments of the values that train; of blocks as write_values takes them."""
    moments = Moments()
    if modality.kind not in (*PICTURE_KINDS, names.KIND_SERIES, names.KIND_VECTOR):
        return moments
    wanted = np.repeat(trains, lengths) if modality.kind in VARIABLE_KINDS else trains
    channels, scale = modality.shape[-1], 255 if modality.kind in PICTURE_KINDS else 1
    first = 0
    for block in blocks:
        mine = wanted[first:first + len(block)]
        first += len(block)
        for start in range(0, len(block), CHUNK):
            rows = block[start:start + CHUNK][mine[start:start + CHUNK]]
            if len(rows):
                moments.add(rows.reshape(-1, channels) / scale)
    return moments
