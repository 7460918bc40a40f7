"""Checks shards: every field, every checksum, and that the shards of a data set fit together.

Exit code 0 if all is well, 2 if anything is wrong; each problem names the file and the field.
"""

from pathlib import Path

import numpy as np

from . import contact_sheet, names, schema
from .errors import BadInput, UserError
from .files import path_of, shard_paths
from .reader import Shard
from .report import readable_bytes
from .trial import crashing

SHOWN_PER_SHARD = 10


def add_arguments(parser):
    parser.add_argument("paths", nargs="+", metavar="SHARD", help="shards, or folders of shards")
    parser.add_argument("--sheet", type=path_of, metavar="FILE.png",
                        help="draw some samples of each class there, if all is well")


def run(args, report):
    if args.sheet:
        contact_sheet.check_name(args.sheet)
    problems, rows, headers, split_of = [], [], {}, {}
    paths = shard_paths(args.paths)
    crashes = crashing(paths)
    for path in report.progress(paths, label="shards"):
        try:
            if path in crashes:
                raise UserError(f"{path}: the HDF5 library {crashes[path]} when it opens this file "
                                "(damaged, or made to do harm); do not use it")
            with Shard(path) as shard:
                bad = _bad_samples(shard, report)
                problems += bad[:SHOWN_PER_SHARD]
                if len(bad) > SHOWN_PER_SHARD:
                    problems.append(f"{path}: and {len(bad) - SHOWN_PER_SHARD} more bad samples")
                problems += _split_conflicts(shard, split_of)
                headers[path] = shard.header
                rows.append(_row(shard, bad))
        except UserError as error:
            problems.append(str(error))
            rows.append([path.name, readable_bytes(path.stat().st_size), *["-"] * 6, "no"])
    problems += _across(headers, {path for path in map(Path, args.paths) if path.is_dir()})
    report.table("shards",
                 ["shard", "size", "samples", *schema.SPLITS, "classes", "groups", "good"], rows)
    _report_modalities(report, headers)
    if problems:
        raise UserError("\n".join(
            [f"{len(problems)} problem(s) (such shards must not be trained on):", *problems]))
    report.note(f"{len(rows)} shard(s), all fields and checksums right")
    if args.sheet:
        contact_sheet.draw_shards(args.sheet, paths)
        report.note(f"drew samples on {args.sheet}")
    return 0


def _bad_samples(shard, report):
    """Messages for the samples whose data do not have their checksum or are not what the kind
    allows."""
    bad = []
    for modality in shard.modalities:
        present = np.flatnonzero(shard.rows[modality.name] >= 0)
        for sample in report.progress(present, len(present), f"{shard.path.name} {modality.name}"):
            try:
                modality.convert(shard.read(sample, modality.name))
            except UserError as error:
                bad.append(str(error))
            except BadInput as error:
                bad.append(
                    f"{shard.path}: sample {shard.sample_names[sample]} [{modality.name}] {error}")
    return bad


def _split_conflicts(shard, split_of):
    """Messages for classes that lie in two splits, also across shards."""
    found = {}
    pairs = set(zip(shard.sample_class.tolist(), shard.sample_split.tolist()))
    for class_id, split in sorted(pairs):
        if class_id >= 0:
            name = shard.class_names[class_id]
            other = split_of.setdefault(name, split)
            if other != split:
                found[name] = (
                    f"{shard.path}: class {name} is in the splits {schema.SPLITS[other]} and "
                    f"{schema.SPLITS[split]}")
    return list(found.values())


def _across(headers, folders):
    """Messages for shards of one data set that are double, differ in what they must share, or are
    missing (only where a whole folder was named)."""
    problems, sets = [], {}
    for path, header in headers.items():
        sets.setdefault((path.parent, header[names.DATASET_KEY]), {})[path] = header
    for (folder, dataset), members in sets.items():
        first_path, first = next(iter(members.items()))
        seen = {}
        for path, header in members.items():
            keys = dict.fromkeys([*first, *header])  # targets are in some headers only
            for key in (k for k in keys if k != names.SHARD_KEY and header.get(k) != first.get(k)):
                problems.append(f"{path}: header: {key} differs from that of {first_path.name}")
            number = header[names.SHARD_KEY]
            if number in seen:
                problems.append(f"{path}: is shard {number}, as {seen[number].name} is")
            seen[number] = path
        missing = sorted(set(range(first[names.SHARDS_KEY])) - set(seen))
        if missing and folder in folders:
            problems.append(
                f"{folder}: data set {dataset} lacks shard(s) {', '.join(map(str, missing))} of "
                f"{first[names.SHARDS_KEY]}")
    return problems


def _row(shard, bad):
    splits = np.bincount(shard.sample_split, minlength=len(schema.SPLITS))
    counts = [len(shard.sample_class), *splits, len(shard.class_names), len(shard.group_names)]
    size = readable_bytes(shard.path.stat().st_size)
    return [shard.path.name, size, *counts, "no" if bad else "yes"]


def _report_modalities(report, headers):
    if headers:
        header = next(iter(headers.values()))
        report.note(
            f"data set {header[names.DATASET_KEY]}; source: {header[names.SOURCE_KEY]}; license: "
            f"{header[names.LICENSE_KEY]}; by {header[names.CREATED_BY_KEY]}")
        if header.get(names.TARGETS_KEY):
            report.note("targets of every sample: " + ", ".join(header[names.TARGETS_KEY]))
        keys = (names.NAME_KEY, names.KIND_KEY, names.SHAPE_KEY, names.SAMPLE_RATE_KEY)
        rows = [[*[modality[key] for key in keys], "yes" if modality[names.MEAN_KEY] else "none",
                 "some" if modality.get(names.HOLES_KEY) else "none"]
                for modality in header[names.MODALITIES_KEY]]
        report.table("modalities", ["name", "kind", "shape", "rate", "statistics", "holes"], rows)
