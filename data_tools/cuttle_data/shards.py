"""The one way to write a data set of shards (FORMAT.md); every converter plans samples and calls
write_converted.

    from ..shards import DatasetInfo, Modality, Sample, write_converted

    modalities = [Modality("image", "image", (64, 64, 3)), Modality("text", "text"),
                  Modality("audio", "audio", sample_rate=16000)]
    samples = [Sample(name="1f600/noto", class_name="1f600", group="noto", split="train",
                      values={"image": lambda: media.load_image(path, (64, 64), 3),  # a callable
                              "text": "grinning face"},                              # or the value
                      fingerprint=media.file_fingerprint(path)), ...]
    info = DatasetInfo(name="emoji", source="...", license="...", created_by="cuttle-data emoji",
                       settings={"size": 64, "languages": [...]})
    write_converted(args, report, info, modalities, samples)

Values by kind: image uint8 [H, W, C]; text str or UTF-8 bytes, not empty; audio int16 [n], n > 0;
series float32 [steps, channels], steps > 0; vector float32 [features]; floats finite. A key missing
from `values` is a missing modality. Callables run once, when their shard is written, so only one
shard is in memory; they must be deterministic, and may raise BadInput: the modality is then left
out, a sample without any modality is skipped, and a class with fewer than `min_per_class` samples
is skipped; each is named and counted in the report.
A modality that no sample has is refused.

Targets (regression): DatasetInfo(targets=("y", )) names them, and every sample has as many finite
numbers, Sample(targets=(0.5, )). A class is then what one task is drawn from: a patient, a function.

Order: samples are stored in the order given, classes whole, in order of first appearance, spread
over the shards in contiguous runs of about equal size (`spread_classes=True` deals samples out in
turn instead). All samples of a class must be of one split. Unlabelled samples have class_name None.

Resuming: the plan hash covers names, classes, groups, splits, targets, modalities, settings, seed,
shard count and the samples' fingerprints (for values given directly their CRC is taken; for callables
pass what decides the content, such as path, size and time of the file). While a conversion runs,
its work lies in OUT/.conversion: the plan hash and every finished part. The same plan goes on from
there; another plan starts afresh. Statistics need all parts, so parts become .h5 files (a rename)
when all are done; dataset.json, written last, says that the data set is complete. A complete data
set of the same plan is left as it is; one of another plan is refused without overwrite. The bytes
of the shards depend only on samples, values, info, seed and shard count.
"""

import json
from collections import Counter
from dataclasses import replace

from . import names, workspace
from .errors import BadInput, UserError
from .files import SHARD_SUFFIX, atomic, write_text
from .report import readable_bytes
from .schema import (SPLITS, DatasetInfo, Modality, Sample, check_present, check_samples, plan_hash,
                     target_row)
from .shard_file import Loaded, header_text, seal, write_datasets, write_shard
from .statistics import Moments, moments_of

__all__ = ["DatasetInfo", "Modality", "Sample", "load_samples", "write_converted",
           "write_dataset", "write_shard"]


def write_converted(args, report, info, modalities, samples, **how):
    """write_dataset by the arguments that every converter has (cli.py)."""
    write_dataset(args.out, info, modalities, samples, shards=args.shards, seed=args.seed,
                  report=report, dry_run=args.dry_run, overwrite=args.overwrite, **how)


