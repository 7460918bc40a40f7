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
series float32 [steps, channels], steps > 0; vector float32 [features]; video uint8 [frames, H, W,
C], frames > 0; floats finite, or NaN where the modality has holes=True. A key missing from `values`
is a missing modality. Callables run once, when their shard is written, so only one shard is in
memory; they must be deterministic, and may raise BadInput: the modality is then left out, a sample
without any modality is skipped, and a class with fewer than `min_per_class` samples is skipped;
each is named and counted in the report. A modality that no sample has is refused.

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

from collections import Counter

from . import contact_sheet
from .conversion import Plan, carry_out, run_of_class
from .counts import counts_of
from .decoding import Doubtful
from .errors import BadInput, UserError
from .files import atomic
from .schema import (DatasetInfo, Modality, Sample, check_present, check_samples, plan_hash,
                     target_row)
from .shard_file import Loaded, write_datasets, write_shard
from .statistics import moments_of

__all__ = ["DatasetInfo", "Modality", "Sample", "load_sample", "load_samples", "write_converted",
           "write_dataset", "write_shard"]


def write_converted(args, report, info, modalities, samples, **how):
    """write_dataset by the arguments that every converter has (cli.py)."""
    write_dataset(args.out, info, modalities, samples, shards=args.shards, seed=args.seed,
                  report=report, dry_run=args.dry_run, overwrite=args.overwrite, sheet=args.sheet,
                  **how)


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
                  sheet=None,
                  min_per_class=2,
                  spread_classes=False):
    """Writes the data set into the folder `out`; see the top of this file. sheet: a PNG file to
    draw some samples of every class on, in a dry run, too. UserError if nothing usable remains, if
    a field cannot be stored, or if `out` holds another data set and overwrite is not given."""
    if sheet:
        contact_sheet.check_name(sheet)
    info.check()
    for modality in modalities:
        modality.check()
    check_samples(samples, modalities, info.targets)
    samples = drop_small_classes(samples, min_per_class, report.skipped)
    if not samples:
        raise UserError("no usable sample (nothing to write); see what was skipped")
    check_present(modalities, {name for sample in samples for name in sample.values})
    parts = _deal_out(samples, shards) if spread_classes else _runs_of_classes(samples, shards)
    if sheet:
        _draw_sheet(sheet, modalities, samples, report)
    minimum = 0 if spread_classes else min_per_class

    def write_part(shard, path):
        bar = report.progress(parts[shard], len(parts[shard]), f"shard {shard + 1} of {len(parts)}")
        return _write_part(path, info, modalities, bar, minimum)

    plan = Plan(info, modalities, seed,
                plan_hash(info, modalities, samples, len(parts), seed, spread_classes), len(parts),
                lambda: [counts_of(samples, lambda sample: sample.values)], write_part)
    carry_out(out, plan, shards, report, dry_run, overwrite)


def _draw_sheet(path, modalities, samples, report):
    chosen = contact_sheet.choose(samples)
    contact_sheet.draw(path, modalities, load_samples(chosen, modalities, 1, lambda *_: None))
    report.note(f"drew {len(chosen)} samples on {path}")


def load_samples(samples, modalities, minimum, skipped, target_names=(),
                 doubted=lambda *_: None):
    """Runs the loaders. skipped(what, reason) hears of each modality, sample and class left out,
    doubted of values that are odd. The targets have passed check_samples."""
    loaded = [found for sample in samples if (found := load_sample(
        sample, modalities, skipped, target_names, doubted))]
    kept = {None} | {sample.class_name for sample in loaded}
    for name in dict.fromkeys(sample.class_name for sample in samples):
        if name not in kept:
            skipped(f"class {name}", "class without a usable sample")
    return drop_small_classes(loaded, minimum, skipped)


def load_sample(sample, modalities, skipped, target_names=(), doubted=lambda *_: None):
    """The Loaded of one sample; None if nothing of it can be used: skipped heard why."""
    arrays = {}
    for modality in modalities:
        if modality.name in sample.values:
            try:
                value = sample.values[modality.name]
                value = value() if callable(value) else value
                if isinstance(value, Doubtful):
                    doubted(f"{sample.name} [{modality.name}]", value.reason)
                    value = value.value
                arrays[modality.name] = modality.convert(value)
            except BadInput as problem:
                skipped(f"{sample.name} [{modality.name}]", problem)
    if arrays:
        return Loaded(sample.name, sample.class_name, sample.group, sample.split, arrays,
                      target_row(sample.targets, target_names))
    if not sample.values:
        skipped(sample.name, "sample without any value")
    return None


def drop_small_classes(samples, minimum, skipped):
    """The samples of classes that have `minimum` of them; the other classes are skipped."""
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
    runs = [[] for _ in range(min(shards, len(by_class)))]
    sizes = [len(members) for members in by_class.values()]
    for run, members in zip(run_of_class(sizes, shards), by_class.values()):
        runs[run] += members
    return runs


def _write_part(path, info, modalities, samples, minimum):
    skips, doubts = [], []
    loaded = load_samples(samples, modalities, minimum,
                          lambda *skip: skips.append([str(text) for text in skip]), info.targets,
                          lambda *doubt: doubts.append(list(doubt)))
    with atomic(path) as temporary:
        write_datasets(temporary, modalities, loaded, len(info.targets))
    return {
        "counts": counts_of(loaded, lambda sample: sample.arrays), "skipped": skips,
        "doubted": doubts, "moments": {
            modality.name: moments_of(modality, loaded).to_json()
            for modality in modalities if modality.mean is None
        }
    }
