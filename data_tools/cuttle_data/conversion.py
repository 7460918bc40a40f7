"""One conversion, from its plan to sealed shards: parts, records, going on after a kill (shards.py
says how it behaves). What the samples are made of is the planner's matter."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import names, workspace
from .counts import merged, report_counts
from .errors import UserError
from .files import SHARD_SUFFIX, atomic, write_text
from .report import readable_bytes
from .schema import DatasetInfo, check_present
from .shard_file import header_text, seal
from .statistics import Moments


@dataclass
class Plan:
    """hash: names the plan, two with the same hash write the same bytes. parts: how many shards.
    counts(): as counts.counts_of, of what is planned, in any number of parts.
    write_part(shard, path): writes the datasets of a part to `path`, whole or not at all, and
    returns its record {"counts": as counts.counts_of, "skipped": [[what, reason]], "doubted": the
    same of what is used though it looks wrong, "moments": {modality: Moments.to_json()}}."""

    info: DatasetInfo
    modalities: list
    seed: int
    hash: str
    parts: int
    counts: Callable
    write_part: Callable


def run_of_class(sizes, shards):
    """For classes of these sizes, in order, the shard of each: contiguous runs of about equal
    sample counts, none of them empty."""
    shards, total = min(shards, len(sizes)), sum(sizes)
    runs, done, filled = [], 0, 0
    for index, size in enumerate(sizes):
        middle = (done + size / 2) * shards / total
        # No run may stay empty, neither one before this class nor, for lack of classes, one after
        # it.
        low, high = shards - (len(sizes) - index), filled
        runs.append(max(low, min(high, int(middle))))
        filled = max(filled, runs[-1] + 1)
        done += size
    return runs


def carry_out(out, plan, shards, report, dry_run, overwrite):
    """Writes the data set into the folder `out`. UserError if nothing usable remains, or if `out`
    holds another data set and overwrite is not given. shards: how many were asked for."""
    if plan.parts < shards:
        report.note(f"{plan.parts} shards instead of {shards}: there are not more classes")
    if dry_run:
        report.note(f"dry run: nothing written; would write {plan.parts} shards" +
                    (f" to {out}" if out else ""))
        report_counts(report, plan.modalities, merged(plan.counts()))
        return
    if _is_complete(out, plan.hash, report):
        return
    _make_room(out, plan.hash, overwrite)
    with workspace.Workspace(out, plan.hash) as work:
        files = [
            out / f"{plan.info.name}-{shard:05d}-of-{plan.parts:05d}{SHARD_SUFFIX}"
            for shard in range(plan.parts)
        ]
        records = _write_parts(work, files, plan, report)
        if not any(record["counts"] for record in records):
            work.remove()
            raise UserError("no usable sample (every one was skipped); see what was skipped")
        _check_loaded(work, records, plan.modalities)
        modalities = [_with_statistics(modality, records, report) for modality in plan.modalities]
        _seal_parts(work, files, plan, modalities)
        _finish(work, files, records, plan, report)


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


def _write_parts(work, files, plan, report):
    records = []
    for shard in range(plan.parts):
        record = work.record(shard)
        if record and (work.part(shard).exists() or files[shard].exists()):
            report.note(f"shard {shard} was finished before: kept")
        else:
            record = plan.write_part(shard, work.part(shard))
            work.write_record(shard, record)
        for what, reason in record["skipped"]:
            report.skipped(what, reason)
        for what, reason in record["doubted"]:
            report.doubted(what, reason)
        records.append(record)
    return records


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


def _with_statistics(modality, records, report):
    if modality.mean is not None:
        return modality
    moments = Moments()
    for record in records:
        moments.merge(Moments(*record["moments"][modality.name]))
    mean, stddev = moments.result()
    never = [modality.columns[i] if i < len(modality.columns) else str(i + 1)
             for i in np.flatnonzero(np.asarray(moments.count) == 0)] if mean else []
    if never:
        report.warn(f"{modality.name}: no training sample has a value of {', '.join(never)} (nothing "
                    "is learned of what is seen there later); leave such columns out")
    return modality.with_statistics(mean, stddev)


def _seal_parts(work, files, plan, modalities):
    for shard, path in enumerate(files):
        if not path.exists():
            with atomic(path) as temporary:
                work.part(shard).rename(temporary)
                seal(temporary,
                     header_text(plan.info, modalities, plan.seed, shard, plan.parts))


def _finish(work, files, records, plan, report):
    counts = merged(record["counts"] for record in records)
    report_counts(report, plan.modalities, counts)
    if plan.info.targets:
        report.note("targets of every sample: " + ", ".join(plan.info.targets))
    size = sum(path.stat().st_size for path in files)
    report.note(f"{len(files)} shards, {readable_bytes(size)}, in {work.out}")
    write_text(work.out / "conversion.log", report.summary(every=True))
    manifest = {
        "format": names.FORMAT_VALUE, "version": names.FORMAT_VERSION, "plan": plan.hash,
        "shards": [{"file": path.name, "bytes": path.stat().st_size} for path in files],
        "splits": {split: {"samples": entry["samples"], "classes": entry["classes"]}
                   for split, entry in counts.items()}
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    write_text(work.out / workspace.MANIFEST, text + "\n")
    work.remove()