def write_dataset(out,
                  info,
                  modalities,
                  samples,
                  *,
                  shards,
                  seed,
                  report,
                  dry_run=False,
                  overwrite=False,
                  min_per_class=2,
                  spread_classes=False):
    """Writes the data set into the folder `out`; see the top of this file. UserError if nothing
    usable remains, if a field cannot be stored, or if `out` holds another data set and overwrite is
    not given."""
    info.check()
    for modality in modalities:
        modality.check()
    check_samples(samples, modalities, info.targets)
    samples = _drop_small_classes(samples, min_per_class, report.skipped)
    if not samples:
        raise UserError("no usable sample (nothing to write); see what was skipped")
    check_present(modalities, {name for sample in samples for name in sample.values})
    parts = _deal_out(samples, shards) if spread_classes else _runs_of_classes(samples, shards)
    if len(parts) < shards:
        report.note(f"{len(parts)} shards instead of {shards}: there are not more classes")
    plan = plan_hash(info, modalities, samples, len(parts), seed, spread_classes)
    if dry_run:
        report.note(f"dry run: nothing written; would write {len(parts)} shards to {out}")
        _report_counts(report, modalities,
                       [_counts(part, lambda sample: sample.values) for part in parts])
        return
    if _is_complete(out, plan, report):
        return
    _make_room(out, plan, overwrite)
    minimum = 0 if spread_classes else min_per_class
    with workspace.Workspace(out, plan) as work:
        files = [
            out / f"{info.name}-{shard:05d}-of-{len(parts):05d}{SHARD_SUFFIX}"
            for shard in range(len(parts))
        ]
        records = _write_parts(work, files, info, modalities, parts, minimum, report)
        if not any(record["counts"] for record in records):
            work.remove()
            raise UserError("no usable sample (every one was skipped); see what was skipped")
        _check_loaded(work, records, modalities)
        modalities = [_with_statistics(modality, records) for modality in modalities]
        _seal_parts(work, files, info, modalities, seed)
        _finish(work, files, records, info, modalities, plan, report)


def load_samples(samples, modalities, minimum, skipped, target_names=()):
    """Runs the loaders. skipped(what, reason) hears of each modality, sample and class left out.
    The targets have passed check_samples."""
    loaded = []
    for sample in samples:
        arrays = {}
        for modality in modalities:
            if modality.name in sample.values:
                try:
                    value = sample.values[modality.name]
                    arrays[modality.name] = modality.convert(value() if callable(value) else value)
                except BadInput as problem:
                    skipped(f"{sample.name} [{modality.name}]", problem)
        if arrays:
            loaded.append(Loaded(sample.name, sample.class_name, sample.group, sample.split,
                                 arrays, target_row(sample.targets, target_names)))
        else:
            skipped(sample.name, "sample without any usable modality")
    return _drop_small_classes(loaded, minimum, skipped)


def _drop_small_classes(samples, minimum, skipped):
    sizes = Counter(sample.class_name for sample in samples if sample.class_name is not None)
    small = {name: size for name, size in sizes.items() if size < minimum}
    for name, size in small.items():
        skipped(f"class {name}",
                f"class with {size} usable sample(s); at least {minimum} are needed")
    return [sample for sample in samples if sample.class_name not in small]


def _deal_out(samples, shards):
    return [samples[first::shards] for first in range(min(shards, len(samples)))]


def _runs_of_classes(samples, shards):
    """Whole classes in order of first appearance, cut into runs of about equal sample counts."""
    by_class = {}
    for sample in samples:
        by_class.setdefault(sample.class_name, []).append(sample)
    shards = min(shards, len(by_class))
    runs, done = [[] for _ in range(shards)], 0
    for index, members in enumerate(by_class.values()):
        middle = (done + len(members) / 2) * shards / len(samples)
        # No run may stay empty, neither one before this class nor, for lack of classes, one after
        # it.
        low, high = shards - (len(by_class) - index), sum(1 for run in runs if run)
        runs[max(low, min(high, int(middle)))] += members
        done += len(members)
    return runs


def _is_complete(out, plan, report):
    manifest = workspace.manifest_of(out)
    if not manifest or manifest["plan"] != plan:
        return False
    for shard in manifest["shards"]:
        path = out / shard["file"]
        if not path.exists() or path.stat().st_size != shard["bytes"]:
            return False
    workspace.remove_leftover(out)
    report.note(f"{out} is complete already and made from the same inputs: nothing to do")
    return True


def _make_room(out, plan, overwrite):
    """Refuses, or with overwrite removes, the shards of another plan."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file (shards go into a folder); choose another --out")
    if workspace.plan_of_unfinished(out) == plan:
        return
    old = sorted(out.glob("*" + SHARD_SUFFIX))
    if old and not overwrite:
        raise UserError(
            f"{out} holds shards of another conversion ({old[0].name}); choose another --out, "
            "or replace them with --overwrite")
    for path in [out / workspace.MANIFEST, *old]:
        path.unlink(missing_ok=True)


def _write_parts(work, files, info, modalities, parts, minimum, report):
    records = []
    for shard, samples in enumerate(parts):
        record = work.record(shard)
        if record and (work.part(shard).exists() or files[shard].exists()):
            report.note(f"shard {shard} was finished before: kept")
        else:
            samples = report.progress(samples, len(samples), f"shard {shard + 1} of {len(parts)}")
            record = _write_part(work, shard, info, modalities, samples, minimum)
        for what, reason in record["skipped"]:
            report.skipped(what, reason)
        records.append(record)
    return records


def _write_part(work, shard, info, modalities, samples, minimum):
    skips = []
    loaded = load_samples(samples, modalities, minimum,
                          lambda *skip: skips.append([str(text) for text in skip]), info.targets)
    with atomic(work.part(shard)) as temporary:
        write_datasets(temporary, modalities, loaded, len(info.targets))
    record = {
        "counts": _counts(loaded, lambda sample: sample.arrays), "skipped": skips, "moments": {
            modality.name: moments_of(modality, loaded).to_json()
            for modality in modalities if modality.mean is None
        }
    }
    work.write_record(shard, record)
    return record


def _check_loaded(work, records, modalities):
    """UserError if the files of a modality could not be read, every one."""
    present = Counter()
    for record in records:
        for counts in record["counts"].values():
            present.update(counts["present"])
    try:
        check_present(modalities, present)
    except UserError:
        work.remove()
        raise


def _with_statistics(modality, records):
    if modality.mean is not None:
        return modality
    moments = Moments()
    for record in records:
        moments.merge(Moments(*record["moments"][modality.name]))
    mean, stddev = moments.result()
    return replace(modality, mean=mean, stddev=stddev)


def _seal_parts(work, files, info, modalities, seed):
    for shard, path in enumerate(files):
        if not path.exists():
            with atomic(path) as temporary:
                work.part(shard).rename(temporary)
                seal(temporary, header_text(info, modalities, seed, shard, len(files)))


def _finish(work, files, records, info, modalities, plan, report):
    _report_counts(report, modalities, [record["counts"] for record in records])
    if info.targets:
        report.note("targets of every sample: " + ", ".join(info.targets))
    size = sum(path.stat().st_size for path in files)
    report.note(f"{len(files)} shards, {readable_bytes(size)}, in {work.out}")
    write_text(work.out / "conversion.log", report.summary(limit=None))
    manifest = {
        "format": names.FORMAT_VALUE, "version": names.FORMAT_VERSION, "plan": plan,
        "shards": [{"file": path.name, "bytes": path.stat().st_size} for path in files]
    }
    write_text(work.out / workspace.MANIFEST, json.dumps(manifest, indent=1) + "\n")
    work.remove()


def _counts(samples, values_of):
    """{split: {"classes": [names], "samples": n, "present": {modality: n}}} of samples."""
    counts = {}
    for sample in samples:
        entry = counts.setdefault(sample.split, {"classes": {}, "samples": 0, "present": Counter()})
        if sample.class_name is not None:
            entry["classes"][sample.class_name] = 1
        entry["samples"] += 1
        entry["present"].update(list(values_of(sample)))
    return {split: {**entry, "classes": list(entry["classes"])} for split, entry in counts.items()}


def _report_counts(report, modalities, all_counts):
    rows = []
    for split in SPLITS:
        entries = [counts[split] for counts in all_counts if split in counts]
        if entries:
            rows.append([
                split,
                len({name
                     for entry in entries
                     for name in entry["classes"]}),
                sum(entry["samples"] for entry in entries),
                *[sum(entry["present"].get(m.name, 0) for entry in entries) for m in modalities]
            ])
    report.table("data set", ["split", "classes", "samples", *[m.name for m in modalities]], rows)
